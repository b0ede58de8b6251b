"""`semelha demo`: the whole way on characters that typefaces draw, in a few minutes, offline."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from rich.markup import escape
from typer import Option

from semelha.cli.evaluation import figures, named_bars
from semelha.cli.output import Json, print_json, progress_bars, stderr, stdout
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
GALLERY_FPIR = 0.1  # hyphens and dots of four scripts are twins, and leave nothing to know at 1%
MARK = "README.txt"


def demo(
    out: Annotated[Path, Option(help="Folder to make; a demo that is there is replaced.")] = Path("demo"),
    minutes: Annotated[float, Option(help="Time for the training proper.", min=0.05)] = 2.5,
    seed: Annotated[int, Option(help="Seed of every random draw.")] = 0,
    json: Json = False,
) -> None:
    """Learn from the characters of some scripts, then recognize those of scripts never seen.

    Example: semelha demo
    """
    start = time.monotonic()
    _clear(out)
    with stderr.status("drawing characters"):
        training = glyphs(TRAIN_SCRIPTS)
        test = replace(glyphs(TEST_SCRIPTS), name="characters of scripts never seen")
    _say(json, f"[bold]1[/] Learning from {len(training):,} pictures of {len(training.classes):,} characters: "
               f"{', '.join(TRAIN_SCRIPTS)}.")  # fmt: skip
    plan = plan_training(training, seed=seed)
    assert plan.recipe is not None
    model = train_with_bars(
        training, out=out / "model", network=plan.network, recipe=printed(plan.recipe), minutes=minutes, seed=seed
    )

    _say(json, f"[bold]2[/] Recognizing {len(test.classes)} characters of {', '.join(TEST_SCRIPTS)}: "
               f"enrolled from one typeface ({FACE}), probed with the others.")  # fmt: skip
    with progress_bars() as bar:
        found = evaluate(
            model,
            test,
            protocol=Protocol(enroll=enrolled, map_leave_one_out=True),
            fpir=FPIR,
            seed=seed,
            progress=named_bars(bar),
        )
    from semelha.evaluation.report import write_report  # late, for Matplotlib is slow to import

    report = write_report(found, out / "report.html", card=model.card)
    answers = _use(out / "gallery", model, test, seed)

    seconds = time.monotonic() - start
    if json:
        print_json({**found.to_json(), "seconds": round(seconds, 1), "report": str(report), "examples": answers})
        return
    stdout.print(figures(found))
    stdout.print(
        "[bold]3[/] A gallery with half of them, which names at most "
        f"{GALLERY_FPIR:.0%} of strangers; six that it has and six that it has not:"
    )
    for answer in answers:
        named = answer["subject"] or "unknown"
        mark = "[green]right[/]" if answer["right"] else "[red]wrong[/]"
        stdout.print(f"    {escape(answer['picture'])} → [bold]{escape(named)}[/]  {mark}")
    stdout.print(
        f"{seconds:.0f} seconds in all. Open [bold]{escape(str(report))}[/]; ask the gallery yourself with\n"
        f"    semelha subjects list {escape(str(out / 'gallery'))}\n"
        f"    semelha train YOUR-PHOTOS --out model"
    )


def printed(recipe: Recipe) -> Recipe:
    """Typefaces differ less than hands do, and in other ways: they slant and stretch, and hardly turn or warp."""
    changes = replace(recipe.augmentation, rotate=3, scale=0.1, stretch=0.12, shear=0.2, translate=0.03, elastic=0.0)
    return replace(recipe, augmentation=changes, quarter_turns=False, coarse=0.0)


def enrolled(picture: Picture) -> bool:
    """Is it drawn in the typeface that is enrolled?"""
    return picture.name.startswith(f"{FACE}/")


def _use(folder: Path, model: Model, test: Dataset, seed: int) -> list[dict[str, Any]]:
    """Make a gallery of half of the characters, calibrate it, and ask for six that it has and six that it has not."""
    random = np.random.default_rng(seed)
    known = set(random.permutation(test.classes)[: len(test.classes) // 2].tolist())
    members = [i for i, picture in enumerate(test) if enrolled(picture) and picture.label in known]
    others = [picture for picture in test if not enrolled(picture)]
    some = [[p for p in others if (p.label in known) == is_known] for is_known in (True, False)]
    probes = [part[i] for part in some for i in random.choice(len(part), 6, replace=False)]
    with Gallery.create(folder, model) as gallery:
        with progress_bars() as bar:
            gallery.enroll_dataset(test.select(members), progress=bar("enrolling"))
        gallery.calibrate(fpir=GALLERY_FPIR, seed=seed)
        found = gallery.identify_many(probes)
    return [
        {
            "picture": f"{probe.label} in {probe.name.split('/')[0]}"
            + ("" if probe.label in known else ", not enrolled"),
            "decision": one.decision,
            "subject": one.subject,
            "right": one.subject == (probe.label if probe.label in known else None),
        }
        for probe, one in zip(probes, found, strict=True)
    ]


def _clear(out: Path) -> None:
    """Make the folder, without what a former demo left there. Other people's folders are not touched."""
    if out.exists() and not (out / MARK).exists() and any(out.iterdir()):
        raise UsageError(f"{out} holds something else than a demo: choose another --out")
    for name in ("model", "gallery", "model.training"):
        shutil.rmtree(out / name, ignore_errors=True)
    (out / "report.html").unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).write_text("Made by `semelha demo`, which replaces it when it runs again.\n", encoding="utf-8")


def _say(json: bool, text: str) -> None:
    (stderr if json else stdout).print(text)
