"""Networks that learned without labels, on classes never seen: beside raw pixels, the untrained and the supervised one.

    python benchmarks/self_supervised.py DATA [--methods simclr moco-v2 moco-v3] [--only omniglot] [--steps 2000]

DATA holds `omniglot/open` and `grocery/open`. Omniglot: twenty alphabets are learned from, as in `omniglot.py`, and the
other ten measured, each drawing searching all others. Grocery: the fifteen classes whose names come first by SHA-256
are measured; pictures of one visit to the shops (the official training part, or the test part) are a group and never
match. What is learned from without labels lies in one folder, without class folders. Trainings end by their steps, not
by the clock, so a busy machine does not change them; they are kept in `--models`, go on if they were interrupted, and
what is there is not trained again. Interval: bootstrap over classes.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import semelha
from _results import table, write_section
from omniglot import alphabet_of
from semelha.deep import untrained
from semelha.embedders import Embedder, raw_pixels
from semelha.evaluation.measures import retrieval

SUPERVISED = "supervised"
METHODS = ("simclr", "simclr-v2", "moco-v1", "moco-v2", "moco-v3")


@dataclass(frozen=True, eq=False)
class Case:
    """Pictures to learn from, and others, of other classes, to measure with."""

    name: str
    learned: tuple[semelha.Picture, ...]
    measured: semelha.Dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    parser.add_argument("--methods", nargs="+", default=["simclr", "moco-v2", "moco-v3"], choices=METHODS)
    parser.add_argument("--only", nargs="+", default=["omniglot", "grocery"], choices=["omniglot", "grocery"])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--models", type=Path, default=Path("build/self-supervised"))
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds the sets, or set SEMELHA_DATA")
    makers = {"omniglot": omniglot, "grocery": grocery}
    for name in arguments.only:
        case = makers[name](Path(arguments.data))
        models = {
            method: trained(case, method, arguments.steps, arguments.models)
            for method in (*arguments.methods, SUPERVISED)
        }
        blank = untrained(models[SUPERVISED].card)
        rows = [["raw pixels", *figures(case, raw_pixels()), None, None]]
        rows += [["untrained", *figures(case, blank), None, None]]
        rows += [[method, *figures(case, model), *cost(model)] for method, model in models.items()]
        classes = len(case.measured.classes)
        body = (
            f"At most {arguments.steps} steps of 256 of {len(case.learned):,} pictures, whose labels the supervised "
            f"network has. R@1 and MAP@R on {len(case.measured):,} pictures of {classes} classes of which none was "
            "learned from; 95% interval over classes.\n\n"
            + table(["embedder", "R@1", "95% interval", "MAP@R", "steps", "minutes"], rows)
        )
        write_section(f"Learning without labels: {name}", body)


def omniglot(data: Path) -> Case:
    dataset = semelha.read_folder(data / "omniglot" / "open")
    reported = set(by_hash({alphabet_of(p.label) for p in dataset})[:10])
    apart = [[p for p in dataset if (alphabet_of(p.label) in reported) == seen] for seen in (False, True)]
    return Case("omniglot", tuple(apart[0]), semelha.Dataset("ten alphabets", tuple(apart[1])))


def grocery(data: Path) -> Case:
    folder = data / "grocery" / "open"
    with (folder / "images.csv").open(encoding="utf-8") as file:
        visit = {row["path"]: str(row["official_split"] == "test") for row in csv.DictReader(file)}
    photos = [replace(p, group=visit[f"images/{p.name}"]) for p in semelha.read_folder(folder / "images")]
    reported = set(by_hash({p.label for p in photos})[:15])
    apart = [[p for p in photos if (p.label in reported) == seen] for seen in (False, True)]
    return Case("grocery", tuple(apart[0]), semelha.Dataset("fifteen classes", tuple(apart[1])))


def by_hash(names: set[str]) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


def trained(case: Case, method: str, steps: int, models: Path) -> semelha.Model:
    """The model of that method and so many steps at most, trained by the command line unless it is there."""
    out = models / f"{case.name}-{method}-{steps}"
    if not out.exists():
        folder = models / f"{case.name}-{'labelled' if method == SUPERVISED else 'loose'}"
        if not folder.exists():
            link(case, folder, labelled=method == SUPERVISED)
        words = ["train", str(folder), "--out", str(out), "--steps", str(steps), "--minutes", "100000", "--resume"]
        words += [] if method == SUPERVISED else ["--method", method]
        subprocess.run([sys.executable, "-m", "semelha.cli", *words], check=True)
    return semelha.load_embedder(out)


def link(case: Case, target: Path, *, labelled: bool) -> None:
    """The pictures to learn from: in class folders, or all in one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        folder = Path(temporary) / "links"
        for picture in case.learned:
            assert isinstance(picture.source, Path)
            file = folder / (picture.name if labelled else picture.name.replace("/", "--"))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.symlink_to(picture.source.resolve())
        folder.replace(target)


def figures(case: Case, embedder: Embedder) -> Iterator[object]:
    dataset = case.measured
    names, labels = np.unique(dataset.labels, return_inverse=True)
    found = retrieval(
        embedder.embed(dataset.pictures), labels, metric=embedder.metric, query_groups=dataset.groups, ks=(1,)
    )
    right = (labels[found.nearest[:, 0]] == labels)[found.used].astype(float)
    of_class = labels[found.used]
    sums, counts = (np.bincount(of_class, weights=w, minlength=len(names)) for w in (right, np.ones_like(right)))
    drawn = np.random.default_rng(0).integers(0, len(names), (10_000, len(names)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [0.025, 0.975])
    yield from (found.r_at[1], f"{low:.3f}–{high:.3f}", found.map_at_r)


def cost(model: semelha.Model) -> list[object]:
    return [model.card.training["steps_taken"], model.card.training["seconds"] / 60]


if __name__ == "__main__":
    main()
