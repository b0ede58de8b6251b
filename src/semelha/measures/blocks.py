"""Distances in blocks of queries, with the pairs struck out that must not match."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.metrics import Metric

Labels = NDArray[Any]
Groups = NDArray[Any] | None


@dataclass(frozen=True, eq=False)
class Block:
    """Some queries against all references.

    Attributes
    ----------
    start : int
        Number of the first query.
    distances : (queries, references) float32
    allowed : (queries, references) bool
        False for a picture and itself, and for two pictures of one group.
    same : (queries, references) bool
        The labels are equal, and the pair is allowed.
    """

    start: int
    distances: NDArray[np.float32]
    allowed: NDArray[np.bool_]
    same: NDArray[np.bool_]


def blocks(
    queries: NDArray[np.floating[Any]],
    query_labels: Labels,
    references: NDArray[np.floating[Any]] | None,
    reference_labels: Labels | None,
    *,
    metric: Metric,
    query_groups: Groups = None,
    reference_groups: Groups = None,
    size: int = 1024,
) -> Iterator[Block]:
    """Go through all pairs; without references the queries are compared among themselves, each left out in turn."""
    among = references is None or reference_labels is None
    targets = queries if references is None else references
    target_labels = query_labels if reference_labels is None else reference_labels
    target_groups = query_groups if among else reference_groups
    if not len(queries) == len(query_labels) or not len(targets) == len(target_labels):
        raise ValueError("there must be one label for each vector")
    label, target_label = codes(query_labels, target_labels)
    group, target_group = (None, None)
    if query_groups is not None and target_groups is not None:
        group, target_group = codes(query_groups, target_groups)
    for start in range(0, len(queries), size):
        rows = slice(start, start + size)
        distances = np.asarray(metric.pairwise(queries[rows], targets), np.float32)
        allowed = np.ones(distances.shape, bool)
        if among:
            here = np.arange(len(distances))
            allowed[here, start + here] = False
        if group is not None and target_group is not None:
            allowed &= (group[rows, None] != target_group[None, :]) | (group[rows, None] < 0)
        same = (label[rows, None] == target_label[None, :]) & allowed
        yield Block(start, distances, allowed, same)


def codes(first: Labels, second: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Equal numbers for equal values; −1 for None, which is equal to nothing."""
    numbers: dict[Any, int] = {None: -1}
    both = [*np.asarray(first).tolist(), *np.asarray(second).tolist()]
    codes = np.array([numbers.setdefault(value, len(numbers) - 1) for value in both], np.int64)
    return codes[: len(first)], codes[len(first) :]
