"""Labeled search for the measures: who may match whom, nearest neighbors, and distances to subjects."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from semelha.metrics import Metric
from semelha.metrics.self_neighbors import MapFunction, is_worthwhile, self_neighbors
from semelha.processors import processors

NEIGHBORS_IN_MEMORY = 1 << 22
DISTANCES_IN_MEMORY = 1 << 21  # for each thread

Indices = NDArray[np.int64]
Vectors = NDArray[np.floating[Any]]
Labels = NDArray[Any]
Groups = NDArray[Any] | None


class NeighborSearch(Protocol):
    """Finds nearest neighbors: a `Metric`, or a re-ranking."""

    def nearest(self, q: Any, s: Any, k: int) -> tuple[Any, Any]:
        """Positions in s and distances of the k nearest of each q, ties by position: each (queries, k)."""
        ...


@dataclass(frozen=True, eq=False)
class SearchTask:
    """Labels and groups of queries and references, and which references each query may match.

    A query never matches itself, nor a picture of its group.
    """

    references: Vectors  # (m, d)
    query_labels: Indices  # (n,)
    query_groups: Indices  # (n,), −1 for no group
    reference_labels: Indices  # (m,)
    reference_groups: Indices  # (m,)
    leave_one_out: bool  # the references are the queries themselves

    @classmethod
    def build(
        cls,
        queries: Vectors,
        query_labels: Labels,
        references: Vectors | None = None,
        reference_labels: Labels | None = None,
        query_groups: Groups = None,
        reference_groups: Groups = None,
    ) -> SearchTask:
        """From the arguments of `retrieval`; raises the same errors."""
        if (references is None) != (reference_labels is None):
            raise ValueError("references and reference_labels must be passed together")
        leave_one_out = references is None or reference_labels is None
        if references is None or reference_labels is None:
            references, reference_labels, reference_groups = queries, query_labels, query_groups
        if len(queries) != len(query_labels) or len(references) != len(reference_labels):
            raise ValueError("there must be one label for each vector")
        labels = _codes(query_labels, reference_labels)
        groups = np.full(len(queries), -1), np.full(len(references), -1)
        if query_groups is not None and reference_groups is not None:
            groups = _codes(query_groups, reference_groups)
        return cls(references, labels[0], groups[0], labels[1], groups[1], leave_one_out)

    def excluded_counts(self) -> Indices:
        """How many references each query must not match: (n,)."""
        in_group = np.where(self.query_groups >= 0, _counts(self.reference_groups, self.query_groups), 0)
        return np.maximum(in_group, 1) if self.leave_one_out else in_group

    def relevant_counts(self) -> Indices:
        """How many references of its class each query may match: (n,)."""
        step = 2 + max(self.reference_groups.max(initial=-1), self.query_groups.max(initial=-1))
        keys = self.reference_labels * step + self.reference_groups  # one number for a label and a group
        of_both = _counts(keys, self.query_labels * step + self.query_groups)
        excluded = np.where(self.query_groups >= 0, of_both, 0)
        if self.leave_one_out:
            excluded = np.maximum(excluded, 1)
        return _counts(self.reference_labels, self.query_labels) - excluded

    def is_allowed(self, rows: Indices, positions: Indices) -> NDArray[np.bool_]:
        """Whether queries may match references: (q,), (q, k) → (q, k)."""
        group = self.query_groups[rows, None]
        apart: NDArray[np.bool_] = (group != self.reference_groups[positions]) | (group < 0)
        return apart & (positions != rows[:, None]) if self.leave_one_out else apart

    def is_same_class(self, rows: Indices, positions: Indices) -> NDArray[np.bool_]:
        """Whether the labels are equal: (q,), (q, k) → (q, k)."""
        return np.asarray(self.query_labels[rows, None] == self.reference_labels[positions])


Visitor = Callable[[Indices, Indices, NDArray[np.float64], NDArray[np.bool_]], None]
"""Takes the rows of some queries (q,), and their neighbors: positions, distances, whether allowed, (q, k) each."""


def search_neighbors(
    queries: NDArray[Any], task: SearchTask, k: int, visit: Visitor, *, metric: NeighborSearch, block: int | None = None
) -> None:
    """Call `visit` with the k nearest references of every query, the excluded ones behind the others.

    k is at most the number of references. Each call has a block of the queries, by default as many as fit into some
    megabytes, and comes from one of several threads.
    """
    reach = min(k + int(task.excluded_counts().max(initial=0)), len(task.references))
    n = len(queries)

    def search_block(start: int) -> None:
        rows = np.arange(start, min(start + size, n))
        positions, distances = nearest(rows)
        allowed = task.is_allowed(rows, positions)
        order = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
        visit(rows, *(np.take_along_axis(each, order, axis=1) for each in (positions, distances, allowed)))

    size = block or max(1, min(-(-n // processors()), NEIGHBORS_IN_MEMORY // max(1, reach)))
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(processors()) as pool:
        nearest = _nearest(queries, task, reach, metric, pool.map)
        list(pool.map(search_block, range(0, n if reach else 0, size)))


def _nearest(
    queries: NDArray[Any], task: SearchTask, reach: int, metric: Any, map_function: MapFunction
) -> Callable[[Indices], tuple[Any, Any]]:
    """A function from rows of queries to their nearest references."""
    if task.leave_one_out and is_worthwhile(metric, len(queries), reach):  # all at once, with half of the products
        found = self_neighbors(metric, queries, reach, map_function=map_function)
        if found is not None:
            return lambda rows: (found.positions[rows], found.distances[rows])
    return lambda rows: metric.nearest(queries[rows], task.references, reach)


@dataclass(frozen=True, eq=False)
class SubjectDistances:
    """Distances of some queries to every subject and to every reference; infinite to those that are not allowed.

    A subject is as far as its nearest reference. Subjects are in ascending order of `SearchTask.reference_labels`.
    """

    rows: Indices  # (q,)
    subjects: NDArray[np.float64]  # (q, subjects)
    references: NDArray[np.float64]  # (q, m)


def search_subjects(
    queries: Vectors, task: SearchTask, visit: Callable[[SubjectDistances], None], *, metric: Metric
) -> None:
    """Call `visit` with the distances of all queries to all subjects, block by block, from several threads."""
    order = np.argsort(task.reference_labels, kind="stable")
    starts = np.unique(task.reference_labels[order], return_index=True)[1]
    references = task.references.astype(np.float64)
    positions = np.arange(len(references))[None, :]
    size = max(1, DISTANCES_IN_MEMORY // max(1, len(references)))

    def search_block(start: int) -> None:
        rows = np.arange(start, min(start + size, len(queries)))
        distances = np.asarray(metric.pairwise(queries[rows].astype(np.float64), references), np.float64)
        distances[~task.is_allowed(rows, positions)] = np.inf
        visit(SubjectDistances(rows, np.minimum.reduceat(distances[:, order], starts, axis=1), distances))

    if len(references):
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(processors()) as pool:
            list(pool.map(search_block, range(0, len(queries), size)))


def _codes(first: Labels, second: Labels) -> tuple[Indices, Indices]:
    """Equal numbers for equal values; −1 for None."""
    numbers: dict[Any, int] = {None: -1}
    both = [*np.asarray(first).tolist(), *np.asarray(second).tolist()]
    codes = np.array([numbers.setdefault(value, len(numbers) - 1) for value in both], np.int64)
    return codes[: len(first)], codes[len(first) :]


def _counts(values: Indices, wanted: Indices) -> Indices:
    """How often each of `wanted` is in `values`: (m,), (n,) → (n,)."""
    _, codes = np.unique(np.concatenate([values, wanted]), return_inverse=True)
    return np.bincount(codes[: len(values)], minlength=len(codes))[codes[len(values) :]]
