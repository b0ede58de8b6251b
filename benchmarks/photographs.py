"""Photographs of classes unseen in training: a pretrained model as it is, and with a distance learned on its vectors.

    python benchmarks/photographs.py DATA [--seeds 3]

DATA holds `grocery/open`, `emoji/open`, `nyala/open` and `orl_faces/open`. Half of the classes, drawn by seed, can be
learned from; the figures are of the other half. A grocery photo of the second visit to the shops is searched among
those of the first, or among the catalogue's pictures; an emoji among the other styles; an antelope among photos of the
same flank from other encounters; a face among the others. The distance is that of `semelha train --method rca --on
efficientnet-lite0`, learned on vectors. Vectors are kept in `build/photographs`, and computed once.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import semelha
from _results import table, write_section
from _sets import table_of
from semelha.embedders import Embedder, raw_pixels
from semelha.linear import RCA
from semelha.linear.train import learned_metric
from semelha.measures import retrieval
from semelha.metrics import Metric

KEPT = Path("build/photographs")
RESAMPLES = 10_000


@dataclass(frozen=True, eq=False)
class Task:
    """Pictures, each searched among those that `searched` marks, but for its own group; `probes` are the queries."""

    name: str
    pictures: semelha.Dataset
    groups: np.ndarray
    probes: np.ndarray
    searched: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds the sets, or set SEMELHA_DATA")
    pretrained = semelha.pretrained()
    rows = []
    for task in tasks(arguments.data):
        for title, embedder, learns in (
            ("raw pixels", raw_pixels(), False),
            ("efficientnet-lite0", pretrained, False),
            ("efficientnet-lite0, RCA", pretrained, True),
        ):
            vectors = embedded(task, embedder)
            found = [measured(task, vectors, embedder.metric, learns, seed) for seed in range(arguments.seeds)]
            seconds = np.mean([one.seconds for one in found])
            rows.append([task.name, title, *rate(found), f"{seconds:.1f}" if learns else "–"])
            print(*rows[-1], sep=" | ", flush=True)
    columns = ["pictures", "embedder", "R@1", "95%, over classes", "seconds to learn, vectors given"]
    body = (
        f"Half of the classes, means over {arguments.seeds} draws of them. Embedding one picture that is in memory "
        f"takes {milliseconds(pretrained):.1f} ms with {pretrained.card.name} in ONNX Runtime."
    )
    write_section("Photographs", f"{body}\n\n{table(columns, rows)}")


def tasks(data: Path) -> Iterator[Task]:
    folder = data / "grocery" / "open"
    split = table_of(folder)
    photos = semelha.read_folder(folder / "images")
    is_test = np.array([split[f"images/{one.name}"]["official_split"] == "test" for one in photos])
    alone = np.arange(len(photos)).astype(str)  # no picture is searched among itself
    yield Task("grocery, other visit", photos, alone, is_test, ~is_test)

    catalogue = [semelha.Picture(file, file.stem, file.name) for file in sorted((folder / "iconic").iterdir())]
    both = semelha.Dataset("grocery with its catalogue", (*photos.pictures, *catalogue))
    is_catalogue = np.arange(len(both)) >= len(photos)
    yield Task(
        "grocery, catalogue",
        both,
        np.arange(len(both)).astype(str),
        np.append(is_test, np.zeros(len(catalogue), bool)),
        is_catalogue,
    )

    emoji = semelha.read_folder(data / "emoji" / "open")
    everything = np.ones(len(emoji), bool)
    yield Task("emoji, other style", emoji, np.array([Path(one.name).stem for one in emoji]), everything, everything)

    split = table_of(data / "nyala" / "open")
    animals = semelha.read_folder(data / "nyala" / "open")
    once = animals.select([row for row, one in enumerate(animals) if not split[one.name]["duplicate_of"]])
    encounters = np.array([split[one.name]["encounter"] for one in once])
    for side in ("left", "right"):
        is_side = np.array([split[one.name]["side"] == side for one in once])
        yield Task(f"nyala, {side} flank, other encounter", once, encounters, is_side, is_side)

    faces = semelha.read_folder(data / "orl_faces" / "open")
    everything = np.ones(len(faces), bool)
    yield Task("faces", faces, np.arange(len(faces)).astype(str), everything, everything)


@dataclass(frozen=True, eq=False)
class Measured:
    """Searches and right answers of each class, and the seconds that learning took."""

    searches: np.ndarray
    right: np.ndarray
    seconds: float


def embedded(task: Task, embedder: Embedder) -> np.ndarray:
    """The vectors of the pictures of a task, kept on the disk."""
    file = KEPT / f"{embedder.fingerprint[:16]}-{task.pictures.name}-{len(task.pictures)}.npy"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        vectors = embedder.embed(task.pictures)
        partial = file.with_suffix(".partial.npy")
        np.save(partial, vectors)
        partial.replace(file)
    found: np.ndarray = np.load(file)
    return found


def measured(task: Task, vectors: np.ndarray, metric: Metric, learns: bool, seed: int) -> Measured:
    labels = np.unique(task.pictures.labels, return_inverse=True)[1]
    classes = np.random.default_rng(seed).permutation(labels.max() + 1)
    is_open = np.isin(labels, classes[: len(classes) // 2])
    start = time.perf_counter()
    if learns:
        metric = learned_metric(vectors[is_open], task.pictures.labels[is_open], RCA(), own_scales=False)
    seconds = time.perf_counter() - start
    asked, given = task.probes & ~is_open, task.searched & ~is_open
    found = retrieval(
        vectors[asked],
        labels[asked],
        vectors[given],
        labels[given],
        metric=metric,
        query_groups=task.groups[asked],
        reference_groups=task.groups[given],
        ks=(1,),
    )
    hits = labels[given][found.nearest[:, 0]] == labels[asked]
    of = labels[asked][found.has_match]
    searches = np.bincount(of, minlength=labels.max() + 1)
    right = np.bincount(of, weights=hits[found.has_match], minlength=labels.max() + 1)
    return Measured(searches[searches > 0], right[searches > 0], seconds)


def rate(found: list[Measured]) -> tuple[str, str]:
    """R@1 over all searches, and its interval by resampling the classes of each draw."""
    random = np.random.default_rng(0)
    resampled = []
    for one in found:
        drawn = random.integers(0, len(one.right), (RESAMPLES, len(one.right)))
        resampled.append(one.right[drawn].sum(axis=1) / one.searches[drawn].sum(axis=1))
    low, high = np.quantile(np.mean(resampled, axis=0), [0.025, 0.975])
    mean = np.mean([one.right.sum() / one.searches.sum() for one in found])
    return f"{mean:.3f}", f"{low:.3f}–{high:.3f}"


def milliseconds(model: semelha.Model) -> float:
    picture = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    times = []
    for _ in range(30):
        start = time.perf_counter()
        model.embed(picture)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


if __name__ == "__main__":
    main()
