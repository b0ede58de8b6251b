"""The scores that a calibration rests on, and how they follow the gallery as it changes.

What stands in for a stranger is one example, drawn by chance, of each subject that the model was not trained on, or a
stranger that was given. Its score is the distance to the nearest example of anybody else. After a change only the
subjects that it touched are drawn and searched anew; the others are compared with what was added, and searched anew
where what they were nearest to is no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model
from semelha.index import LinearIndex, Snapshot
from semelha.recognition import Calibration, full_conformal, split_conformal
from semelha.store import Scores, View

NONE = np.empty(0, np.int64)
NOTHING = Scores(0, NONE, NONE, NONE, np.empty(0))
FIRST = 32  # neighbors that are looked at before more
BLOCK = 1 << 15  # neighbors in memory at a time

Vectors = NDArray[np.float32]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rule:
    """A calibration, and the place of each subject in its scores."""

    calibration: Calibration
    place: dict[str, int]


def rule_of(kind: Literal["strangers", "subjects"], fpir: float, scores: Scores, names: dict[int, str]) -> Rule:
    """The rule that the scores give, by the names of the subjects. Raises `CalibrationError`."""
    scored = scores.nearest >= 0
    if kind == "strangers":
        return Rule(split_conformal(scores.distances[scored], fpir), {})
    named = sorted((names[number], row) for row, number in enumerate(scores.subjects.tolist()) if scored[row])
    calibration = full_conformal(scores.distances[[row for _, row in named]], fpir)
    return Rule(calibration, {name: place for place, (name, _) in enumerate(named)})


def of_subjects(view: View, index: Snapshot, model: Model, seed: int, earlier: Scores | None) -> Scores:
    """Scores of the subjects, each in turn the stranger, at the moment of a view.

    Parameters
    ----------
    view : View
    index : Snapshot
        Of the same moment.
    model : Model
    seed : int
        Of the draws. Each hangs on the subject's name and examples alone, so that others may come and go.
    earlier : Scores or None
        Of the same seed at an earlier change: where the log reaches back to it, only what changed is worked out.
    """
    kept = earlier if earlier is not None and view.reaches(earlier.change) else NOTHING
    touched = view.names(since=kept.change)
    gone = view.removed_since(kept.change) if len(kept) else NONE
    if len(kept) and not touched and not len(gone):
        return replace(kept, change=view.change)
    kept = _rows(kept, ~np.isin(kept.subjects, list(touched)) & ~np.isin(kept.examples, gone))
    kept = _moved(view, index, kept, _vectors(view, kept.examples), gone)
    subjects, examples = drawn(view, model, seed, touched)
    nearest, distances = _nearest_others(view, index, subjects, _vectors(view, examples))
    return Scores(
        view.change,
        np.concatenate([kept.subjects, subjects]),
        np.concatenate([kept.examples, examples]),
        np.concatenate([kept.nearest, nearest]),
        np.concatenate([kept.distances, distances]),
    )


def of_strangers(view: View, index: Snapshot, strangers: Vectors, earlier: Scores | None) -> Scores:
    """Scores of the strangers (n, d) that were given, as `of_subjects`."""
    if earlier is not None and view.reaches(earlier.change):
        gone = view.removed_since(earlier.change)
        return replace(_moved(view, index, earlier, strangers, gone), change=view.change)
    nobody = np.zeros(len(strangers), np.int64)
    return Scores(view.change, nobody, np.arange(len(strangers)), *_nearest_others(view, index, nobody, strangers))


def drawn(view: View, model: Model, seed: int, subjects: dict[int, str]) -> tuple[Numbers, Numbers]:
    """Those of the subjects that the model was not trained on, and one example of each."""
    classes, hashes = set(model.card.classes), set(model.card.content_hashes)
    drawn: dict[int, int] = {}
    for number, name in subjects.items():
        examples = view.examples_of(number)
        if examples and name not in classes and hashes.isdisjoint(content for _, content in examples):
            chance = np.random.default_rng([seed, *name.encode()])
            drawn[number] = int(chance.choice([example for example, _ in examples]))
    return np.array(list(drawn), np.int64), np.array(list(drawn.values()), np.int64)


def _moved(view: View, index: Snapshot, scores: Scores, vectors: Vectors, gone: Numbers) -> Scores:
    """Scores where others came, none of them of a subject that has a score here, or are `gone`."""
    if not len(scores):
        return scores
    nearest, distances = scores.nearest.copy(), scores.distances.copy()
    lost = np.isin(nearest, gone)
    nearest[lost], distances[lost] = _nearest_others(view, index, scores.subjects[lost], vectors[lost])
    ids, added = view.added_since(scores.change)
    if len(ids):
        newcomers = LinearIndex(index.space.metric, background=False)
        newcomers.build(ids, added)
        for start in range(0, len(vectors), BLOCK // FIRST):
            rows = slice(start, start + BLOCK // FIRST)
            found = newcomers.search(vectors[rows], 1)
            nearer = found.distances[:, 0] < distances[rows]
            nearest[rows] = np.where(nearer, found.ids[:, 0], nearest[rows])
            distances[rows] = np.where(nearer, found.distances[:, 0], distances[rows])
    return replace(scores, nearest=nearest, distances=distances)


def _nearest_others(
    view: View, index: Snapshot, subjects: Numbers, vectors: Vectors
) -> tuple[Numbers, NDArray[np.float64]]:
    """Of each row the nearest example of another subject, and its distance; −1 and infinity where there is none."""
    nearest, distances = np.full(len(vectors), -1), np.full(len(vectors), np.inf)
    pending, deep = np.arange(len(vectors)), min(FIRST if subjects.any() else 1, len(index))
    while len(pending) and deep:
        high, alone = max(1, BLOCK // deep), []
        for start in range(0, len(pending), high):
            rows = pending[start : start + high]
            found = index.search(vectors[rows], deep)  # (rows, deep)
            ids, places = np.unique(found.ids, return_inverse=True)
            owner = view.subjects_of(ids.tolist())
            owners = np.array([owner.get(example, 0) for example in ids.tolist()])[places].reshape(found.ids.shape)
            others = (found.ids >= 0) & (owners != subjects[rows, None])
            first = others.argmax(axis=1)
            some = others.any(axis=1)
            nearest[rows[some]] = found.ids[some, first[some]]
            distances[rows[some]] = found.distances[some, first[some]]
            alone.append(rows[~some])
        pending = np.concatenate(alone)
        deep = min(4 * deep, len(index)) if deep < len(index) else 0
    return nearest, distances


def _vectors(view: View, examples: Numbers) -> Vectors:
    """(examples, d)."""
    found = view.vectors(examples.tolist())
    return np.stack([found[example] for example in examples.tolist()]) if found else np.empty((0, 0), np.float32)


def _rows(scores: Scores, chosen: NDArray[np.bool_]) -> Scores:
    return Scores(
        scores.change,
        scores.subjects[chosen],
        scores.examples[chosen],
        scores.nearest[chosen],
        scores.distances[chosen],
    )
