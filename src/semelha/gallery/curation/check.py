"""The examples of a gallery looked over: labels, duplicates, outliers, subjects that are one or two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from semelha.errors import UsageError
from semelha.gallery.state import GalleryState
from semelha.index import LinearIndex, Snapshot
from semelha.metrics import Metric
from semelha.metrics.mapped import MappedMetric
from semelha.recognition.curation import (
    Enrolled,
    near_duplicates,
    outliers,
    two_under_one_name,
    under_two_names,
    wrong_labels,
)
from semelha.recognition.curation.subjects import Found

NEIGHBORS = 24
SCANNED = 300_000  # vectors up to which comparing all with all is quicker than making a graph and searching it
BLOCK = 1 << 13  # queries at a time
SHOWN = 3  # examples of a side of a finding

Kind = Literal["duplicate", "mislabel", "outlier", "merge", "split"]


@dataclass(frozen=True)
class Example:
    """An enrolled example: its number, the subject it is enrolled under, and where it came from."""

    example: int
    subject: str
    source: str


@dataclass(frozen=True)
class Finding:
    """Something that may be wrong.

    Attributes
    ----------
    kind : {"duplicate", "mislabel", "outlier", "merge", "split"}
        Nearly one picture under two subjects; an example that seems to be of another subject; an example that is far
        from everything; two subjects that seem to be one; a subject that seems to be two.
    score : float
        Within 0 and 1, larger where it is surer. Of a mislabel, a merge and a split an estimate of its probability.
    subjects : tuple of str
        Of a mislabel first the one that it is enrolled under.
    examples : tuple of Example
        What it is about comes first, then what it is judged by; of a merge and a split some of each side.
    message : str
    """

    kind: Kind
    score: float
    subjects: tuple[str, ...]
    examples: tuple[Example, ...]
    message: str


@dataclass(frozen=True)
class Check:
    """What a look over a gallery has found.

    Attributes
    ----------
    findings : tuple of Finding
        The surest first.
    examples, subjects : int
        How many were looked at.
    single_example_subjects : int
        Subjects with one example, of which no label can be judged.
    """

    findings: tuple[Finding, ...]
    examples: int
    subjects: int
    single_example_subjects: int

    def of(self, kind: Kind) -> tuple[Finding, ...]:
        """The findings of one kind, the surest first."""
        return tuple(one for one in self.findings if one.kind == kind)

    def to_json(self) -> dict[str, Any]:
        """As numbers, strings, lists and dicts."""
        return asdict(self)


def check(state: GalleryState, *, min_score: float, seed: int) -> Check:
    """Look over what is enrolled at one moment: see `Gallery.check`."""
    if not 0 <= min_score <= 1:
        raise UsageError(f"min_score is {min_score}: a score lies between 0 and 1")
    looked = Looked.at(state)
    enrolled = looked.enrolled
    with threadpool_limits(1, user_api="blas"):  # products of a subject's few rows, where a second thread only costs
        findings = [
            *looked.mislabels(*wrong_labels(enrolled, seed), min_score),
            *looked.duplicates(*near_duplicates(enrolled), min_score),
            *looked.outliers(outliers(enrolled), min_score),
            *looked.merges(under_two_names(enrolled, seed), min_score),
            *looked.splits(two_under_one_name(enrolled, seed), min_score),
        ]
    findings.sort(key=lambda one: -one.score)
    alone = int((enrolled.sizes == 1).sum()) if len(enrolled) else 0
    return Check(tuple(findings), len(enrolled), len(looked.names), alone)


@dataclass(frozen=True, eq=False)
class Looked:
    """What is enrolled, by row, and how to say what was found of it.

    Attributes
    ----------
    enrolled : Enrolled
    ids : (n,) int64
        Number of each example.
    names : tuple of str
        Of the subjects, by their number in `enrolled`.
    state : GalleryState
    """

    enrolled: Enrolled
    ids: NDArray[np.int64]
    names: tuple[str, ...]
    state: GalleryState

    @classmethod
    def at(cls, state: GalleryState) -> Looked:
        """What is enrolled at a moment, with its neighbors."""
        ids, vectors = state.view.added_since(0)
        names, of = state.view.names(), state.view.subjects_of(ids.tolist())
        numbers, subjects = np.unique(np.array([of[one] for one in ids.tolist()], np.int64), return_inverse=True)
        metric = state.metric
        index = scan_of(ids, vectors, metric) or state.index
        neighbors, distances = neighbors_of(index, ids, vectors, NEIGHBORS)
        enrolled = Enrolled(vectors, subjects.astype(np.int64), neighbors, distances, metric)
        return cls(enrolled, ids, tuple(names[number] for number in numbers.tolist()), state)

    def mislabels(self, chance: NDArray[np.float64], others: NDArray[np.int64], min_score: float) -> Iterator[Finding]:
        enrolled = self.enrolled
        _, far = enrolled.nearest_other
        with np.errstate(divide="ignore", invalid="ignore"):
            order = np.lexsort((far / enrolled.to_own, -chance))  # of equal chances first what is relatively nearer
        judged = np.isfinite(enrolled.to_own) & (others >= 0)
        for row in order[judged[order] & (chance[order] >= min_score)].tolist():
            own, other = self.names[enrolled.subjects[row]], self.names[others[row]]
            near = [*self._nearest(row, int(others[row])), *self._nearest(row, int(enrolled.subjects[row]))]
            yield Finding(
                "mislabel",
                float(chance[row]),
                (own, other),
                self._examples([row, *near]),
                f"enrolled as {own}, and nearer to {other}: {far[row]:.3g} against {enrolled.to_own[row]:.3g}",
            )

    def duplicates(self, pairs: NDArray[np.int64], score: NDArray[np.float64], min_score: float) -> Iterator[Finding]:
        for k in np.flatnonzero(score >= min_score).tolist():
            a, b = (self.names[subject] for subject in self.enrolled.subjects[pairs[k]])
            yield Finding(
                "duplicate",
                float(score[k]),
                (a, b),
                self._examples(pairs[k].tolist()),
                f"nearly the same picture is an example of {a} and of {b}",
            )

    def outliers(self, score: NDArray[np.float64], min_score: float) -> Iterator[Finding]:
        for row in np.flatnonzero((score >= min_score) & (score > 0)).tolist():
            subject = self.enrolled.subjects[row]
            own = self.names[subject]
            yield Finding(
                "outlier",
                float(score[row]),
                (own,),
                self._examples([row, *self._nearest(row, int(subject))]),
                f"an example of {own} that is far from everything, the others of {own} too",
            )

    def merges(self, found: Found, min_score: float) -> Iterator[Finding]:
        for k in np.flatnonzero(found.chance >= min_score).tolist():
            a, b = (self.names[subject] for subject in found.subjects[k])
            yield self._of_sides(
                "merge", found, k, (a, b), f"{a} and {b} are no farther apart than two halves of one subject"
            )

    def splits(self, found: Found, min_score: float) -> Iterator[Finding]:
        for k in np.flatnonzero(found.chance >= min_score).tolist():
            name = self.names[found.subjects[k, 0]]
            sizes = " and ".join(str(len(side)) for side in found.sides[k])
            yield self._of_sides(
                "split", found, k, (name,), f"{name} has two groups, as far apart as two subjects: {sizes} examples"
            )

    def _of_sides(self, kind: Kind, found: Found, k: int, subjects: tuple[str, ...], message: str) -> Finding:
        shown = [row for side in found.sides[k] for row in side[:SHOWN].tolist()]
        return Finding(kind, float(found.chance[k]), subjects, self._examples(shown), message)

    def _nearest(self, row: int, subject: int) -> list[int]:
        """Some examples of a subject, the nearest to a row first."""
        rows = self.enrolled.rows_of[subject]
        rows = rows[rows != row]
        order = np.argsort(self.enrolled.table(np.array([row]), rows)[0], kind="stable")
        return [int(one) for one in rows[order[:SHOWN]]]

    def _examples(self, rows: Iterable[int]) -> tuple[Example, ...]:
        ids = [int(self.ids[row]) for row in rows]
        of = self.state.view.owners(ids)
        return tuple(Example(one, *of[one]) for one in ids)


def scan_of(ids: NDArray[np.int64], vectors: NDArray[np.float32], metric: Metric) -> Snapshot | None:
    """An index that finds all neighbors, where that is the quickest for as many queries as there are vectors."""
    if len(ids) > SCANNED or not isinstance(metric, MappedMetric):
        return None
    index = LinearIndex(metric, background=False)
    index.build(ids, vectors)
    return index.snapshot()


def neighbors_of(
    index: Snapshot, ids: NDArray[np.int64], vectors: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows near each row of an index of them, itself left out, and their distances: (n, k) twice.

    The numbers of the rows, (n,), ascend.
    """
    k = min(k, max(0, len(ids) - 1))
    rows, distances = np.empty((len(ids), k), np.int64), np.empty((len(ids), k))
    for start in range(0, len(ids), BLOCK):
        part = slice(start, start + BLOCK)
        found = index.search(vectors[part], k + 1)
        others = found.ids != ids[part, None]
        others[others.all(axis=1), -1] = False  # there are more than k as near as itself
        kept = found.ids[others].reshape(-1 if k else len(others), k)
        rows[part] = np.where(kept >= 0, np.searchsorted(ids, kept), -1)
        distances[part] = found.distances[others].reshape(kept.shape)
    return rows, distances
