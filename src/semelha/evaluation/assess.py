"""One protocol, whole: closed set, verification, and open set with a calibrated threshold beside hindsight's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Embedder
from semelha.errors import DatasetError, UsageError
from semelha.evaluation.intervals import (
    Intervals,
    certainty_intervals,
    closed_set_intervals,
    cmc_band,
    fold_interval,
    open_set_intervals,
    pair_intervals,
)
from semelha.evaluation.lfw import FoldPairs, draw_fold_pairs
from semelha.evaluation.protocol import Protocol, roles
from semelha.evaluation.rerank import Rerank, searched_again
from semelha.evaluation.result import Evaluation, Result
from semelha.evaluation.strangers import measure_open_set
from semelha.images import Dataset, readable
from semelha.measures import FoldAccuracy, Retrieval, cmc, fold_accuracy, retrieval, subject_ranks
from semelha.measures.pairs import count_pairs, draw_pairs
from semelha.measures.verification import curve
from semelha.metrics import Metric

RANKS = 100  # of CMC
FEWEST = 100  # draws

Places = NDArray[np.int64]
Progress = Callable[[str, int, int], None]
"""Called with (what is embedded by, pictures done, pictures in all)."""


def evaluate(
    embedder: Embedder,
    dataset: Dataset,
    *,
    protocol: Protocol = Protocol(),
    baselines: Mapping[str, Embedder] | None = None,
    fpir: float = 0.01,
    seed: int = 0,
    draws: int = 1000,
    rerank: Rerank | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure an embedder on pictures of things it should not have been trained on.

    Parameters
    ----------
    embedder : Embedder
    dataset : Dataset
        Two classes or more. Pictures that cannot be decoded are left out and listed in the result's data set.
    protocol : Protocol
    baselines : mapping of str to Embedder, optional
        Measured on the same pictures.
    fpir : float
        Target of the open set.
    seed : int
        Draws the classes that are known, and which picture of each is enrolled where the protocol does not say; the
        galleries of growing size, the pairs of the folds, and the subjects of the intervals.
    draws : int
        Draws of subjects from which the 95% interval of each figure comes; 0 for no intervals.
    rerank : Rerank, optional
        `QueryExpansion` or `KReciprocal`: how R@k, MAP@R and R-precision of the embedder are searched. Baselines, CMC,
        verification and the open set are as they are without.
    progress : callable, optional

    Raises
    ------
    DatasetError
        There are fewer than two classes, or nothing to enroll or to probe with.
    UsageError
        There are to be 1 to 99 draws, of which no percentile can be told.
    """
    if draws < 0 or 0 < draws < FEWEST:
        raise UsageError(f"draws is {draws}: it is 0 for no intervals, or {FEWEST} or more")
    start = time.monotonic()
    dataset = readable(dataset)
    if len(dataset.classes) < 2:
        raise DatasetError(f"{dataset.name} has {len(dataset.classes)} class: an evaluation needs two or more")
    gallery, probes = roles(dataset, protocol)
    results = {}
    for name, each in {"": embedder, **(baselines or {})}.items():
        told = None if progress is None else _named(progress, name or "model")
        vectors = each.embed(dataset.pictures, progress=told)
        second = rerank if name == "" else None
        results[name] = _measure(vectors, each.metric, dataset, gallery, probes, protocol, fpir, seed, draws, second)
    everything = np.arange(len(dataset))
    return Evaluation(
        dataset=dataset,
        queries=everything if gallery is None else probes,
        references=everything if gallery is None else gallery,
        result=results.pop(""),
        baselines=results,
        notes=_notes(dataset, gallery, protocol, draws, rerank),
        seconds=time.monotonic() - start,
    )


