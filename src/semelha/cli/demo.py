"""`semelha demo`: train, evaluate and use a gallery on characters drawn from fonts, offline, in a few minutes."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from typer import Option

from semelha.cli.console import escape
from semelha.cli.evaluation import progress_per_embedder, results_table
from semelha.cli.output import Json, Seed, print_json, progress_bars, stderr, stdout
from semelha.cli.training import train_with_bars
from semelha.embedders import Model
from semelha.errors import UsageError
from semelha.evaluation import Protocol, evaluate
from semelha.gallery import Gallery
from semelha.images import TEST_SCRIPTS, TRAIN_SCRIPTS, Dataset, Picture, glyphs
from semelha.training import plan_training

if TYPE_CHECKING:
    from semelha.deep import Recipe

FACE = "DejaVu Sans"
FPIR = 0.01
GALLERY_FPIR = 0.1  # at 1% few characters are named, because hyphens and dots of the scripts look alike
MARKER = "README.txt"


def demo(
    out: Annotated[Path, Option(help="Folder to create; an earlier demo in it is replaced.")] = Path("demo"),
    minutes: Annotated[float, Option(help="Training time.", min=0.05)] = 2.5,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Learn from characters of some scripts, then recognize characters of other scripts.

    Example: semelha demo
    """
    start = time.monotonic()
    _prepare(out)
    with stderr.status("drawing characters"):
        training = glyphs(TRAIN_SCRIPTS)
        test = replace(glyphs(TEST_SCRIPTS), name="characters of unseen scripts")
    console = stderr if json else stdout
    console.print(
        f"[bold]1[/] Learning from {len(training):,} pictures of {len(training.classes):,} characters: "
        f"{', '.join(TRAIN_SCRIPTS)}."
    )
    plan = plan_training(training, seed=seed)
    assert plan.recipe is not None
    model = train_with_bars(
        training, out=out / "model", network=plan.network, recipe=for_fonts(plan.recipe), minutes=minutes, seed=seed
    )

    console.print(
        f"[bold]2[/] Recognizing {len(test.classes)} characters of {', '.join(TEST_SCRIPTS)}: enrolled from one font "
        f"({FACE}), probed with the others."
    )
    with progress_bars() as bar:
        found = evaluate(
            model,
            test,
            protocol=Protocol(enroll=is_enrolled, map_leave_one_out=True),
            fpir=FPIR,
            seed=seed,
            groups="none",  # each picture is another font
            progress=progress_per_embedder(bar),
        )
    from semelha.evaluation.report import write_report  # importing Matplotlib is slow

    report = write_report(found, out / "report.html", card=model.card)
    answers = _identify_examples(out / "gallery", model, test, seed)

    seconds = time.monotonic() - start
    if json:
        print_json({**found.to_json(), "seconds": round(seconds, 1), "report": str(report), "examples": answers})
        return
    stdout.print(results_table(found))
    stdout.print(
        "[bold]3[/] Identifying six characters that are enrolled and six that are not, at a false-positive "
        f"rate of {GALLERY_FPIR:.0%}:"
    )
    for answer in answers:
        named = answer["subject"] or "unknown"
        mark = "[green]right[/]" if answer["right"] else "[red]wrong[/]"
        stdout.print(f"    {escape(answer['picture'])} → [bold]{escape(named)}[/]  {mark}")
    stdout.print(
        f"{seconds:.0f} seconds. Report: [bold]{escape(str(report))}[/]. Next:\n"
        f"    semelha subjects list {escape(str(out / 'gallery'))}\n"
        f"    semelha train YOUR-PHOTOS --out model"
    )


def for_fonts(recipe: Recipe) -> Recipe:
    """Augment for fonts, which slant and stretch more than handwriting, and hardly rotate or warp."""
    changes = replace(recipe.augmentation, rotate=3, scale=0.1, stretch=0.12, shear=0.2, translate=0.03, elastic=0.0)
    return replace(recipe, augmentation=changes, quarter_turns=False, coarse=0.0)


def is_enrolled(picture: Picture) -> bool:
    """Whether a picture is drawn in the font that is enrolled."""
    return picture.name.startswith(f"{FACE}/")


def _identify_examples(folder: Path, model: Model, test: Dataset, seed: int) -> list[dict[str, Any]]:
    """Enroll and calibrate half of the characters; identify six that are enrolled and six that are not."""
    random = np.random.default_rng(seed)
    known = set(random.permutation(test.classes)[: len(test.classes) // 2].tolist())
    members = [i for i, picture in enumerate(test) if is_enrolled(picture) and picture.label in known]
    others = [picture for picture in test if not is_enrolled(picture)]
    some = [[p for p in others if (p.label in known) == is_known] for is_known in (True, False)]
    probes = [part[i] for part in some for i in random.choice(len(part), 6, replace=False)]
    with Gallery.create(folder, model) as gallery:
        with progress_bars() as bar:
            gallery.enroll_dataset(test.select(members), progress=bar("enrolling"))
        gallery.calibrate(fpir=GALLERY_FPIR, seed=seed)
        found = gallery.identify_many(probes)
    answers = []
    for probe, one in zip(probes, found, strict=True):
        picture, expected = f"{probe.label} in {probe.name.split('/')[0]}", probe.label
        if probe.label not in known:
            picture, expected = f"{picture}, not enrolled", None
        right = one.subject == expected
        answers.append({"picture": picture, "decision": one.decision, "subject": one.subject, "right": right})
    return answers


def _prepare(out: Path) -> None:
    """Create the folder, and remove an earlier demo. Raises `UsageError` for a folder with other content."""
    if out.exists() and not (out / MARKER).exists() and any(out.iterdir()):
        raise UsageError(f"{out} contains something other than a demo: choose another --out")
    for name in ("model", "gallery", "model.training"):
        shutil.rmtree(out / name, ignore_errors=True)
    (out / "report.html").unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).write_text("Made by `semelha demo`, which replaces it when it runs again.\n", encoding="utf-8")
