"""Every kind of index on every metric that it serves, and what a plain sort in float64 finds."""

from collections.abc import Callable
from functools import partial

import numpy as np
from tests.metrics.made import EVERY

from semelha.errors import UsageError
from semelha.index import AutoIndex, HNSWIndex, Index, IVFIndex, LinearIndex, TreeIndex
from semelha.metrics import Metric

Make = Callable[[Metric], Index]

EXACT: dict[str, Make] = {
    "linear": partial(LinearIndex, threads=1),
    "kd": partial(TreeIndex, threads=1),
    "ball": partial(TreeIndex, tree="ball", leaf_size=5, threads=1),
}
APPROXIMATE: dict[str, Make] = {
    "cells": partial(IVFIndex, threads=1),
    "cells-8bit": partial(IVFIndex, quantize="8bit", threads=1),
    "hnsw": partial(HNSWIndex, threads=1),
    "hnsw-f16": partial(HNSWIndex, quantize="f16", threads=1),
    "hnsw-8bit": partial(HNSWIndex, quantize="8bit", threads=1),
}
INDEXES: dict[str, Make] = {**EXACT, **APPROXIMATE, "auto": partial(AutoIndex, threads=1)}


def served(make: Make, metric: Metric) -> bool:
    """The kind of index can search under the metric."""
    try:
        make(metric)
    except UsageError:
        return False
    return True


def pairs(kinds: dict[str, Make]) -> list[tuple[str, Metric]]:
    """Names of kinds with the metrics that they serve."""
    return [(name, metric) for name, make in kinds.items() for metric in EVERY if served(make, metric)]


def sorted_plainly(
    metric: Metric, queries: np.ndarray, ids: np.ndarray, vectors: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Ids and distances of the k nearest, ties by id, each (queries, up to k)."""
    stored = vectors.astype(float)
    distances = np.stack([metric.between(np.repeat(q[None], len(ids), axis=0), stored) for q in queries.astype(float)])
    order = np.lexsort((np.broadcast_to(ids, distances.shape), distances), axis=1)[:, :k]
    return ids[order], np.take_along_axis(distances, order, 1)
