"""Evaluate a model: closed-set and open-set identification, verification and calibration under one protocol."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from semelha.arguments import check_choice, check_types
from semelha.embedders import Embedder, Model, raw_pixels
from semelha.errors import DatasetError, MissingExtra, SemelhaError, UsageError
from semelha.evaluation.intervals import compute_intervals
from semelha.evaluation.open_set import measure_open_set
from semelha.evaluation.protocol import Protocol, assign_roles, take
from semelha.evaluation.rerank import Rerank, reranked_retrieval
from semelha.evaluation.result import Evaluation, Result
from semelha.images import GROUPINGS, Burst, Dataset, burst_remark, for_use, read_dataset, readable, with_groups
from semelha.language import Message
from semelha.measures import Retrieval, cmc, fold_accuracy, retrieval, subject_ranks
from semelha.measures.pairs import count_pairs, sample_pairs
from semelha.measures.search import SearchTask
from semelha.measures.verification import draw_fold_pairs, roc
from semelha.metrics import Metric
from semelha.published_models import resolve_model

MAX_RANK = 100  # of CMC
MIN_RESAMPLES = 100

Rows = NDArray[np.int64]
Progress = Callable[[str, int, int], None]
Found = TypeVar("Found")


@check_types
def evaluate(
    model: Embedder | str | os.PathLike[str],
    dataset: Dataset | str | os.PathLike[str],
    *,
    protocol: Protocol = Protocol(),
    baselines: Mapping[str, Embedder] | bool = True,
    fpir: float = 0.01,
    seed: int = 0,
    resamples: int = 1000,
    rerank: Rerank | None = None,
    groups: str = "auto",
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model on pictures of classes that it was not trained on.

    Parameters
    ----------
    model : Model, path or embedder
        The folder of a model, or the name of a published one, is loaded.
    dataset : Dataset or path
        Two classes or more. A path is read by `read_dataset`. Pictures that cannot be decoded are left out and listed
        in `Evaluation.dataset.skipped`.
    baselines : bool or mapping of str to Embedder
        Embedders to measure on the same pictures. True: raw pixels, and the model's network before training (this needs
        the extra `train`).
    fpir : float
        Target false-positive identification rate of the open set, between 0 and 1.
    seed : int
        Of all random draws: classes to enroll, the picture of each to enroll if the protocol does not say, galleries of
        growing size, pairs of the folds, and resamples.
    resamples : int
        Bootstrap resamples of the subjects for the 95% intervals: 100 or more, or 0 for no intervals.
    rerank : Rerank, optional
        `QueryExpansion` or `KReciprocal`: re-rank the search that R@k, MAP@R and R-precision of the model come from.
        Baselines, CMC, verification and the open set do not change.
    groups : {"auto", "none", "domain"}
        Pictures of one group never match. "auto": the groups of the data set; if it has none, bursts are found by
        names, times of capture and near-duplicates in the vectors of the model (`semelha.images.with_groups`). "none":
        all pictures are compared.
    progress : callable, optional
        Called with (name of the embedder, pictures done, number of pictures).

    Raises
    ------
    DatasetError
        The data set cannot be read, has fewer than two classes, or has nothing to enroll or to probe with; or no
        picture may match another one, because each class is one burst.
    ModelError
        The model folder cannot be used.
    UsageError
        `resamples` is between 1 and 99, `fpir` is not between 0 and 1, `groups` is another word, or `rerank` does not
        take the model's metric.
    """
    if resamples < 0 or 0 < resamples < MIN_RESAMPLES:
        raise UsageError(f"resamples is {resamples}: it must be {MIN_RESAMPLES} or more, or 0 for no intervals")
    if not 0 < fpir < 1:
        raise UsageError(f"fpir is {fpir}: it must be between 0 and 1")
    check_choice("groups", groups, GROUPINGS)
    start = time.monotonic()
    embedder = resolve_model(model) if isinstance(model, str | os.PathLike) else model
    dataset = dataset if isinstance(dataset, Dataset) else read_dataset(dataset)
    dataset = readable(for_use(dataset, "evaluating") if protocol.enroll is None else dataset)
    if len(dataset.classes) < 2:
        raise DatasetError(f"{dataset.name} has {len(dataset.classes)} class: an evaluation needs two or more")
    gallery, probes = assign_roles(dataset, protocol)
    missing: tuple[str, ...] = ()
    if baselines is True:
        baselines, missing = _standard_baselines(embedder)
    results: dict[str, Result] = {}
    for name, each in {"": embedder, **(baselines or {})}.items():
        report = None if progress is None else partial(progress, name or "model")
        vectors = each.embed(dataset.pictures, progress=report)
        if not results:  # the model is the first
            dataset = with_groups(dataset, how=groups, vectors=vectors)
            _check_matches(dataset, gallery, probes)
        search = rerank if name == "" else None
        results[name] = _measure(
            vectors, each.metric, dataset, gallery, probes, protocol, fpir, seed, resamples, search
        )
    notes = _protocol_notes(dataset, gallery, protocol, resamples, rerank)
    rows = np.arange(len(dataset))
    trained = _trained_classes(embedder, dataset)
    overlap = (Message("note.overlap", n=trained, of=len(dataset.classes)),) if trained else ()
    return Evaluation(
        dataset=dataset,
        queries=rows if gallery is None else probes,
        references=rows if gallery is None else gallery,
        result=results.pop(""),
        baselines=results,
        notes=(*notes, *missing, *overlap),
        trained_classes=trained,
        seconds=time.monotonic() - start,
    )


