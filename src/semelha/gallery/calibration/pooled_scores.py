"""Scores of non-mated probes by scorings that use more than the nearest example, computed from scratch.

One new example may change the prototype of a subject, and with it the distances and cohorts of many. So these scores
are not updated after each change: they are marked as stale until they are computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model
from semelha.gallery.calibration.scores import distances_to_own, draw_examples, vectors_of
from semelha.gallery.ranking import SHORTLIST, RankedSubjects, SubjectRanker, nearby
from semelha.index import Snapshot
from semelha.recognition import LeaveOneOutDistances, Scoring
from semelha.recognition.scoring import POOLINGS, Pooling
from semelha.store import Plan, Scores, Strangers, View

BLOCK = 256  # probes at a time
PROBES = 5  # drawn of each subject to choose a scoring

Floats = NDArray[np.float64]
CheckStop = Callable[[], None]
"""Called before each block of probes; raises to cancel the computation."""


def never_stop() -> None:
    """Do not cancel."""


def score_subjects_by_pooling(
    view: View, index: Snapshot, model: Model, plan: Plan, check_stop: CheckStop = never_stop
) -> Scores:
    """Compute the scores of the subjects, each in turn the stranger."""
    scoring, names = Scoring.from_name(plan.scoring), view.names()
    subjects, examples = draw_examples(view, model, plan, names)
    own = distances_to_own(view, model.metric, scoring, subjects, examples)
    pooled = SubjectRanker(view, index, model.metric, scoring)
    without = [names[number] for number in subjects.tolist()]
    rankings = list(_ranked(pooled, vectors_of(view, examples), scoring.depth, without, check_stop))
    return _scores(view.change, subjects, examples, rankings, scoring, own)


def score_strangers_by_pooling(
    view: View,
    index: Snapshot,
    model: Model,
    scoring: Scoring,
    strangers: Strangers,
    check_stop: CheckStop = never_stop,
) -> Scores:
    """Compute the scores of strangers."""
    pooled = SubjectRanker(view, index, model.metric, scoring)
    without = [view.name_of(number) or "" for number in strangers.subjects.tolist()]
    rankings = list(_ranked(pooled, strangers.vectors, scoring.depth, without, check_stop))
    return _scores(view.change, strangers.subjects, np.arange(len(without)), rankings, scoring, None)


def trials(
    view: View, index: Snapshot, model: Model, seed: int, subjects: dict[int, str]
) -> dict[Pooling, LeaveOneOutDistances]:
    """Leave examples of the subjects out in turn, as probes: their distances by each pooling."""
    random = np.random.default_rng(seed)
    whose, probes, others = [], [], []
    for number in subjects:
        examples = [example for example, _ in view.examples_of(number)]
        if len(examples) > 1:
            for example in random.permutation(examples)[:PROBES].tolist():
                whose.append(number)
                probes.append(example)
                others.append([other for other in examples if other != example])
    vectors = vectors_of(view, np.array(probes, np.int64))
    names = [subjects[number] for number in whose]
    rest = [vectors_of(view, np.array(each, np.int64)) for each in others]
    near: list[RankedSubjects] = []
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, start + BLOCK)
        near += nearby(view, index, vectors[rows], SHORTLIST, names[rows])
    found: dict[Pooling, LeaveOneOutDistances] = {}
    for pooling in POOLINGS:
        scoring = Scoring(pooling, "cohort")
        pooled = SubjectRanker(view, index, model.metric, scoring, leave_last_out=True)
        own = [
            scoring.pool(model.metric, vector, [scoring.references(each)])[0]
            for vector, each in zip(vectors, rest, strict=True)
        ]
        ranked = _distances(pooled.rerank(vectors, near), scoring.depth)
        found[pooling] = LeaveOneOutDistances(np.array(whose, np.int64), np.array(own, np.float64), ranked)
    return found


def _ranked(
    pooled: SubjectRanker, vectors: NDArray[np.float32], depth: int, without: list[str], check_stop: CheckStop
) -> Iterator[RankedSubjects]:
    for start in range(0, len(vectors), BLOCK):
        check_stop()
        rows = slice(start, start + BLOCK)
        yield from pooled.rank(vectors[rows], depth, without=without[rows])


def _scores(
    change: int,
    subjects: NDArray[np.int64],
    examples: NDArray[np.int64],
    rankings: list[RankedSubjects],
    scoring: Scoring,
    own: Floats | None,
) -> Scores:
    distances = _distances(rankings, scoring.depth)
    nearest = np.array([ranking[0].examples[0].example if ranking else -1 for ranking in rankings], np.int64)
    return Scores(change, subjects, examples, nearest, distances[:, 0], own, distances[:, 1:])


def _distances(rankings: list[RankedSubjects], depth: int) -> Floats:
    """(probes, depth), infinite if there are no more subjects."""
    distances = np.full((len(rankings), depth), np.inf)
    for row, ranking in zip(distances, rankings, strict=True):
        row[: len(ranking)] = [candidate.distance for candidate in ranking][:depth]
    return distances
