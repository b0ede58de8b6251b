"""Calibrates a gallery: draws and embeds strangers, chooses a scoring, stores the plan with its scores."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from semelha.embedders import Model, Source, as_pictures
from semelha.errors import CalibrationError, UsageError
from semelha.gallery.calibration.rule import choose_by_examples, rule_of, scores_of
from semelha.gallery.calibration.scores import uniform_hash
from semelha.gallery.live_index import LiveIndex
from semelha.images import Dataset, Picture, content_hashes
from semelha.index.checks import check_seed
from semelha.recognition import Calibration, Mismatch, Scoring, ScoringChoice, measure_mismatch
from semelha.recognition.calibration import check_rates
from semelha.store import Plan, Store, Strangers, View

logger = logging.getLogger(__name__)


def calibrate(
    store: Store,
    live: LiveIndex,
    model: Model,
    fpir: float,
    strangers: Dataset | Sequence[Source] | None,
    uncertain: float | None,
    scoring: Scoring | None,
    confirmed: Dataset | None,
    seed: int,
) -> Calibration:
    """Compute the rule, and store the plan and its scores: see `Gallery.calibrate`."""
    check_rates(fpir, uncertain)
    check_seed(seed)
    embedded = None
    if strangers is not None or confirmed is not None:
        with store.reading() as view:
            pictures, subjects = draw_nonmated_probes(strangers, confirmed, view, model, seed)
        vectors = model.embed(pictures) if pictures else np.empty((0, model.dim), np.float32)
        embedded = Strangers(np.array(subjects, np.int64), vectors)
    plan = Plan("subjects" if embedded is None else "strangers", fpir, seed, uncertain=uncertain)
    choice: ScoringChoice | None = None
    with live.read(with_rule=False) as state:
        if scoring is None:
            choice, part = choose_by_examples(state.view, state.index, model, plan, embedded)
            plan = replace(plan, scoring=choice.scoring.name, choosers=part)
        else:
            plan = replace(plan, scoring=scoring.name)
        scores = scores_of(state.view, state.index, model, plan, state.reusable_scores(plan), embedded)
        if embedded is None:
            drawn = sum(uniform_hash(name, plan.seed) >= plan.choosers for name in state.view.names().values())
            if drawn > len(scores):
                logger.warning(
                    "subjects that do not serve as strangers, because the model was trained on them, or they were "
                    "enrolled after the gallery had called them unknown: %d",
                    drawn - len(scores),
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


def draw_nonmated_probes(
    strangers: Dataset | Sequence[Source] | None, confirmed: Dataset | None, view: View, model: Model, seed: int
) -> tuple[list[Picture], list[int]]:
    """Draw one picture of each stranger and one of each confirmed subject, and name the subjects: 0 for a stranger."""
    unknown = [] if strangers is None else _draw_strangers(strangers, view, model, seed)
    known, subjects = ([], []) if confirmed is None else draw_labelled(confirmed, view, model, seed)
    return [*unknown, *known], [0] * len(unknown) + subjects


def draw_labelled(
    dataset: Dataset, view: View, model: Model, seed: int, *, with_strangers: bool = False
) -> tuple[list[Picture], list[int]]:
    """Draw one unseen picture of each class that is enrolled, and the numbers of the subjects.

    Unseen is a picture that is neither enrolled nor in the model's training set. `with_strangers` also draws one of
    each class that is not enrolled, with the number 0.
    """
    labels = [picture.label for picture in dataset]
    numbers = {label: view.number_of(label) or 0 for label in set(labels)}
    excluded = set() if with_strangers else {label for label, number in numbers.items() if not number}
    chosen = _draw_unseen(dataset.pictures, labels, excluded | set(model.card.classes), view, model, seed)
    skipped = len(dataset.classes) - len(chosen)
    if skipped:
        logger.warning("%d classes have no picture that can serve: left out", skipped)
    return list(chosen.values()), [numbers[label] for label in chosen]


def _draw_strangers(strangers: Dataset | Sequence[Source], view: View, model: Model, seed: int) -> list[Picture]:
    """One unseen picture of each class that is not enrolled; each picture without a label is a class."""
    pictures = list(strangers) if isinstance(strangers, Dataset) else as_pictures(strangers)
    labels = [picture.label or f"#{i}" for i, picture in enumerate(pictures)]
    excluded = set()
    if isinstance(strangers, Dataset):
        excluded = {*model.card.classes, *filter(view.has_subject, set(labels))}
    chosen = _draw_unseen(pictures, labels, excluded, view, model, seed)
    skipped = len(set(labels)) - len(chosen)
    if skipped:
        logger.warning("%d strangers are enrolled, or the model was trained on them: left out", skipped)
    return list(chosen.values())


def _draw_unseen(
    pictures: Sequence[Picture], labels: Sequence[str], excluded: set[str], view: View, model: Model, seed: int
) -> dict[str, Picture]:
    """One random picture of each label that is not excluded, neither enrolled nor in the model's training set."""
    trained = frozenset(model.card.content_hashes)
    bases = {view.hash_basis, *model.card.content_bases}
    chosen: dict[str, Picture] = {}
    for i in np.random.default_rng(seed).permutation(len(pictures)):
        if labels[i] in chosen or labels[i] in excluded:
            continue
        hashes = content_hashes(pictures[i], bases)
        if trained.isdisjoint(hashes) and not any(map(view.has_picture, hashes)):
            chosen[labels[i]] = pictures[i]
    return chosen