def _check_matches(dataset: Dataset, gallery: Rows | None, probes: Rows) -> None:
    """Raise `DatasetError` if no probe may match a picture of its class, because of bursts that were found."""
    if not any(isinstance(picture.group, Burst) for picture in dataset):
        return

    def matches(groups: NDArray[Any] | None) -> bool:
        labels, rows = dataset.labels, np.empty((len(dataset), 0))
        of_both = take(groups, probes), take(groups, gallery)
        task = SearchTask.build(rows[probes], labels[probes], take(rows, gallery), take(labels, gallery), *of_both)
        return bool(task.relevant_counts().any())

    if matches(None) and not matches(dataset.groups):
        raise DatasetError(
            f"{dataset.name} has no two pictures of one class to compare: {burst_remark(dataset)}; --groups none "
            "(groups='none') compares them anyway"
        )


def _standard_baselines(embedder: Embedder) -> tuple[dict[str, Embedder], tuple[str, ...]]:
    """Raw pixels and the untrained network, and a note if the latter cannot be built."""
    baselines: dict[str, Embedder] = {"raw_pixels": raw_pixels()}
    if not isinstance(embedder, Model):
        return baselines, ()
    try:
        from semelha.deep import untrained_embedder
    except MissingExtra:
        return baselines, (Message("note.no_extra"),)
    try:
        network = untrained_embedder(embedder.card)
    except SemelhaError as error:  # such as a model that was made elsewhere
        return baselines, (Message("note.no_network", error=str(error)),)
    return baselines if network is None else {**baselines, "untrained": network}, ()


def _trained_classes(embedder: Embedder, dataset: Dataset) -> int:
    """The number of classes of the data set that the model was trained on."""
    return len(set(embedder.card.classes) & set(dataset.classes)) if isinstance(embedder, Model) else 0


def _protocol_notes(
    dataset: Dataset, gallery: Rows | None, protocol: Protocol, resamples: int, rerank: Rerank | None
) -> tuple[str, ...]:
    leave_one_out = protocol.map_leave_one_out or gallery is None
    notes = [
        Message("note.leave_one_out" if gallery is None else "note.probes"),
        Message("note.map_leave_one_out" if leave_one_out else "note.map_probes"),
        Message("note.open_set", percent=round(100 * protocol.enrolled_fraction)),
    ]
    if rerank is not None:
        notes.insert(2, Message("note.rerank", rerank=repr(rerank)))
    if resamples:
        notes.append(Message("note.intervals", n=resamples))
    splits = [str(remark) for remark in dataset.remarks if remark.kind in ("used", "check")]
    return (*notes, *splits)


def _measure(
    vectors: NDArray[np.float32],
    metric: Metric,
    dataset: Dataset,
    gallery: Rows | None,
    probes: Rows,
    protocol: Protocol,
    fpir: float,
    seed: int,
    resamples: int,
    rerank: Rerank | None,
) -> Result:
    labels, groups = dataset.labels, dataset.groups

    def measured(measure: Callable[..., Found], queries: Rows, references: Rows | None) -> Found:
        return measure(
            vectors[queries],
            labels[queries],
            take(vectors, references),
            take(labels, references),
            metric=metric,
            query_groups=take(groups, queries),
            reference_groups=take(groups, references),
        )

    def search(queries: Rows, references: Rows | None) -> Retrieval:
        if rerank is None:
            return measured(retrieval, queries, references)
        targets = queries if references is None else references
        return reranked_retrieval(rerank, vectors, labels, queries, targets, metric=metric, groups=groups)

    found = search(probes, gallery)
    map_queries, map_retrieval = probes, found
    if protocol.map_leave_one_out and gallery is not None:
        map_queries = np.arange(len(labels))
        map_retrieval = search(map_queries, None)
    ranks = measured(subject_ranks, probes, gallery)
    max_rank = min(MAX_RANK, len(np.unique(labels if gallery is None else labels[gallery])))
    pair_counts = count_pairs(vectors, labels, metric=metric, groups=groups)
    fold_pairs = draw_fold_pairs(labels, groups, seed=seed)
    folds = None
    if fold_pairs is not None:
        distances = np.asarray(metric.between(vectors[fold_pairs.first], vectors[fold_pairs.second]))
        folds = fold_accuracy(distances, fold_pairs.same, fold_pairs.fold)
    result = Result(
        retrieval=found,
        map_retrieval=map_retrieval,
        cmc=cmc(ranks, max_rank),
        verification=roc(pair_counts),
        folds=folds,
        open_set=measure_open_set(
            vectors, metric, labels, groups, gallery, probes, protocol.enrolled_fraction, fpir, seed
        ),
        intervals=None,
    )
    if not resamples:
        return result
    _, subjects = np.unique(labels, return_inverse=True)
    random = np.random.default_rng([seed, 6])
    sample = sample_pairs(pair_counts, vectors, subjects, metric=metric, groups=groups, random=random)
    intervals = compute_intervals(result, ranks, probes, map_queries, subjects, sample, fold_pairs, resamples, seed)
    return replace(result, intervals=intervals)
