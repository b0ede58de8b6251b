"""Photographs of classes unseen in training: a pretrained model as it is, and what is learned from its features.

    python benchmarks/photographs.py DATA [--seeds 3] [--minutes 18 --only emoji,nyala]

DATA holds `grocery/open`, `emoji/open`, `nyala/open` and `orl_faces/open`. Half of the classes, drawn by seed, can be
learned from; the figures are of the other half. A grocery photo of the second visit to the shops is searched among
those of the first, or among the catalogue's pictures; an emoji among the other styles; an antelope among photos of the
same flank from other encounters; a face among the others. Rows are raw pixels, the candidates of `semelha train` that
take seconds, and what it chooses among these; with `--minutes`, also what it chooses with networks, for the first seed.
A second table has what the training announced from its half, where the styles of emoji are groups that never match,
beside what was measured on the other. Features and models are kept in `build/photographs`, and computed once.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import semelha
from _results import table, write_section
from _sets import table_of
from semelha.deep.comparison import HeldOut, best, expected_rates
from semelha.deep.features import FeatureCache
from semelha.deep.ready import ReadyModel
from semelha.deep.stages import projected, relevant_axes
from semelha.deep.trained_axes import trained_axes
from semelha.embedders import Embedder, embed_all, milliseconds_each, raw_pixels
from semelha.images import with_groups
from semelha.measures import retrieval
from semelha.metrics import Cosine, Metric

KEPT = Path("build/photographs")
CHOICE = "the choice among these"
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
    parser.add_argument("--minutes", type=float, default=0.0, help="of a training with networks; 0: none")
    parser.add_argument("--only", default="grocery,emoji,nyala,faces", help="sets that are trained with networks")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds the sets, or set SEMELHA_DATA")
    ready = ReadyModel(semelha.pretrained())
    rows, announced = [], []
    for task in tasks(arguments.data):
        labels, shown = np.unique(task.pictures.labels, return_inverse=True)[1], len(rows)
        pixels = embedded(task, raw_pixels())
        raw = [measured(task, pixels, raw_pixels().metric, seed) for seed in range(arguments.seeds)]
        rows.append([task.name, "raw pixels", *rate(raw), "–"])
        found: dict[str, list[tuple[Measured, float]]] = {}
        for seed in range(arguments.seeds):
            start = time.perf_counter()
            few, choice = chosen_in_seconds(task, ready, is_open(labels, seed), seed)
            seconds = time.perf_counter() - start
            for name, vectors in few.items():
                one = measured(task, vectors, Cosine(), seed)
                found.setdefault(name, []).append((one, seconds if name == CHOICE else np.nan))
            announced.append([task.name, str(seed), *choice, rate([found[CHOICE][-1][0]])[0]])
        for name, each in found.items():
            took = np.mean([seconds for _, seconds in each])
            rows.append([task.name, name, *rate([one for one, _ in each]), "–" if np.isnan(took) else f"{took:.0f}"])
        if arguments.minutes and task.pictures.name in arguments.only.split(","):
            rows.append(with_networks(task, is_open(labels, 0), arguments.minutes))
        for row in rows[shown:]:
            print(*row, sep=" | ", flush=True)
    columns = ["pictures", "embedder", "R@1", "95%, over classes", "seconds to learn, features given"]
    body = (
        f"Half of the classes, means over {arguments.seeds} draws of them. Embedding one picture that is in memory "
        f"takes {milliseconds_each(ready.base):.0f} ms with {ready.base.card.name} in ONNX Runtime, and "
        f"{milliseconds_each(ready.extractor):.0f} ms with its stages."
    )
    second = table(["pictures", "seed", "chosen", "R@1 announced", "95%", "R@1 measured"], announced)
    write_section("Photographs", f"{body}\n\n{table(columns, rows)}\n\n{second}")


def is_open(labels: np.ndarray, seed: int) -> np.ndarray:
    """Whether the class of each picture can be learned from: half of them."""
    classes = np.random.default_rng(seed).permutation(labels.max() + 1)
    return np.isin(labels, classes[: len(classes) // 2])


def chosen_in_seconds(
    task: Task, ready: ReadyModel, open_: np.ndarray, seed: int
) -> tuple[dict[str, np.ndarray], tuple[str, str, str]]:
    """Vectors of all pictures by each candidate that was learned from the open half, and by the chosen one.

    And its name, the R@1 that it announces, and the interval.
    """
    features = stage_features(task, ready)
    plain, stages = (np.asarray(each, np.float32) for each in np.split(features, [ready.base.dim], axis=1))
    learned, labels = stages[open_], task.pictures.labels[open_]
    axes, clean = relevant_axes(learned, labels), task.pictures.is_clean[open_]
    vectors = {
        "as it is": plain,
        "its stages by classes": projected(stages, axes),
        "a head trained on its stages": projected(stages, trained_axes(learned, labels, axes, seed=seed, clean=clean)),
    }
    half = task.pictures.select(np.flatnonzero(open_).tolist())
    pictures = with_groups(half, vectors=plain[open_])
    cache = FeatureCache(features[open_], (), pictures)
    candidates = ready.candidates(cache, pictures, HeldOut.of(pictures, seed), seed=seed)
    number = best(candidates, pictures.labels, seed=seed)
    across = task.name == "grocery, catalogue"
    announced = expected_rates(candidates, pictures.labels, seed=seed, across=across)[number]
    name = list(vectors)[number]
    return {**vectors, CHOICE: vectors[name]}, (
        name,
        f"{announced.value:.3f}",
        f"{announced.low:.3f}–{announced.high:.3f}",
    )


def with_networks(task: Task, open_: np.ndarray, minutes: float) -> list[str]:
    """The row of what `semelha train` chooses within some minutes, learned from the open half of the first seed."""
    out = KEPT / f"trained-{task.pictures.name}-{minutes:g}"
    if not out.exists():
        half = task.pictures.select(np.flatnonzero(open_).tolist())
        semelha.train(half, out=out, minutes=minutes, resume=True)
    model = semelha.load_embedder(out)
    found = measured(task, embedded(task, model), model.metric, 0)
    chosen, seconds = model.card.training["chosen"], model.card.training["seconds"]
    return [task.name, f"`semelha train`, {minutes:g} minutes, seed 0: {chosen}", *rate([found]), f"{seconds:.0f}"]


def tasks(data: Path) -> Iterator[Task]:
    folder = data / "grocery" / "open"
    split = table_of(folder)
    photos = semelha.read_folder(folder / "images")
    is_test = np.array([split[f"images/{one.name}"]["official_split"] == "test" for one in photos])
    catalogue = [
        semelha.Picture(file, file.stem, file.name, domain="iconic") for file in sorted((folder / "iconic").iterdir())
    ]
    both = semelha.Dataset("grocery", (*photos.pictures, *catalogue))
    is_catalogue = np.arange(len(both)) >= len(photos)
    alone = np.arange(len(both)).astype(str)  # no picture is searched among itself
    is_test = np.append(is_test, np.zeros(len(catalogue), bool))
    yield Task("grocery, other visit", both, alone, is_test, ~is_test & ~is_catalogue)
    yield Task("grocery, catalogue", both, alone, is_test, is_catalogue)

    emoji = named("emoji", semelha.read_folder(data / "emoji" / "open"))
    styles = [Path(one.name).stem for one in emoji]
    emoji = replace(emoji, pictures=tuple(replace(one, group=style) for one, style in zip(emoji, styles, strict=True)))
    everything = np.ones(len(emoji), bool)
    yield Task("emoji, other style", emoji, np.array(styles), everything, everything)

    split = table_of(data / "nyala" / "open")
    animals = named("nyala", semelha.read_folder(data / "nyala" / "open"))
    once = animals.select([row for row, one in enumerate(animals) if not split[one.name]["duplicate_of"]])
    encounters = np.array([split[one.name]["encounter"] for one in once])
    for side in ("left", "right"):
        is_side = np.array([split[one.name]["side"] == side for one in once])
        yield Task(f"nyala, {side} flank, other encounter", once, encounters, is_side, is_side)

    faces = named("faces", semelha.read_folder(data / "orl_faces" / "open"))
    everything = np.ones(len(faces), bool)
    yield Task("faces", faces, np.arange(len(faces)).astype(str), everything, everything)


def named(name: str, dataset: semelha.Dataset) -> semelha.Dataset:
    return replace(dataset, name=name)


@dataclass(frozen=True, eq=False)
class Measured:
    """Searches and right answers of each class."""

    searches: np.ndarray
    right: np.ndarray


def embedded(task: Task, embedder: Embedder) -> np.ndarray:
    """The vectors of the pictures of a task, kept on the disk."""
    return kept(task, embedder.fingerprint[:16], lambda: embedder.embed(task.pictures))


def stage_features(task: Task, ready: ReadyModel) -> np.ndarray:
    """The vectors and the features of the stages of the pictures of a task, kept on the disk."""

    def computed() -> np.ndarray:
        found = embed_all(ready.extractor, task.pictures, ready.width, batch_size=32, progress=None)
        return found.astype(np.float16)

    return kept(task, f"stages-{ready.base.fingerprint[:16]}", computed)


def kept(task: Task, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
    file = KEPT / f"{name}-{task.pictures.name}-{len(task.pictures)}.npy"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial.npy")
        np.save(partial, compute())
        partial.replace(file)
    found: np.ndarray = np.load(file)
    return found


def measured(task: Task, vectors: np.ndarray, metric: Metric, seed: int) -> Measured:
    labels = np.unique(task.pictures.labels, return_inverse=True)[1]
    open_ = is_open(labels, seed)
    asked, given = task.probes & ~open_, task.searched & ~open_
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
    return Measured(searches[searches > 0], right[searches > 0])


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


if __name__ == "__main__":
    main()
