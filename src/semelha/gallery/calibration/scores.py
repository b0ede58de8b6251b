"""Scores of non-mated probes: their distances to the nearest other subjects.

A probe that serves as a stranger is one example, drawn at random, of each subject that the model was not trained on, or
a stranger that was passed. Screened subjects, which were enrolled after the gallery had called them unknown, do not
serve, and a subject is not compared with those that were enrolled later: they had to be far from it.

If only the nearest example counts, the score is updated after each change: the changed subjects are drawn and searched
again; the others are compared with what was added, and searched again if their nearest example was removed. Other
scorings are computed from scratch, because one new example may change the prototype of a subject, and with it the
distances of many probes; their scores are stale until then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model
from semelha.errors import GalleryError
from semelha.gallery.probes import SHORTLIST, RankedSubjects, SubjectRanker, nearby
from semelha.index import LinearIndex, Snapshot
from semelha.metrics import Metric
from semelha.recognition import LeaveOneOutDistances, Scoring
from semelha.recognition.scoring import POOLINGS, Pooling
from semelha.store import Plan, Scores, Strangers, View

NO_NUMBERS = np.empty(0, np.int64)
NO_DISTANCES = np.empty(0)
NO_SCORES = Scores(0, NO_NUMBERS, NO_NUMBERS, NO_NUMBERS, NO_DISTANCES, NO_DISTANCES)
FIRST = 32  # neighbors that are searched first
NEIGHBOR_BLOCK = 1 << 15  # neighbors in memory at a time
PROBE_BLOCK = 256  # probes at a time
PROBES = 5  # drawn of each subject to choose a scoring

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
CheckStop = Callable[[], None]  # called before each block of probes; raises to cancel the computation


def score_subjects(view: View, index: Snapshot, model: Model, plan: Plan, earlier: Scores | None) -> Scores:
    """Compute the scores of the subjects, each in turn the stranger, at the change of a view.

    Each draw depends on the seed and the subject's name and examples alone. `earlier` are the scores of the same plan
    at an earlier change: if the log covers it, only the difference is computed.
    """
    kept = earlier if earlier is not None and view.reaches(earlier.change) else NO_SCORES
    touched = view.names(since=kept.change)
    gone = view.removed_since(kept.change) if len(kept) else NO_NUMBERS
    if len(kept) and not touched and not len(gone):
        return replace(kept, change=view.change)
    alive = np.isin(kept.subjects, list(view.names()))  # a merged subject is gone without its examples
    same = alive & ~np.isin(kept.subjects, list(touched)) & ~np.isin(kept.examples, gone)
    own_kept = NO_DISTANCES if kept.own is None else kept.own[same]
    kept = Scores(
        kept.change, kept.subjects[same], kept.examples[same], kept.nearest[same], kept.distances[same], own_kept
    )
    kept = _updated(view, index, kept, lambda rows: index.vectors(kept.examples[rows]), gone)
    subjects, examples = draw_examples(view, model, plan, touched)
    own = distances_to_own(view, model.metric, Scoring.from_name(plan.scoring), subjects, examples)
    nearest, distances = _nearest_others(view, index, subjects, vectors_of(view, examples))
    return Scores(
        view.change,
        np.concatenate([kept.subjects, subjects]),
        np.concatenate([kept.examples, examples]),
        np.concatenate([kept.nearest, nearest]),
        np.concatenate([kept.distances, distances]),
        np.concatenate([own_kept, own]),
    )


def score_strangers(view: View, index: Snapshot, strangers: Strangers, earlier: Scores | None) -> Scores:
    """Compute the scores of strangers, as `score_subjects` does."""
    if earlier is not None and len(earlier) == len(strangers.subjects) and view.reaches(earlier.change):
        gone = view.removed_since(earlier.change)
        updated = _updated(view, index, earlier, lambda rows: strangers.vectors[rows], gone)
        touched = list(view.names(since=earlier.change))
        own = np.isin(strangers.subjects, touched)  # a confirmed picture is no stranger to its own subject
        again = _nearest_others(view, index, strangers.subjects[own], strangers.vectors[own])
        updated.nearest[own], updated.distances[own] = again
        return replace(updated, change=view.change, subjects=strangers.subjects)
    nearest, distances = _nearest_others(view, index, strangers.subjects, strangers.vectors)
    return Scores(view.change, strangers.subjects, np.arange(len(nearest)), nearest, distances)


def draw_examples(view: View, model: Model, plan: Plan, subjects: dict[int, str]) -> tuple[Numbers, Numbers]:
    """Draw one example of each subject that serves as a stranger: numbers of the subjects and of the examples.

    Subjects that are screened, that the model was trained on or that chose the scoring do not serve.
    """
    chosen: dict[int, int] = {}
    screened = set(view.screened().tolist())
    for number, examples in unseen_in_training(view, model, subjects).items():
        name = subjects[number]
        if number not in screened and uniform_hash(name, plan.seed) >= plan.choosers:
            chance = np.random.default_rng([plan.seed, *name.encode()])
            chosen[number] = int(chance.choice(examples))
    return np.array(list(chosen), np.int64), np.array(list(chosen.values()), np.int64)


def unseen_in_training(view: View, model: Model, subjects: dict[int, str]) -> dict[int, list[int]]:
    """The subjects that the model was not trained on, by name and content, with their examples."""
    classes, hashes = set(model.card.classes), set(model.card.content_hashes)
    found: dict[int, list[int]] = {}
    for number, name in subjects.items():
        examples = view.examples_of(number)
        if examples and name not in classes and hashes.isdisjoint(content for _, content in examples):
            found[number] = [example for example, _ in examples]
    return found


def distances_to_own(
    view: View, metric: Metric, scoring: Scoring, subjects: Numbers, examples: Numbers
) -> NDArray[np.float64]:
    """Distance of an example of each subject to the subject's others; infinite if it has none."""
    distances = np.full(len(subjects), np.inf)
    for row, (subject, example) in enumerate(zip(subjects.tolist(), examples.tolist(), strict=True)):
        others = [one for one, _ in view.examples_of(subject) if one != example]
        if others:
            vectors = view.vectors([example, *others])
            compared = scoring.references(np.stack([vectors[other] for other in others]))
            distances[row] = scoring.pool(metric, vectors[example], [compared])[0]
    return distances


