"""Calibrates a gallery: draws and embeds strangers, chooses a scoring, stores the plan with its scores."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model, Source
from semelha.errors import CalibrationError, UsageError
from semelha.gallery.calibration.nonmated import draw_labelled, draw_nonmated_probes
from semelha.gallery.calibration.rule import choose_by_examples, rule_of, scores_of
from semelha.gallery.calibration.scores import uniform_hash
from semelha.gallery.live_index import LiveIndex
from semelha.images import Dataset
from semelha.index.checks import check_seed
from semelha.recognition import Calibration, Mismatch, Scoring, ScoringChoice, measure_mismatch
from semelha.recognition.calibration import check_rates
from semelha.store import Plan, Store, Strangers

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CalibrationSettings:
    """Parameters of `Gallery.calibrate`."""

    fpir: float
    uncertain: float | None
    scoring: Scoring | None
    seed: int


def calibrate(
    store: Store,
    live: LiveIndex,
    model: Model,
    settings: CalibrationSettings,
    strangers: Dataset | Sequence[Source] | None,
    confirmed: Dataset | None,
) -> Calibration:
    """Compute the rule, and store the plan and its scores: see `Gallery.calibrate`."""
    check_rates(settings.fpir, settings.uncertain)
    check_seed(settings.seed)
    embedded = (
        None
        if strangers is None and confirmed is None
        else _embedded_strangers(store, model, strangers, confirmed, settings.seed)
    )
    plan = Plan(
        "subjects" if embedded is None else "strangers", settings.fpir, settings.seed, uncertain=settings.uncertain
    )
    choice: ScoringChoice | None = None
    with live.read(with_rule=False) as state:
        if settings.scoring is None:
            choice, part = choose_by_examples(state.view, state.index, model, plan, embedded)
            plan = replace(plan, scoring=choice.scoring.name, choosers=part)
        else:
            plan = replace(plan, scoring=settings.scoring.name)
        scores = scores_of(state.view, state.index, model, plan, state.reusable_scores(plan), embedded)
        if embedded is None:
            asked = sum(uniform_hash(name, plan.seed) >= plan.choosers for name in state.view.names().values())
            if asked > len(scores):
                logger.warning(
                    "%d subjects do not serve as strangers: the model was trained on them", asked - len(scores)
                )
        rule = rule_of(state.view, plan, scores, with_neighbors=True)
    store.set_plan(plan, scores, embedded)
    return replace(rule.calibration, choice=choice)


def mismatch_of(live: LiveIndex, store: Store, model: Model, probes: Dataset, seed: int) -> Mismatch:
    """Test labelled probes against the calibration, one drawn of each class: see `Gallery.mismatch`."""
    check_seed(seed)
    with store.reading() as view:
        pictures, subjects = draw_labelled(probes, view, model, seed, with_strangers=True)
    if not pictures:
        raise UsageError(f"{probes.name} has no picture that is not enrolled and was not trained on")
    vectors = model.embed(pictures)
    with live.read() as state:
        if state.rule is None:
            raise CalibrationError("the gallery is not calibrated, so nothing can be tested: calibrate it first")
        calibration, place = state.rule.calibration, state.rule.place
        reach = calibration.scoring.reach
        rankings = state.ranker().rank(vectors, reach, without=[state.view.name_of(one) or "" for one in subjects])
    distances = np.full((len(vectors), reach), np.inf)
    places = np.full(distances.shape, -1)
    for row, ranking in enumerate(rankings):
        distances[row, : len(ranking)] = [one.distance for one in ranking]
        places[row, : len(ranking)] = [place.get(one.subject, -1) for one in ranking]
    return measure_mismatch(calibration.p_values(distances, places), calibration, seed=seed)


def _embedded_strangers(
    store: Store,
    model: Model,
    strangers: Dataset | Sequence[Source] | None,
    confirmed: Dataset | None,
    seed: int,
) -> Strangers:
    with store.reading() as view:
        pictures, subjects = draw_nonmated_probes(strangers, confirmed, view, model, seed)
    vectors: NDArray[np.float32] = model.embed(pictures) if pictures else np.empty((0, model.dim), np.float32)
    return Strangers(np.array(subjects, np.int64), vectors)
