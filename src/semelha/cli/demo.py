"""`semelha demo`: train, evaluate and use a gallery on characters drawn from fonts, offline, in a few minutes."""

from __future__ import annotations

import shutil
import time
import unicodedata
from collections.abc import Mapping
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
from semelha.images import TEST_SCRIPTS, TRAIN_SCRIPTS, Dataset, Picture, glyphs, lookalikes
from semelha.images.lookalikes import CORRELATION
from semelha.training import plan_training

if TYPE_CHECKING:
    from semelha.deep import Network, Recipe
    from semelha.training_plan import TrainingPlan

FACES = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "DejaVu Sans Bold", "DejaVu Sans Oblique")
ENROLLED = 3  # of these, the first that draw a character
EXAMPLES = 6  # of characters that are enrolled, and of others
FPIR = 0.05
MARKER = "README.txt"


def demo(
    out: Annotated[Path, Option(help="Folder to create; an earlier demo in it is replaced.")] = Path("demo"),
    minutes: Annotated[float, Option(help="Training time.", min=0.05)] = 2.25,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Learn from characters of some scripts, then recognize characters of other scripts.

    Example: semelha demo
    """
    start = time.monotonic()
    _prepare(out)
    with stderr.status("drawing characters"):
        training, test = glyphs(TRAIN_SCRIPTS), glyphs(TEST_SCRIPTS)
        alike = lookalikes(test, training)
        test = with_splits(test.select(i for i, picture in enumerate(test) if picture.label not in alike))
        test = replace(test, name="characters of unseen scripts")
    console = stderr if json else stdout
    console.print(
        f"[bold]1[/] Learning from {len(training):,} pictures of {len(training.classes):,} characters: "
        f"{', '.join(TRAIN_SCRIPTS)}."
    )
    network, recipe = for_fonts(plan_training(training, seed=seed))
    model = train_with_bars(training, out=out / "model", network=network, recipe=recipe, minutes=minutes, seed=seed)

    console.print(
        f"[bold]2[/] Recognizing {len(test.classes)} characters of {', '.join(TEST_SCRIPTS)}. Enrolled: each in the "
        f"first {ENROLLED} of {', '.join(FACES)} that draw it. Probes: the other typefaces.\n"
        f"{escape(about_lookalikes(alike))}"
    )
    with progress_bars() as bar:
        found = evaluate(
            model,
            test,
            protocol=Protocol(map_leave_one_out=True),
            fpir=FPIR,
            seed=seed,
            groups="none",  # each picture is another typeface
            progress=progress_per_embedder(bar),
        )
    from semelha.evaluation.report import write_report  # importing Matplotlib is slow

    report = write_report(found, out / "report.html", card=model.card)
    answers = _identify_examples(out / "gallery", model, test, seed)

    seconds = time.monotonic() - start
    if json:
        values = {"seconds": round(seconds, 1), "report": str(report), "lookalikes": alike, "examples": answers}
        print_json({**found.to_json(), **values})
        return
    stdout.print(results_table(found))
    stdout.print(
        f"[bold]3[/] Half of the characters are enrolled. At most {FPIR:.0%} of the others may get a name. Pictures in "
        "typefaces that are not enrolled:"
    )
    for answer in answers:
        named = answer["subject"] or "unknown"
        mark = "[green]right[/]" if answer["right"] else "[red]wrong[/]"
        stdout.print(f"    {escape(answer['picture'])} → [bold]{escape(named)}[/]  {mark}")
    stdout.print(
        f"{sum(answer['right'] for answer in answers)} of {len(answers)} right, in {seconds:.0f} seconds. Report: "
        f"[bold]{escape(str(report))}[/]. Next:\n"
        f"    semelha subjects list {escape(str(out / 'gallery'))}\n"
        "    semelha enroll shop --from YOUR-PHOTOS       # photos: a pretrained model, nothing to train\n"
        "    semelha train YOUR-PHOTOS --out model        # or learn from them first"
    )


def for_fonts(plan: TrainingPlan) -> tuple[Network, Recipe]:
    """The network and recipe of a plan, changed for characters of fonts.

    All are drawn at one size, which tells characters apart, so the pictures are not framed by their ink. Fonts slant
    and stretch more than handwriting, and hardly rotate or warp. Small batches leave time for more steps, and so does
    leaving out the validation.
    """
    assert plan.network is not None
    assert plan.recipe is not None
    changes = replace(
        plan.recipe.augmentation, rotate=3, scale=0.1, stretch=0.12, shear=0.2, translate=0.03, elastic=0.0
    )
    recipe = replace(plan.recipe, batch=64, validation=0.0, augmentation=changes, quarter_turns=False, coarse=0.0)
    return replace(plan.network, fit="pad"), recipe


def with_splits(characters: Dataset) -> Dataset:
    """The split gallery for each character in the first `ENROLLED` of `FACES` that draw it; for the others query."""
    faces: dict[str, set[str]] = {}
    for picture in characters:
        faces.setdefault(picture.label, set()).add(_face(picture))
    enrolled = {label: [face for face in FACES if face in drawn][:ENROLLED] for label, drawn in faces.items()}
    pictures = [
        replace(picture, split="gallery" if _face(picture) in enrolled[picture.label] else "query")
        for picture in characters
    ]
    return replace(characters, pictures=tuple(pictures))


def about_lookalikes(alike: Mapping[str, str]) -> str:
    """How many characters are left out because they look like others, why, and two examples."""
    examples: dict[bool, str] = {}  # one like a character of the test scripts, and one like another
    for label, other in alike.items():
        examples.setdefault(other.split("/")[0] in TEST_SCRIPTS, f"{_name(label)}, like {_name(other)}")
    named = f" ({'; '.join(examples.values())})" if examples else ""
    return (
        f"Left out: {len(alike)} that look like another character{named}. Their pixels, scaled to one size, correlate "
        f"by {CORRELATION} or more in at least half of the typefaces."
    )


def _face(picture: Picture) -> str:
    return picture.name.split("/")[0]


def _name(label: str) -> str:
    """The name of a character, by the label of `glyphs`."""
    return unicodedata.name(chr(int(label.rpartition("U+")[2], 16))).capitalize()


def _identify_examples(folder: Path, model: Model, test: Dataset, seed: int) -> list[dict[str, Any]]:
    """Enroll and calibrate half of the characters; identify some that are enrolled and some that are not."""
    random = np.random.default_rng(seed)
    classes = random.permutation(test.classes).tolist()
    known = set(classes[: len(classes) // 2])
    members = [i for i, picture in enumerate(test) if picture.split == "gallery" and picture.label in known]
    probes: list[Picture] = []
    for label in (*classes[:EXAMPLES], *classes[-EXAMPLES:]):
        others = [picture for picture in test if picture.label == label and picture.split == "query"]
        probes.append(others[random.integers(len(others))])
    with Gallery.create(folder, model) as gallery:
        with progress_bars() as bar:
            gallery.enroll_dataset(test.select(members), progress=bar("enrolling"))
        gallery.calibrate(fpir=FPIR, seed=seed)
        found = gallery.identify_many(probes)
    answers = []
    for probe, one in zip(probes, found, strict=True):
        picture = f"{probe.label} in {_face(probe)}"
        if probe.label not in known:
            picture = f"{picture}, not enrolled"
        right = one.subject == (probe.label if probe.label in known else None)
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
