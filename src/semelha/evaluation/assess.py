"""One protocol, whole: closed set, verification, and open set with a calibrated threshold beside hindsight's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Embedder
from semelha.errors import DatasetError
from semelha.evaluation.measures import Retrieval, retrieval, verification
from semelha.evaluation.protocol import Protocol, roles
from semelha.evaluation.rerank import Rerank, searched_again
from semelha.evaluation.result import Evaluation, Result
from semelha.evaluation.strangers import measure_open_set
from semelha.images import Dataset, readable
from semelha.metrics import Metric

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
        Draws the classes that are known, and which picture of each is enrolled where the protocol does not say.
    rerank : Rerank, optional
        `QueryExpansion` or `KReciprocal`: how R@k, MAP@R and R-precision of the embedder are searched. Baselines,
        verification and the open set are as they are without.
    progress : callable, optional

    Raises
    ------
    DatasetError
        There are fewer than two classes, or nothing to enroll or to probe with.
    """
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
        results[name] = _measure(vectors, each.metric, dataset, gallery, probes, protocol, fpir, seed, second)
    everything = np.arange(len(dataset))
    return Evaluation(
        dataset=dataset,
        queries=everything if gallery is None else probes,
        references=everything if gallery is None else gallery,
        result=results.pop(""),
        baselines=results,
        notes=_notes(dataset, gallery, protocol, rerank),
        seconds=time.monotonic() - start,
    )


def _named(progress: Progress, name: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(name, done, total)


def _notes(
    dataset: Dataset, gallery: NDArray[np.int64] | None, protocol: Protocol, rerank: Rerank | None
) -> tuple[str, ...]:
    how = "each picture searches all others" if gallery is None else "each probe searches the enrolled pictures"
    among = "each picture searches all others" if protocol.map_among_all or gallery is None else how
    return (
        f"R@k: {how}.",
        f"MAP@R and R-precision: {among}.",
        *((f"All of these of the model: ranked a second time by {rerank!r}.",) if rerank is not None else ()),
        f"Open set: {protocol.known:.0%} of the classes are enrolled, drawn by chance; the others are strangers.",
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
    rerank: Rerank | None,
) -> Result:
    labels, groups = dataset.labels, dataset.groups

    def search(queries: NDArray[np.int64], references: NDArray[np.int64] | None) -> Retrieval:
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
    among_all = protocol.map_among_all and gallery is not None
    spread = search(np.arange(len(labels)), None) if among_all else found
    return Result(
        retrieval=found,
        spread=spread,
        verification=verification(vectors, labels, metric=metric, groups=groups),
        open_set=measure_open_set(vectors, metric, labels, groups, gallery, probes, protocol.known, fpir, seed),
    )
