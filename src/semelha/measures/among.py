"""What each query of an evaluation is searched among, and what it must not match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.measures.blocks import Groups, Labels, codes


@dataclass(frozen=True, eq=False)
class Among:
    """What each query is searched among, and which of that it must not match: itself, and pictures of its group.

    Attributes
    ----------
    vectors : (m, d) float
    label, group : (n,) int64
        Of the queries; a group of −1 is none.
    labels, groups : (m,) int64
        Of what is searched.
    itself : bool
        What is searched are the queries themselves.
    """

    vectors: NDArray[np.floating[Any]]
    label: NDArray[np.int64]
    group: NDArray[np.int64]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    itself: bool

    @classmethod
    def of(
        cls,
        queries: NDArray[np.floating[Any]],
        query_labels: Labels,
        references: NDArray[np.floating[Any]] | None,
        reference_labels: Labels | None,
        query_groups: Groups,
        reference_groups: Groups,
    ) -> Among:
        """From what `retrieval` was given. Raises `ValueError` where vectors and labels differ in number."""
        itself = references is None or reference_labels is None
        vectors = queries if references is None else references
        its_labels = query_labels if reference_labels is None else reference_labels
        if not len(queries) == len(query_labels) or not len(vectors) == len(its_labels):
            raise ValueError("there must be one label for each vector")
        label, labels = codes(query_labels, its_labels)
        group, groups = np.full(len(queries), -1), np.full(len(vectors), -1)
        of_vectors = query_groups if itself else reference_groups
        if query_groups is not None and of_vectors is not None:
            group, groups = codes(query_groups, of_vectors)
        return cls(vectors, label, group, labels, groups, itself)

    def hidden(self) -> NDArray[np.int64]:
        """How many each query must not match: (n,)."""
        grouped = np.where(self.group >= 0, _counts(self.groups, self.group), 0)
        return np.maximum(grouped, 1) if self.itself else grouped

    def relevant(self) -> NDArray[np.int64]:
        """How many of its class each query may match: (n,)."""
        step = 2 + max(self.groups.max(initial=-1), self.group.max(initial=-1))  # one number for a label and a group
        alike = _counts(self.labels * step + self.groups, self.label * step + self.group)
        grouped = np.where(self.group >= 0, alike, 0)
        return _counts(self.labels, self.label) - (np.maximum(grouped, 1) if self.itself else grouped)

    def allowed(self, rows: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether queries may match what was found of them: (q,), (q, k) → (q, k)."""
        group = self.group[rows, None]
        apart: NDArray[np.bool_] = (group != self.groups[places]) | (group < 0)
        return apart & (places != rows[:, None]) if self.itself else apart

    def same(self, rows: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the labels are equal: (q,), (q, k) → (q, k)."""
        found: NDArray[np.bool_] = self.label[rows, None] == self.labels[places]
        return found


def _counts(of: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each of `asked` is in `of`: (m,), (n,) → (n,)."""
    _, codes = np.unique(np.concatenate([of, asked]), return_inverse=True)
    return np.bincount(codes[: len(of)], minlength=len(codes))[codes[len(of) :]]
