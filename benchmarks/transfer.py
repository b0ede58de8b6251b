"""Real pictures of things never trained on: groceries, emoji, faces, with the demo's model.

    python benchmarks/transfer.py DATA [--model demo/model]

DATA holds `grocery/open`, `emoji/open`, `orl_faces/open`. Grocery: enrolled from its catalogue picture and from one
or five photos of the official training part, probed with the official test part. Emoji: one style left out in turn.
Faces: leave one out. Each beside raw pixels. Open set: half of the classes enrolled, the rest strangers, three seeds.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

import semelha
from _results import table, write_section
from semelha.embedders import raw_pixels
from semelha.evaluation import Protocol, evaluate

SEEDS = (0, 1, 2)
FPIR = 0.1
Case = tuple[str, semelha.Dataset, Callable[[semelha.Picture], bool] | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    parser.add_argument("--model", type=Path, default=Path("demo/model"))
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds the sets, or set SEMELHA_DATA")
    model = semelha.load_embedder(arguments.model)
    rows = []
    for title, dataset, enrolled in [
        *grocery(arguments.data),
        *emoji(arguments.data),
        *faces(arguments.data),
    ]:
        for name, embedder in (("model", model), ("raw pixels", raw_pixels())):
            rows.append([title, name, *measure(embedder, dataset, enrolled)])
    columns = [
        "pictures",
        "embedder",
        "R@1",
        "MAP@R",
        f"FNIR at FPIR={FPIR:.0%} (hindsight)",
        "achieved FPIR (calibrated)",
        "achieved FNIR",
    ]
    body = (
        f"Model: {arguments.model.name}, trained on {model.card.training.get('data')} "
        f"({model.card.training.get('pictures')} pictures) and on none of these. "
        f"Means over {len(SEEDS)} seeds, ± half the range; – : that many subjects cannot support that rate.\n\n"
    )
    write_section("Pictures never trained on", body + table(columns, rows))


def measure(
    embedder: object, dataset: semelha.Dataset, enrolled: Callable[[semelha.Picture], bool] | None
) -> Iterator[str | None]:
    found = [
        evaluate(
            embedder,
            dataset,
            protocol=Protocol(enroll=enrolled),
            fpir=FPIR,
            baselines=False,
            seed=seed,
            resamples=0,
            groups="none",  # what is enrolled is from another visit or style
        ).to_json()
        for seed in SEEDS
    ]
    for name in ("r_at_1", "map_at_r", "fnir_at_fpir", "fpir_achieved", "fnir_achieved"):
        values = [one[name] for one in found if one[name] is not None]
        yield f"{np.mean(values):.3f} ± {np.ptp(values) / 2:.3f}" if values else None


def grocery(data: Path) -> Iterator[Case]:
    folder = data / "grocery" / "open"
    with (folder / "images.csv").open(encoding="utf-8") as file:
        split = {row["path"]: row["official_split"] for row in csv.DictReader(file)}
    photos = semelha.read_folder(folder / "images")
    pictures = [replace(p, split=split[f"images/{p.name}"]) for p in photos]
    tests = [p for p in pictures if p.split == "test"]
    icons = [
        semelha.Picture(source=file, label=file.stem, name=f"iconic/{file.name}", split="iconic")
        for file in sorted((folder / "iconic").glob("*.jpg"))
    ]
    yield "grocery, catalogue picture", joined("grocery", icons, tests), lambda p: p.split == "iconic"
    for shots in (1, 5):
        taken = first_of_each([p for p in pictures if p.split == "train"], shots)
        yield (
            f"grocery, {shots} photo{'s' if shots > 1 else ''}",
            joined("grocery", taken, tests),
            lambda p: p.split == "train",
        )


def emoji(data: Path) -> Iterator[Case]:
    pictures = semelha.read_folder(data / "emoji" / "open")
    for style in sorted({Path(p.name).stem for p in pictures}):
        yield f"emoji, {style} left out", pictures, lambda p, style=style: Path(p.name).stem != style


def faces(data: Path) -> Iterator[Case]:
    yield "faces, leave one out", semelha.read_folder(data / "orl_faces" / "open"), None


def first_of_each(pictures: list[semelha.Picture], shots: int) -> list[semelha.Picture]:
    taken: dict[str, list[semelha.Picture]] = {}
    for picture in sorted(pictures, key=lambda p: p.name):
        taken.setdefault(picture.label, []).append(picture)
    return [picture for each in taken.values() for picture in each[:shots]]


def joined(name: str, *parts: list[semelha.Picture]) -> semelha.Dataset:
    return semelha.Dataset(name=name, pictures=tuple(p for part in parts for p in part))


if __name__ == "__main__":
    main()
