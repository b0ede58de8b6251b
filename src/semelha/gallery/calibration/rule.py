"""The rule by which a gallery answers "unknown": computed from its plan and the scores of non-mated probes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model
from semelha.errors import CalibrationError, GalleryError, UsageError
from semelha.gallery.calibration.scores import (
    CheckStop,
    score_by_pooling,
    score_strangers,
    score_subjects,
    trials,
    uniform_hash,
    unseen_in_training,
    weights_of,
)
from semelha.index import Snapshot
from semelha.recognition import (
    NEAREST,
    Calibration,
    Scoring,
    ScoringChoice,
    choose_scoring,
    full_conformal,
    split_conformal,
)
from semelha.recognition.calibration import min_sample_size
from semelha.store import Plan, Scores, Strangers, View

CHOOSERS = 1000  # most subjects on which a scoring is chosen: more would choose the same, and cannot calibrate


@dataclass(frozen=True, eq=False)
class Rule:
    """A calibration, and the place of each subject in its scores."""

    calibration: Calibration
    place: dict[str, int]


def rule_of(view: View, plan: Plan, scores: Scores, *, with_neighbors: bool = False) -> Rule:
    """Compute the rule of a plan from its scores, of this change or an earlier one.

    With `with_neighbors` the calibration has its `neighbors`, which takes as long again. Raises `CalibrationError`.
    """
    scoring, scored = Scoring.from_name(plan.scoring), scores.nearest >= 0
    stale = scores.change != view.change
    weights = weights_of(view, scores.subjects)
    if weights is not None and scoring != NEAREST and scores.subjects.any():
        raise CalibrationError(
            f"the scoring {scoring.name} takes pictures of strangers once subjects are enrolled that the gallery had "
            "called unknown: pass them, or choose the scoring nearest"
        )
    if plan.kind == "strangers":
        calibration = split_conformal(
            scores.ranked[scored],
            plan.fpir,
            scoring=scoring,
            uncertain=plan.uncertain,
            weights=None if weights is None else weights[scored],
        )
        return Rule(replace(calibration, stale=stale), {})
    names = view.names()
    numbers = enumerate(scores.subjects.tolist())
    named = sorted((names[number], row) for row, number in numbers if scored[row] and number in names)
    rows = np.array([row for _, row in named], np.int64)
    calibration = full_conformal(
        scores.ranked[rows],
        plan.fpir,
        scoring=scoring,
        uncertain=plan.uncertain,
        mated=None if scores.own is None else scores.own[rows],
        neighbors=_neighbors(view, scores, rows) if with_neighbors else None,
        weights=None if weights is None else weights[rows],
    )
    return Rule(replace(calibration, stale=stale), {name: place for place, (name, _) in enumerate(named)})


def scores_of(
    view: View,
    index: Snapshot,
    model: Model,
    plan: Plan,
    earlier: Scores | None,
    strangers: Strangers | None = None,
    *,
    check_stop: CheckStop = lambda: None,
) -> Scores:
    """Compute the scores of a plan at the change of a view; if only the nearest example counts, from `earlier` ones.

    The strangers are those of the store by default. `check_stop` is called between blocks of probes, and may raise.
    """
    scoring = Scoring.from_name(plan.scoring)
    if plan.kind == "strangers" and strangers is None:
        strangers = view.strangers()
    if scoring != NEAREST:
        return score_by_pooling(view, index, model, plan, strangers, check_stop)
    if strangers is not None:
        return score_strangers(view, index, strangers, earlier)
    return score_subjects(view, index, model, plan, earlier)


def plan_of(view: View) -> Plan | None:
    """The plan of a gallery. Raises `GalleryError` if it is damaged or of a newer semelha."""
    plan = view.plan()
    try:
        if plan is not None:
            Scoring.from_name(plan.scoring)
    except UsageError as error:
        raise GalleryError(f"the calibration of the gallery is damaged, or of a newer semelha: {error}") from error
    return plan


def saved_scores(view: View, plan: Plan) -> Scores | None:
    """The scores that the store has for its plan; None if they do not fit it, and must be computed again."""
    scores = view.scores()
    if scores is None or scores.change > view.change or (scores.own is None) != (plan.kind == "strangers"):
        return None
    return scores if scores.ranked.shape[1] == Scoring.from_name(plan.scoring).depth or not len(scores) else None


def carried_forward(view: View, scores: Scores) -> Scores:
    """Scores of an earlier change as those of this one, if no subject or example has changed since."""
    same = view.reaches(scores.change) and not view.names(since=scores.change)
    return replace(scores, change=view.change) if same and not len(view.removed_since(scores.change)) else scores


def is_incremental(plan: Plan) -> bool:
    """Whether the scores of a plan are updated at once after each change."""
    return plan.scoring == NEAREST.name


def choose_by_examples(
    view: View, index: Snapshot, model: Model, plan: Plan, strangers: Strangers | None
) -> tuple[ScoringChoice, float]:
    """Choose the best scoring by the examples of the gallery; also returns the share of the subjects that chose.

    Half of the subjects choose, or as many as the rate can spare, or 1,000. With strangers all subjects choose (at most
    1,000) except those with a confirmed picture. Subjects that the model was trained on never do. Raises
    `CalibrationError`.
    """
    everybody = view.names()
    names = {number: everybody[number] for number in unseen_in_training(view, model, everybody)}
    if strangers is None:
        lots = sorted(uniform_hash(name, plan.seed) for name in names.values())
        spare = max(0, min(len(lots) // 2, len(lots) - min_sample_size(plan.fpir, "subjects"), CHOOSERS))
        part = lots[spare] if spare < len(lots) else 0.0
        choosers = {number: name for number, name in names.items() if uniform_hash(name, plan.seed) < part}
        if not choosers:
            raise CalibrationError(
                f"a rate of {plan.fpir:g} needs all {len(lots)} subjects, so that none are left to choose a scoring "
                "on: enroll more, pass strangers, or name a scoring"
            )
        return choose_scoring(trials(view, index, model, plan.seed, choosers), plan.fpir), part
    confirmed = set(strangers.subjects.tolist())
    others = [number for number in names if number not in confirmed]
    some = sorted(others, key=lambda number: uniform_hash(names[number], plan.seed))[:CHOOSERS]
    return choose_scoring(trials(view, index, model, plan.seed, {one: names[one] for one in some}), plan.fpir), 0.0


def _neighbors(view: View, scores: Scores, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each row the place, among these rows, of its nearest subject; −1 if it has none there."""
    owner = view.subjects_of(scores.nearest[rows].tolist())
    place = {number: i for i, number in enumerate(scores.subjects[rows].tolist())}
    return np.array([place.get(owner.get(each, 0), -1) for each in scores.nearest[rows].tolist()], np.int64)