def _named(progress: Progress, name: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(name, done, total)


def _notes(
    dataset: Dataset, gallery: NDArray[np.int64] | None, protocol: Protocol, draws: int, rerank: Rerank | None
) -> tuple[str, ...]:
    how = "each picture searches all others" if gallery is None else "each probe searches the enrolled pictures"
    among = "each picture searches all others" if protocol.map_among_all or gallery is None else how
    return (
        f"R@k and CMC: {how}. R@k counts pictures, CMC subjects, each by its nearest picture.",
        f"MAP@R and R-precision: {among}.",
        *(
            (f"R@k, MAP@R and R-precision of the model: ranked a second time by {rerank!r}.",)
            if rerank is not None
            else ()
        ),
        f"Open set: {protocol.known:.0%} of the classes are enrolled, drawn by chance; the others are strangers.",
        *((f"Intervals: 95%, from {draws:,} draws of the subjects; the galleries stay as they are.",) if draws else ()),
        *dataset.warnings,
    )


def _measure(
    vectors: NDArray[np.float32],
    metric: Metric,
    dataset: Dataset,
    gallery: NDArray[np.int64] | None,
    probes: NDArray[np.int64],
    protocol: Protocol,
    fpir: float,
    seed: int,
    draws: int,
    rerank: Rerank | None,
) -> Result:
    labels, groups = dataset.labels, dataset.groups

    def search(queries: Places, references: Places | None) -> Retrieval:
        if rerank is not None:
            targets = queries if references is None else references
            return searched_again(rerank, vectors, labels, queries, targets, metric=metric, groups=groups)
        return retrieval(
            vectors[queries],
            labels[queries],
            None if references is None else vectors[references],
            None if references is None else labels[references],
            metric=metric,
            query_groups=None if groups is None else groups[queries],
            reference_groups=None if groups is None or references is None else groups[references],
        )

    found = search(probes, gallery)
    everything = np.arange(len(labels))
    among_all = protocol.map_among_all and gallery is not None
    spread, spread_of = (search(everything, None), everything) if among_all else (found, probes)
    ranks = _ranks(vectors, metric, labels, groups, gallery, probes)
    upto = min(RANKS, len(np.unique(labels if gallery is None else labels[gallery])))
    counted = count_pairs(vectors, labels, metric=metric, groups=groups)
    pairs = curve(counted)
    drawn = draw_fold_pairs(labels, groups, seed=seed)
    folds = None if drawn is None else _in_folds(vectors, metric, drawn)
    open_set = measure_open_set(vectors, metric, labels, groups, gallery, probes, protocol.known, fpir, seed)
    intervals = None
    if draws:
        _, subjects = np.unique(labels, return_inverse=True)
        random = np.random.default_rng([seed, 6])
        sample = draw_pairs(counted, vectors, subjects, metric=metric, groups=groups, random=random)
        of_closed = closed_set_intervals(found, spread, (subjects[probes], subjects[spread_of]), draws, seed)
        of_open, at_fpirs = open_set_intervals(open_set, draws, seed)
        of_certainty = certainty_intervals(open_set.certainty, draws, seed)
        of_pairs, at_fars = pair_intervals(pairs, sample, int(subjects.max()) + 1, draws, seed)
        of_folds = None if folds is None or drawn is None else fold_interval(folds, drawn, subjects, draws, seed)
        intervals = Intervals(
            {**of_closed, **of_open, **of_certainty, **of_pairs, "fold_accuracy": of_folds},
            at_fars,
            at_fpirs,
            cmc_band(ranks, subjects[probes], upto, draws, seed),
        )
    return Result(found, spread, cmc(ranks, upto), pairs, folds, open_set, intervals)


def _ranks(
    vectors: NDArray[np.float32],
    metric: Metric,
    labels: NDArray[np.str_],
    groups: NDArray[Any] | None,
    gallery: Places | None,
    probes: Places,
) -> Places:
    return subject_ranks(
        vectors[probes],
        labels[probes],
        None if gallery is None else vectors[gallery],
        None if gallery is None else labels[gallery],
        metric=metric,
        query_groups=None if groups is None else groups[probes],
        reference_groups=None if groups is None or gallery is None else groups[gallery],
    )


def _in_folds(vectors: NDArray[np.float32], metric: Metric, pairs: FoldPairs) -> FoldAccuracy:
    distances = np.asarray(metric.between(vectors[pairs.first], vectors[pairs.second]))
    return fold_accuracy(distances, pairs.same, pairs.fold)
