"""Learners without a network on real pictures of classes never learned from, beside raw pixels.

    python benchmarks/linear_pictures.py DATA [--methods gmml nca] [--seeds 0 1 2]

DATA holds `orl_faces/open`, `grocery/open`, `emoji/open`. Half of the classes are learned from and the other half
measured: R@1, faces by leave-one-out, emoji with one style (the first) left out, grocery from the official training
part to the official test part. Half the range over seeds stands behind each figure.
"""

from __future__ import annotations

import argparse
import csv
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import semelha
from _results import table, write_section
from semelha.embedders import FeatureEmbedder, raw_pixels
from semelha.features import HOG, Features, FirstOrder, Histogram, RawPixels
from semelha.linear import METHODS, learned_metric, learner_named
from semelha.measures import retrieval
from semelha.metrics import Euclidean, Metric

FEATURES: dict[str, Features] = {
    "first-order": FirstOrder(grid=(3, 3)),
    "histogram": Histogram(),
    "hog": HOG(),
    "pixels": RawPixels(),
}


@dataclass(frozen=True, eq=False)
class Case:
    """Pictures, and which of them are probes (all of them where a probe is left out of what it is compared with)."""

    title: str
    pictures: semelha.Dataset
    probe: NDArray[np.bool_] | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds the sets, or set SEMELHA_DATA")
    warnings.simplefilter("ignore")  # few pictures for many features: every learner would say so
    rows = []
    for case in cases(Path(arguments.data)):
        vectors = {name: FeatureEmbedder(one).embed(case.pictures.pictures) for name, one in FEATURES.items()}
        rows.append([case.title, "raw pixels, Euclidean", figure(case, raw_pixels_of(case), None, arguments.seeds)])
        rows[-1] += [None] * (len(FEATURES) - 1)
        for method in (None, *arguments.methods):
            cells = [figure(case, vectors[name], (name, method), arguments.seeds) for name in FEATURES]
            rows.append([case.title, method or "Euclidean", *cells])
    body = (
        "R@1 on half of the classes, of which nothing was learned; the other half was learned from. Means over "
        f"{len(arguments.seeds)} draws of the halves, ± half the range. Raw pixels stand in the first column.\n\n"
    )
    write_section("Linear learners on pictures", body + table(["pictures", "method", *FEATURES], rows))


def cases(data: Path) -> list[Case]:
    faces = semelha.read_folder(data / "orl_faces" / "open")
    emoji = semelha.read_folder(data / "emoji" / "open")
    styles = np.array([Path(p.name).stem for p in emoji])
    folder = data / "grocery" / "open"
    with (folder / "images.csv").open(encoding="utf-8") as file:
        split = {row["path"]: row["official_split"] for row in csv.DictReader(file)}
    photos = semelha.read_folder(folder / "images")
    return [
        Case("faces", faces, None),
        Case("emoji", emoji, styles == sorted(set(styles))[0]),
        Case("grocery", photos, np.array([split[f"images/{p.name}"] == "test" for p in photos])),
    ]


def raw_pixels_of(case: Case) -> NDArray[np.float32]:
    return raw_pixels().embed(case.pictures.pictures)


def figure(case: Case, vectors: NDArray[np.float32], learned: tuple[str, str | None] | None, seeds: list[int]) -> str:
    found = [r_at_1(case, vectors, learned, seed) for seed in seeds]
    return f"{np.mean(found):.3f} ± {np.ptp(found) / 2:.3f}"


def r_at_1(case: Case, vectors: NDArray[np.float32], learned: tuple[str, str | None] | None, seed: int) -> float:
    classes = np.random.default_rng(seed).permutation(case.pictures.classes)
    held = np.isin(case.pictures.labels, classes[: len(classes) // 2])
    metric: Metric = Euclidean()
    if learned is not None and learned[1] is not None:
        own_scales = not FEATURES[learned[0]].one_unit
        method = learner_named(learned[1], seed=seed)
        metric = learned_metric(vectors[~held], case.pictures.labels[~held], method, own_scales=own_scales)
    labels = np.unique(case.pictures.labels, return_inverse=True)[1]
    if case.probe is None:
        return float(retrieval(vectors[held], labels[held], metric=metric, ks=(1,)).r_at[1])
    probes, stored = held & case.probe, held & ~case.probe
    nearest = metric.nearest(vectors[probes], vectors[stored], 1).positions[:, 0]
    return float(np.mean(labels[stored][nearest] == labels[probes]))


if __name__ == "__main__":
    main()