def uniform_hash(name: str, seed: int) -> float:
    """A number in [0, 1) from the name of a subject: random by seed, and the same in every process."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _updated(
    view: View, index: Snapshot, scores: Scores, vectors_of_rows: Callable[[Numbers], Vectors], gone: Numbers
) -> Scores:
    """Update scores after examples of other subjects were added, or are `gone`."""
    if not len(scores):
        return scores
    nearest, distances = scores.nearest.copy(), scores.distances.copy()
    lost = np.isin(nearest, gone)
    ids, added = view.added_since(scores.change)
    owners = _owners(view, ids)
    screened = np.isin(owners, view.screened())
    if screened.any():  # an earlier subject that got another example
        lost |= scores.subjects > owners[screened].min()
    again = np.flatnonzero(lost)
    nearest[again], distances[again] = _nearest_others(view, index, scores.subjects[again], vectors_of_rows(again))
    for newcomers, compared in ((~screened, ~lost), (screened, ~lost & (scores.subjects == 0))):
        rows = np.flatnonzero(compared)
        if not newcomers.any():
            continue
        searched = LinearIndex(index.space.metric)
        searched.build(ids[newcomers], added[newcomers])
        for start in range(0, len(rows), PROBE_BLOCK):
            block = rows[start : start + PROBE_BLOCK]
            vectors = vectors_of_rows(block)
            near = may_be_nearer(index.space.metric, vectors, added[newcomers], distances[block])
            block, found = block[near], searched.search(vectors[near], 1)
            nearer = found.distances[:, 0] < distances[block]
            nearest[block] = np.where(nearer, found.ids[:, 0], nearest[block])
            distances[block] = np.where(nearer, found.distances[:, 0], distances[block])
    return replace(scores, nearest=nearest, distances=distances)


def may_be_nearer(metric: Metric, vectors: Vectors, added: Vectors, distances: Floats) -> NDArray[np.bool_]:
    """Which vectors may have an added one nearer than at their distances: (n,), (n, d), (m, d), (n,) → (n,).

    Cosine distances are computed in float32, and those that only rounding may have made too large are included. Of
    other metrics all may be nearer.
    """
    if not metric.is_cosine:
        return np.ones(len(vectors), bool)
    norms, added_norms = (np.sqrt(np.vecdot(each, each)) for each in (vectors, added))
    with np.errstate(divide="ignore", invalid="ignore"):
        computed = 1 - (vectors @ added.T / (norms[:, None] * added_norms)).max(axis=1)
    # The error of a sum of d products is at most d · eps; twice that for the norms, 8 · eps for the other steps.
    error = (2 * vectors.shape[1] + 8) * np.finfo(np.float32).eps
    too_far: NDArray[np.bool_] = computed > distances + error  # not where a norm is 0 or a product is too large
    return ~too_far


def _nearest_others(
    view: View, index: Snapshot, subjects: Numbers, vectors: Vectors
) -> tuple[Numbers, NDArray[np.float64]]:
    """Of each row the nearest example of another subject, and its distance; −1 and infinity if there is none.

    The others of a subject are those that are not screened, or were enrolled before it; of a stranger, number 0, all.
    """
    screened = view.screened()
    nearest, distances = np.full(len(vectors), -1), np.full(len(vectors), np.inf)
    pending, deep = np.arange(len(vectors)), min(FIRST if subjects.any() else 1, len(index))
    while len(pending) and deep:
        high, alone = max(1, NEIGHBOR_BLOCK // deep), []
        for start in range(0, len(pending), high):
            rows = pending[start : start + high]
            found = index.search(vectors[rows], deep)  # (rows, deep)
            ids, places = np.unique(found.ids, return_inverse=True)
            owners = _owners(view, ids)[places].reshape(found.ids.shape)
            own = subjects[rows, None]
            others = (found.ids >= 0) & (owners != own) & ~((own > 0) & (owners > own) & np.isin(owners, screened))
            first = others.argmax(axis=1)
            some = others.any(axis=1)
            nearest[rows[some]] = found.ids[some, first[some]]
            distances[rows[some]] = found.distances[some, first[some]]
            alone.append(rows[~some])
        pending = np.concatenate(alone)
        deep = min(4 * deep, len(index)) if deep < len(index) else 0
    return nearest, distances


def _owners(view: View, examples: Numbers) -> Numbers:
    """Number of the subject of each example; 0 if it is gone."""
    owner = view.subjects_of(examples.tolist())
    return np.array([owner.get(example, 0) for example in examples.tolist()], np.int64)


def weights_of(view: View, subjects: Numbers) -> Floats | None:
    """For how many each score counts: its other subjects by those that it is compared with; None if that is all."""
    screened = view.screened()
    if not len(screened):
        return None
    others = view.subject_count() - (subjects > 0)
    later = len(screened) - np.searchsorted(screened, subjects, side="right")
    weights: Floats = others / np.maximum(others - np.where(subjects > 0, later, 0), 1)
    return weights


def vectors_of(view: View, examples: Numbers) -> Vectors:
    """Vectors (examples, d). Raises `GalleryError` if one is missing."""
    found = view.vectors(examples.tolist())
    lacking = len(set(examples.tolist()) - found.keys())
    if lacking:
        raise GalleryError(f"the gallery is damaged: {lacking} examples that it is calibrated on have no vector")
    return np.stack([found[example] for example in examples.tolist()]) if found else np.empty((0, 0), np.float32)


def score_by_pooling(
    view: View, index: Snapshot, model: Model, plan: Plan, strangers: Strangers | None, check_stop: CheckStop
) -> Scores:
    """Compute the scores of the strangers, or else of the subjects, each in turn the stranger."""
    scoring = Scoring.from_name(plan.scoring)
    own = None
    if strangers is None:
        names = view.names()
        subjects, examples = draw_examples(view, model, plan, names)
        without = [names[number] for number in subjects.tolist()]
        vectors = vectors_of(view, examples)
        own = distances_to_own(view, model.metric, scoring, subjects, examples)
    else:
        subjects, examples, vectors = strangers.subjects, np.arange(len(strangers.subjects)), strangers.vectors
        without = [view.name_of(number) or "" for number in subjects.tolist()]
    ranker = SubjectRanker(view, index, model.metric, scoring)
    rankings: list[RankedSubjects] = []
    for start in range(0, len(vectors), PROBE_BLOCK):
        check_stop()
        rows = slice(start, start + PROBE_BLOCK)
        rankings += ranker.rank(vectors[rows], scoring.depth, without=without[rows])
    distances = _distances(rankings, scoring.depth)
    nearest = np.array([ranking[0].examples[0].example if ranking else -1 for ranking in rankings], np.int64)
    return Scores(view.change, subjects, examples, nearest, distances[:, 0], own, distances[:, 1:])


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
    for start in range(0, len(vectors), PROBE_BLOCK):
        rows = slice(start, start + PROBE_BLOCK)
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


def _distances(rankings: list[RankedSubjects], depth: int) -> Floats:
    """(probes, depth), infinite if there are no more subjects."""
    distances = np.full((len(rankings), depth), np.inf)
    for row, ranking in zip(distances, rankings, strict=True):
        row[: len(ranking)] = [candidate.distance for candidate in ranking][:depth]
    return distances
