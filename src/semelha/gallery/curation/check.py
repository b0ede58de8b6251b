"""Check the examples of a gallery for wrong labels, duplicates, outliers, and subjects to merge or split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from semelha.embedders import Progress
from semelha.errors import UsageError
from semelha.gallery.curation.verdict import Facts, judge
from semelha.gallery.state import GalleryState
from semelha.index import LinearIndex, Snapshot
from semelha.index.checks import check_seed
from semelha.language import Verdict, words_in
from semelha.metrics import Metric
from semelha.metrics.mapped import MappedMetric
from semelha.recognition.curation.enrolled import EnrolledExamples
from semelha.recognition.curation.faults import (
    SubjectFindings,
    merge_candidates,
    mislabel_probabilities,
    near_duplicates,
    outliers,
    split_candidates,
)

NEIGHBORS = 24
MAX_SCANNED = 300_000  # vectors up to which comparing all pairs is faster than building and searching a graph
BLOCK = 1 << 13  # queries per search
MAX_EXAMPLES_SHOWN = 3  # of each group of a finding

Kind = Literal["duplicate", "mislabel", "outlier", "merge", "split"]


@dataclass(frozen=True)
class Example:
    """An enrolled example: its number in the gallery, its subject and its source."""

    number: int
    subject: str
    source: str


@dataclass(frozen=True)
class Finding:
    """A possible error in a gallery.

    Attributes
    ----------
    kind : {"duplicate", "mislabel", "outlier", "merge", "split"}
        - "duplicate": nearly the same picture is an example of two subjects.
        - "mislabel": an example probably shows another subject.
        - "outlier": an example is far from all others.
        - "merge": two subjects are probably one.
        - "split": a subject is probably two.
    score : float
        Within [0, 1]; larger is more certain. For a mislabel, a merge and a split an estimated probability, which is
        below 1. No outlier has the score 0.
    subjects : tuple of str
        The subjects concerned; for a mislabel the subject under which the example is enrolled comes first.
    examples : tuple of Example
        The suspect examples first, then examples for comparison; for a merge and a split some of each group.
    groups : tuple of tuple of int
        For a split the numbers of all examples of each group; otherwise empty.
    """

    kind: Kind
    score: float
    subjects: tuple[str, ...]
    examples: tuple[Example, ...]
    message: str
    groups: tuple[tuple[int, ...], ...] = ()

    @property
    def score_text(self) -> str:
        """The score with two digits; 0.99 if it would be rounded up to 1."""
        return f"{self.score if self.score == 1 else min(self.score, 0.99):.2f}"


@dataclass(frozen=True)
class Check:
    """The result of `Gallery.check`.

    Attributes
    ----------
    findings : tuple of Finding
        Highest score first.
    single_example_subjects : int
        Subjects with one example, whose label cannot be judged.
    """

    findings: tuple[Finding, ...]
    examples: int
    subjects: int
    single_example_subjects: int

    def of(self, kind: Kind) -> tuple[Finding, ...]:
        """The findings of one kind, highest score first."""
        return tuple(one for one in self.findings if one.kind == kind)

    def to_json(self) -> dict[str, Any]:
        """The fields as numbers, strings, lists and dicts."""
        return asdict(self)

    def verdict(self, language: str | None = None) -> Verdict:
        """Judge the findings in plain words, and choose what to repair first; `str` of it is one paragraph.

        The language is "en" or "pt-BR"; None is that of the locale. The rules are in docs/curation.md. Raises
        `UsageError` for another language.
        """
        counts: Counter[str] = Counter(one.kind for one in self.findings)
        probability = sum(one.score for one in self.of("mislabel"))
        facts = Facts(counts, probability, self.examples, self.subjects, self.single_example_subjects)
        return judge(facts, words_in(language))


def check(state: GalleryState, *, min_score: float, seed: int, progress: Progress | None = None) -> Check:
    """Check a snapshot of a gallery: see `Gallery.check`."""
    if not 0 <= min_score <= 1:
        raise UsageError(f"min_score is {min_score}: it must lie between 0 and 1")
    check_seed(seed)
    checked = _CheckedGallery.read(state)
    enrolled = checked.enrolled
    steps: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: checked.mislabels(*mislabel_probabilities(enrolled, seed), min_score),
        lambda: checked.duplicates(*near_duplicates(enrolled), min_score),
        lambda: checked.outliers(outliers(enrolled), min_score),
        lambda: checked.merges(merge_candidates(enrolled, seed), min_score),
        lambda: checked.splits(split_candidates(enrolled, seed), min_score),
    )
    findings: list[Finding] = []
    with threadpool_limits(1, user_api="blas"):  # products of few rows, which a second thread slows down
        for done, step in enumerate(steps, start=1):  # the first step was to find the neighbors
            if progress is not None:
                progress(done, len(steps) + 1)
            findings += step()
    if progress is not None:
        progress(len(steps) + 1, len(steps) + 1)
    findings.sort(key=lambda one: -one.score)
    single = int((enrolled.sizes == 1).sum()) if len(enrolled) else 0
    return Check(tuple(findings), len(enrolled), len(checked.names), single)


@dataclass(frozen=True, eq=False)
class _CheckedGallery:
    """The enrolled examples of a gallery, one a row. Its methods turn scores into findings."""

    enrolled: EnrolledExamples
    ids: NDArray[np.int64]  # (n,): the number of each example in the gallery
    names: tuple[str, ...]  # of each subject, by its number in `enrolled`
    state: GalleryState

    @classmethod
    def read(cls, state: GalleryState) -> _CheckedGallery:
        """Read the examples of a gallery, and find their neighbors."""
        ids, vectors = state.view.added_since(0)
        names, owners = state.view.names(), state.view.subjects_of(ids.tolist())
        numbers, subjects = np.unique(np.array([owners[one] for one in ids.tolist()], np.int64), return_inverse=True)
        metric = state.metric
        index = exact_snapshot(ids, vectors, metric) or state.index
        neighbors, distances = nearest_other_rows(index, ids, vectors, NEIGHBORS)
        enrolled = EnrolledExamples(vectors, subjects.astype(np.int64), neighbors, distances, metric)
        return cls(enrolled, ids, tuple(names[number] for number in numbers.tolist()), state)

    def mislabels(
        self, probability: NDArray[np.float64], others: NDArray[np.int64], min_score: float
    ) -> Iterator[Finding]:
        enrolled = self.enrolled
        _, other_distance = enrolled.nearest_other_subject  # of the subjects `others`
        with np.errstate(divide="ignore", invalid="ignore"):
            order = np.lexsort((other_distance / enrolled.own_distance, -probability))  # ties: relatively nearest first
        has_two_distances = np.isfinite(enrolled.own_distance) & (others >= 0)
        for row in order[has_two_distances[order] & (probability[order] >= min_score)].tolist():
            own, other = self.names[enrolled.subjects[row]], self.names[others[row]]
            near = [*self._nearest(row, int(others[row])), *self._nearest(row, int(enrolled.subjects[row]))]
            distances = f"{other_distance[row]:.3g} against {enrolled.own_distance[row]:.3g}"
            message = f"enrolled as {own}, but nearer to {other}: {distances}"
            yield self._finding("mislabel", probability[row], (own, other), [row, *near], message)

    def duplicates(self, pairs: NDArray[np.int64], score: NDArray[np.float64], min_score: float) -> Iterator[Finding]:
        for k in np.flatnonzero(score >= min_score).tolist():
            a, b = (self.names[subject] for subject in self.enrolled.subjects[pairs[k]])
            message = f"nearly the same picture is an example of {a} and of {b}"
            yield self._finding("duplicate", score[k], (a, b), pairs[k].tolist(), message)

    def outliers(self, score: NDArray[np.float64], min_score: float) -> Iterator[Finding]:
        for row in np.flatnonzero((score >= min_score) & (score > 0)).tolist():
            subject = int(self.enrolled.subjects[row])
            own = self.names[subject]
            message = f"an example of {own} that is far from all other examples, also those of {own}"
            yield self._finding("outlier", score[row], (own,), [row, *self._nearest(row, subject)], message)

    def merges(self, found: SubjectFindings, min_score: float) -> Iterator[Finding]:
        for k in np.flatnonzero(found.probability >= min_score).tolist():
            a, b = (self.names[subject] for subject in found.subjects[k])
            message = f"{a} and {b} are no farther apart than two halves of one subject"
            yield self._finding("merge", found.probability[k], (a, b), _first_rows(found.groups[k]), message)

    def splits(self, found: SubjectFindings, min_score: float) -> Iterator[Finding]:
        for k in np.flatnonzero(found.probability >= min_score).tolist():
            name = self.names[found.subjects[k, 0]]
            sizes = " and ".join(str(len(group)) for group in found.groups[k])
            message = f"{name} has two groups, as far apart as two subjects: {sizes} examples"
            one = self._finding("split", found.probability[k], (name,), _first_rows(found.groups[k]), message)
            yield replace(one, groups=tuple(tuple(self.ids[group].tolist()) for group in found.groups[k]))

    def _nearest(self, row: int, subject: int) -> list[int]:
        """The rows of a subject that are nearest to a row."""
        rows = self.enrolled.rows_of[subject]
        rows = rows[rows != row]
        order = np.argsort(self.enrolled.table(np.array([row]), rows)[0], kind="stable")
        return [int(one) for one in rows[order[:MAX_EXAMPLES_SHOWN]]]

    def _finding(
        self, kind: Kind, score: float, subjects: tuple[str, ...], rows: Iterable[int], message: str
    ) -> Finding:
        ids = [int(self.ids[row]) for row in rows]
        owners = self.state.view.owners(ids)
        return Finding(kind, float(score), subjects, tuple(Example(one, *owners[one]) for one in ids), message)


def _first_rows(groups: Iterable[NDArray[np.int64]]) -> list[int]:
    return [row for group in groups for row in group[:MAX_EXAMPLES_SHOWN].tolist()]


def exact_snapshot(ids: NDArray[np.int64], vectors: NDArray[np.float32], metric: Metric) -> Snapshot | None:
    """An exact index of these vectors; None if an approximate index finds the neighbors of all of them faster."""
    if len(ids) > MAX_SCANNED or not isinstance(metric, MappedMetric):
        return None
    index = LinearIndex(metric)
    index.build(ids, vectors)
    return index.snapshot()


def nearest_other_rows(
    index: Snapshot, ids: NDArray[np.int64], vectors: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k nearest other rows of each row, and their distances: (n, k) each; −1 and infinity for missing neighbors.

    `ids` (n,) must be ascending. If n is at most k, only n − 1 columns are returned.
    """
    k = min(k, max(0, len(ids) - 1))
    rows, distances = np.empty((len(ids), k), np.int64), np.empty((len(ids), k))
    for start in range(0, len(ids), BLOCK):
        part = slice(start, start + BLOCK)
        found = index.search(vectors[part], k + 1)
        others = found.ids != ids[part, None]
        others[others.all(axis=1), -1] = False  # more than k rows have its distance
        kept = found.ids[others].reshape(-1 if k else len(others), k)
        rows[part] = np.where(kept >= 0, np.searchsorted(ids, kept), -1)
        distances[part] = found.distances[others].reshape(kept.shape)
    return rows, distances
