"""What each option for few examples is worth: views, joined models, whitening, a second ranking, a student; and all.

    python benchmarks/few.py [PHOTOS MODEL …] [--distilled STUDENT] [--one-shot] [--name omniglot]

PHOTOS is a folder of class folders or a manifest. The first MODEL is the one that is measured; others are joined
with it. The classes that a card names as trained on are what whitening learns from; all is measured on the others.
R@1 and MAP@R: each picture searches all others. `--one-shot`: the classes are characters, `alphabet.character`, and the
error of `benchmarks/omniglot.py` is measured too. STUDENT: a model that `semelha train --teacher` made. Without any
arguments: Omniglot and the model of `benchmarks/omniglot.py`, which is trained where there is none.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import semelha
from _results import table, write_section
from _sets import alphabet_of, omniglot, trained
from omniglot import interval, mean, one_shot
from semelha.evaluation import KReciprocal, QueryExpansion
from semelha.evaluation.rerank import Rerank, reranked_retrieval
from semelha.images import read_dataset
from semelha.measures import retrieval
from semelha.metrics import Metric

VIEWS = (3, 5, 9)
WHITENINGS = {"pca-whitening": "whitened", "rca": "whitened within classes"}


@dataclass(frozen=True, eq=False)
class Option:
    """A model, and how what it found is ranked."""

    title: str
    model: semelha.Model
    rerank: Rerank | None = None


@dataclass(frozen=True, eq=False)
class Remembered:
    """An embedder of pictures whose vectors are known, by the name of each."""

    vectors: dict[str, np.ndarray]
    metric: Metric

    def embed(self, pictures: list[semelha.Picture]) -> np.ndarray:
        return np.stack([self.vectors[picture.name] for picture in pictures])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--distilled", type=Path)
    parser.add_argument("--one-shot", action="store_true")
    parser.add_argument("--name", help="of the pictures, in the title")
    arguments = parser.parse_args()
    if arguments.photos is None:
        if "SEMELHA_DATA" not in os.environ:
            parser.error("name the pictures, or set SEMELHA_DATA to the folder that holds omniglot/open")
        arguments.photos, arguments.one_shot = Path(os.environ["SEMELHA_DATA"], "omniglot", "open"), True
        arguments.name = arguments.name or "omniglot"
    if not arguments.models:
        arguments.models = [omniglot_model(arguments.photos)]
    models = [semelha.load_embedder(path) for path in arguments.models]
    pictures = read_dataset(arguments.photos)
    trained = np.isin(pictures.labels, sorted({name for model in models for name in model.card.classes}))
    unseen, seen = pictures.select(np.flatnonzero(~trained)), pictures.select(np.flatnonzero(trained))
    columns = ["option", "R@1", "MAP@R", "error, R@1", *(["one-shot error %", "95% interval"] * arguments.one_shot)]
    columns += ["ms a picture"]
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        vectors: dict[str, tuple[np.ndarray, float]] = {}
        for option in options(models, seen, arguments.distilled, Path(folder)):
            if option.model.fingerprint not in vectors:
                vectors = {option.model.fingerprint: embedded(option.model, unseen)}
            rows.append(row(option, unseen, *vectors[option.model.fingerprint], rows, one_shots=arguments.one_shot))
            print(rows[-1], flush=True)
    told = models[0].card.training
    body = (
        f"{len(unseen)} pictures of {len(unseen.classes)} classes, none of which was trained on; {len(seen)} of "
        f"{len(seen.classes)} were, in {told['seconds'] / 60:.1f} minutes. Each picture searches all others"
        + ("; one-shot: 20-way, within an alphabet, interval over alphabets. " if arguments.one_shot else ". ")
        + "Error, R@1: what of the errors of the model as it is is left. ms: one after another, ONNX Runtime.\n\n"
    )
    write_section(f"Few examples, {arguments.name or pictures.name}", body + table(columns, rows))


def omniglot_model(photos: Path) -> Path:
    """That of `benchmarks/omniglot.py`, trained on all but its ten alphabets."""
    return trained(omniglot(photos.parents[1]), Path("build/omniglot/default-0"), ["--backbone", "small"]).folder


def options(
    models: list[semelha.Model], seen: semelha.Dataset, distilled: Path | None, folder: Path
) -> Iterator[Option]:
    """Each alone, then together."""
    number = iter(range(1000))

    def derived(parts: list[semelha.Model], views: int = 1) -> semelha.Model:
        return semelha.derive(parts, out=folder / str(next(number)), views=views)

    def learned(method: str, on: semelha.Model) -> semelha.Model:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return semelha.train(seen, out=folder / str(next(number)), method=method, on=on)

    yield Option("the model as it is", models[0])
    yield Option("query expansion", models[0], QueryExpansion())
    yield Option("k-reciprocal re-ranking", models[0], KReciprocal())
    for views in VIEWS:
        yield Option(f"{views} views", derived(models[:1], views))
    for method, title in WHITENINGS.items():
        yield Option(title, learned(method, models[0]))
    joined, best = derived(models), derived(models, VIEWS[-1])
    together = f"{f'{len(models)} joined, ' if len(models) > 1 else ''}{VIEWS[-1]} views"
    if len(models) > 1:
        for each in models[1:]:
            yield Option(f"another: {each.card.name}", each)
        yield Option(f"{len(models)} joined", joined)
        yield Option(together, best)
    yield Option(f"{together}, query expansion", best, QueryExpansion())
    yield Option(f"{together}, k-reciprocal", best, KReciprocal())
    # Learned on one view of each picture, and then seen in all: as many views of what is trained on would take long.
    white = derived([learned("pca-whitening", joined)], VIEWS[-1])
    yield Option(f"{together}, whitened", white)
    yield Option(f"{together}, whitened, k-reciprocal", white, KReciprocal())
    if distilled is not None:
        student = semelha.load_embedder(distilled)
        yield Option(f"distilled: {student.card.name}", student)
        yield Option(f"distilled, {VIEWS[-1]} views", derived([student], VIEWS[-1]))


def embedded(model: semelha.Model, pictures: semelha.Dataset) -> tuple[np.ndarray, float]:
    """Vectors, and the milliseconds a picture that the model alone takes of those already decoded and fitted."""
    some = np.stack([model.extractor.prepare(picture.pixels()) for picture in pictures.pictures[:64]])
    start = time.perf_counter()
    for each in some:
        model.extractor.vectors(each[None])
    taken = (time.perf_counter() - start) / len(some)
    return model.embed(pictures.pictures), 1000 * taken


def row(
    option: Option,
    pictures: semelha.Dataset,
    vectors: np.ndarray,
    taken: float,
    rows: list[list[object]],
    *,
    one_shots: bool,
) -> list[object]:
    everything = np.arange(len(pictures))
    metric = option.model.metric
    if option.rerank is None:
        found = retrieval(vectors, pictures.labels, metric=metric, query_groups=pictures.groups)
    else:
        found = reranked_retrieval(
            option.rerank, vectors, pictures.labels, everything, everything, metric=metric, groups=pictures.groups
        )
    right = found.r_at[1]
    first = rows[0][1] if rows else right
    cells: list[object] = [option.title, right, found.map_at_r, f"{(1 - right) / max(1 - float(first), 1e-9):.2f}×"]
    if one_shots and option.rerank is None:
        known = Remembered(dict(zip((picture.name for picture in pictures), vectors, strict=True)), metric)
        by_alphabet = one_shot(known, pictures, sorted({alphabet_of(name) for name in pictures.classes}), seed=0)
        low, high = interval(by_alphabet, seed=0)
        cells += [100 * mean(by_alphabet), f"{100 * low:.2f}–{100 * high:.2f}"]
    elif one_shots:
        cells += [None, None]
    return [*cells, None if option.rerank is not None else taken]


if __name__ == "__main__":
    main()
