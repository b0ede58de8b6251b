"""The choice of a scoring: it finds the one that serves best, and prefers the simpler of two that serve alike."""

import numpy as np
import pytest

from semelha.errors import CalibrationError
from semelha.metrics import Euclidean
from semelha.recognition import SCORINGS, LeaveOneOutDistances, Scoring, choose_scoring
from semelha.recognition.scoring import COHORT, POOLINGS

EUCLIDEAN = Euclidean()


def trials_of(points: np.ndarray) -> dict[str, LeaveOneOutDistances]:
    """Of (subjects, examples, dim): every example is a probe, the others are compared without one of theirs."""
    subjects, examples, _ = points.shape
    found = {}
    for pooling in POOLINGS:
        scoring = Scoring(pooling)
        whose, own, ranked = [], [], []
        for subject in range(subjects):
            for example in range(examples):
                rest = [np.delete(one, example, axis=0) for one in points]
                distances = scoring.pool(EUCLIDEAN, points[subject, example], [scoring.references(one) for one in rest])
                whose.append(subject)
                own.append(distances[subject])
                ranked.append(np.sort(np.delete(distances, subject))[: COHORT + 1])
        found[pooling] = LeaveOneOutDistances(np.array(whose), np.array(own), np.array(ranked))
    return found


def test_prototypes_are_chosen_where_examples_are_noisy() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(60, 1, 16)) + 1.2 * random.normal(size=(60, 6, 16))
    choice = choose_scoring(trials_of(points), 0.1)
    assert choice.scoring.pooling == "mean"
    assert choice.fnir["mean"] < choice.fnir["nearest"] - 0.1
    assert choice.subjects == 60
    assert set(choice.fnir) == {scoring.name for scoring in SCORINGS}


def test_a_normalization_is_chosen_where_some_probes_are_far_from_everything() -> None:
    """The scale of each probe is its own, which the distance alone cannot tell from a stranger's."""
    random = np.random.default_rng(1)
    choice = choose_scoring({pooling: scaled(random) for pooling in POOLINGS}, 0.1)
    assert choice.scoring.normalization != "none"
    assert choice.scoring.pooling == "nearest"  # the same trials by each pooling: the simplest


def scaled(random: np.random.Generator) -> LeaveOneOutDistances:
    random = np.random.default_rng(2)
    scale = np.exp(random.normal(size=300))
    ranked = scale[:, None] * np.sort(1 + 0.2 * random.random((300, COHORT + 1)), axis=1)
    return LeaveOneOutDistances(np.repeat(np.arange(100), 3), 0.7 * scale, ranked)


def test_of_two_that_serve_alike_the_simplest() -> None:
    random = np.random.default_rng(3)
    points = 10 * random.normal(size=(40, 1, 16)) + 0.1 * random.normal(size=(40, 3, 16))
    choice = choose_scoring(trials_of(points), 0.1)
    assert choice.scoring == Scoring()
    assert choice.fnir["nearest"] == 0


def test_too_few_subjects_are_refused() -> None:
    points = np.random.default_rng(4).normal(size=(19, 2, 4))
    with pytest.raises(CalibrationError, match="takes 20 subjects of two examples or more"):
        choose_scoring(trials_of(points), 0.1)
