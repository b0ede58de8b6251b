"""A gallery looked over: labels that are wrong on purpose, unknown characters in groups, and the time it takes.

    python benchmarks/curation.py DATA [--only labels clusters time] [--seeds 0 1 2] [--model build/omniglot/default-0]

DATA holds `omniglot/open`. The model is learned from twenty alphabets, as in `omniglot.py`, and the other ten are
looked at, which no setting was chosen on. `labels`: 2% of the examples get the name of another character, drawn by
chance. `clusters`: five of the ten alphabets are enrolled, and the pictures of the other five are put into groups;
beside it DBSCAN and average linkage with all distances, each with the setting that turned out best, which nobody has in
use.
`time`: 100,000 vectors of 128 numbers, of 5,000 subjects.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import DBSCAN
from sklearn.metrics.cluster import pair_confusion_matrix

import semelha
from _gallery_made import small_model
from _results import table, write_section
from _sets import alphabet_of, by_hash, omniglot, trained
from semelha.gallery import Clustering
from semelha.gallery.curation.cluster import cluster_pictures
from semelha.gallery.probes import EmbeddedProbes

PART = 0.02
SHOTS = (20, 10, 5)

Vectors = NDArray[np.float32]
Labels = NDArray[np.str_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    parser.add_argument("--only", nargs="+", default=["labels", "clusters", "time"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--model", type=Path, default=Path("build/omniglot/default-0"))
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds omniglot/open, or set SEMELHA_DATA")
    if {"labels", "clusters"} & set(arguments.only):
        case = omniglot(Path(arguments.data))
        (measured,) = case.measured
        model = trained(case, arguments.model, ["--backbone", "small", "--seed", "0"])
        vectors = model.embed(measured.pictures)
    if "labels" in arguments.only:
        write_section("Wrong labels", labels(model, vectors, measured.labels, arguments.seeds))
    if "clusters" in arguments.only:
        write_section("Unknown pictures in groups", clusters(model, vectors, measured.labels, arguments.seeds))
    if "time" in arguments.only:
        write_section("A large gallery looked over", timed())


def labels(model: semelha.Model, vectors: Vectors, names: Labels, seeds: Sequence[int]) -> str:
    rows = []
    for shots in SHOTS:
        found = np.array([wrong(model, vectors, names, shots, seed) for seed in seeds]).mean(axis=0)
        rows.append((shots, *found.tolist()))
    columns = [
        "examples a character",
        "recall at 50% precision",
        "at 90%",
        "found at the default score",
        "precision there",
        "others flagged",
    ]
    return (
        f"{PART:.0%} of the labels of {len(set(names)):,} characters are wrong on purpose; means of {len(seeds)} "
        "draws. Others flagged: of the examples whose label is right, the part at the default score.\n\n"
        + table(columns, rows)
    )


def wrong(model: semelha.Model, vectors: Vectors, names: Labels, shots: int, seed: int) -> tuple[float, ...]:
    """One draw: recall at two precisions; at the default score recall, precision and the part of right labels."""
    random = np.random.default_rng(seed)
    rows = np.concatenate([random.permutation(np.flatnonzero(names == name))[:shots] for name in np.unique(names)])
    kinds, true = np.unique(names[rows], return_inverse=True)
    chosen = random.permutation(len(rows))[: round(PART * len(rows))]
    label = true.copy()
    label[chosen] = (true[chosen] + random.integers(1, len(kinds), len(chosen))) % len(kinds)
    bad = set(chosen.tolist())
    with tempfile.TemporaryDirectory() as folder, semelha.Gallery.create(Path(folder) / "gallery", model) as gallery:
        enrolled(gallery, vectors[rows], kinds[label])
        found = gallery.check(min_score=0.0, seed=seed).of("mislabel")
        hits = np.array([int(one.examples[0].source) in bad for one in found])
        scores = np.array([one.score for one in found])
    right, count = np.cumsum(hits), np.arange(1, len(hits) + 1)
    recalls = [right[right >= wanted * count].max(initial=0) / len(bad) for wanted in (0.5, 0.9)]
    told = hits[scores >= 0.5]
    others = (len(told) - told.sum()) / (len(rows) - len(bad))
    return (*map(float, recalls), told.sum() / len(bad), told.mean() if len(told) else 1.0, others)


def enrolled(gallery: semelha.Gallery, vectors: Vectors, labels: Labels) -> None:
    """Enroll vectors under labels; the source of each is its place."""
    for name in np.unique(labels):
        rows = np.flatnonzero(labels == name)
        gallery.enroll_vectors(
            str(name), vectors[rows], [str(row) for row in rows], fingerprint=gallery.model.fingerprint
        )


def clusters(model: semelha.Model, vectors: Vectors, names: Labels, seeds: Sequence[int]) -> str:
    alphabets = by_hash({alphabet_of(name) for name in names.tolist()})
    of = np.array([alphabet_of(name) for name in names.tolist()])
    rows = []
    for shots, (half, seed) in product(SHOTS, enumerate(seeds)):
        random = np.random.default_rng(seed)
        known = alphabets[:5] if half % 2 == 0 else alphabets[5:]
        drawn = np.concatenate([random.permutation(np.flatnonzero(names == name))[:shots] for name in np.unique(names)])
        inside = np.isin(of[drawn], known)
        found = grouping(model, vectors, names, drawn[inside], drawn[~inside])
        rows.append((shots, ", ".join(known[:2]) + ", …", *found))
    columns = ["examples", "enrolled", "characters", "groups", "semelha", "average linkage, best", "DBSCAN, best"]
    mean = np.mean([row[4:] for row in rows], axis=0).tolist()
    rows.append(("mean", "", "", "", *mean))
    return "F₁ over pairs of pictures of characters that are not enrolled.\n\n" + table(columns, rows)


def grouping(
    model: semelha.Model, vectors: Vectors, names: Labels, known: NDArray[np.int64], new: NDArray[np.int64]
) -> tuple[object, ...]:
    """Characters, groups, and F₁ of ours, of average linkage and of DBSCAN."""
    with tempfile.TemporaryDirectory() as folder, semelha.Gallery.create(Path(folder) / "gallery", model) as gallery:
        enrolled(gallery, vectors[known], names[known])
        found = clustered(gallery, vectors[new])
    ours = np.empty(len(new), np.int64)
    for number, one in enumerate(found):
        ours[list(one.pictures)] = number
    x = vectors[new].astype(np.float64)
    distances = model.metric.pairwise(x, x)
    np.fill_diagonal(distances, 0)
    pairs = squareform((distances + distances.T) / 2, checks=False)
    tree = linkage(pairs, "average")
    levels = np.quantile(tree[:, 2], np.linspace(0.3, 1, 141))
    linked = max(f1(fcluster(tree, level, "distance"), names[new]) for level in levels)
    reaches = np.quantile(pairs, np.geomspace(1e-5, 0.05, 24))
    scans = [
        DBSCAN(eps=reach, min_samples=least, metric="precomputed") for reach, least in product(reaches, (1, 2, 3, 5))
    ]
    dense = max(f1(alone(scan.fit(distances).labels_), names[new]) for scan in scans)
    return (len(set(names[new])), len(found), f1(ours, names[new]), linked, dense)


def clustered(gallery: semelha.Gallery, vectors: Vectors) -> Clustering:
    """As `Gallery.cluster`, of pictures whose vectors are known."""
    places = np.arange(len(vectors))
    with gallery._live.read() as state:
        return cluster_pictures(
            state, gallery.model, EmbeddedProbes(vectors, None, places, tuple(map(str, places))), seed=0
        )


def alone(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """What DBSCAN calls noise is a group of its own each."""
    return np.where(labels >= 0, labels, len(labels) + np.arange(len(labels)))


def f1(groups: NDArray[np.int64], names: Labels) -> float:
    (_, false), (missed, right) = pair_confusion_matrix(names, groups).tolist()
    return float(2 * right / max(1, 2 * right + false + missed))


def timed(n: int = 100_000, dim: int = 128, per_subject: int = 20) -> str:
    """Vectors of classes that overlap: in a gallery that is looked over, and as unknown ones beside a small gallery."""
    random = np.random.default_rng(0)
    of = np.arange(n) // per_subject
    middles = random.normal(size=(of[-1] + 1, dim))
    vectors = (middles[of] + 1.2 * random.normal(size=(n, dim))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        small = small_model(Path(folder) / "model", dim)
        with semelha.Gallery.create(Path(folder) / "gallery", small, keep_pictures=False) as gallery:
            enrolled(gallery, vectors, np.char.add("s", of.astype(str)))
            gallery.flush()
            start = time.perf_counter()
            found = gallery.check()
            rows.append((f"check {n:,} × {dim}", time.perf_counter() - start, f"{len(found.findings)} findings"))
        with semelha.Gallery.create(Path(folder) / "other", small, keep_pictures=False) as gallery:
            few = of < 200
            enrolled(gallery, vectors[few], np.char.add("s", of[few].astype(str)))
            start = time.perf_counter()
            groups = clustered(gallery, vectors[~few])
            what = f"{len(groups):,} groups of {of[-1] - 199:,} subjects"
            rows.append((f"cluster {(~few).sum():,} × {dim}", time.perf_counter() - start, what))
    return "With the index of the gallery made; without embedding.\n\n" + table(["what", "seconds", "found"], rows)


if __name__ == "__main__":
    main()
