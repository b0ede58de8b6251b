"""Scores: what a plain loop over examples and subjects gives, by every pooling and normalization."""

import numpy as np
import pytest
from tests.metrics.made import rows

from semelha.errors import UsageError
from semelha.metrics import Cosine, Euclidean, KullbackLeibler, Metric
from semelha.recognition import NEAREST, SCORINGS, Scoring
from semelha.recognition.scoring import COHORT, N_BEST, insert_sorted


@pytest.mark.parametrize("metric", [Euclidean(), Cosine(), KullbackLeibler()], ids=lambda metric: metric.name)
@pytest.mark.parametrize("pooling", ["nearest", "best", "mean"])
def test_the_distance_to_a_subject_by_a_plain_loop(metric: Metric, pooling: str) -> None:
    probe, *examples = rows(metric, 16, seed=3)
    subjects = [np.array(examples[:1]), np.array(examples[1:3]), np.array(examples[3:])]
    scoring = Scoring.from_name(pooling)
    found = scoring.pool(metric, probe, [scoring.references(one) for one in subjects])
    for distance, one in zip(found, subjects, strict=True):
        each = sorted(float(metric.pairwise(probe[None], example[None])[0, 0]) for example in one)
        expected = {
            "nearest": each[0],
            "best": sum(each[:N_BEST]) / len(each[:N_BEST]),
            "mean": float(metric.pairwise(probe[None], np.mean(one, axis=0)[None])[0, 0]),
        }[pooling]
        assert distance == pytest.approx(expected, rel=1e-9)


def test_a_score_against_the_other_subjects_by_a_plain_loop() -> None:
    for ranked in np.sort(np.random.default_rng(0).random((20, COHORT + 3)), axis=1):
        assert NEAREST(ranked) == ranked[0]
        assert Scoring("nearest", "margin")(ranked) == pytest.approx(ranked[0] - ranked[1])
        others = sum(ranked[1 : COHORT + 1]) / COHORT
        assert Scoring("mean", "cohort")(ranked) == pytest.approx(ranked[0] / others)


def test_fewer_subjects_than_a_score_looks_at() -> None:
    few = np.array([[1.0, 3.0, np.inf], [1.0, np.inf, np.inf], [np.inf] * 3, [0.0, 0.0, np.inf]])
    assert Scoring("nearest", "margin")(few).tolist() == [-2, 0, np.inf, 0]
    assert Scoring("nearest", "cohort")(few).tolist() == [1 / 3, 1, np.inf, 1]


def test_names_lead_back_to_the_scoring() -> None:
    assert [Scoring.from_name(scoring.name) for scoring in SCORINGS] == list(SCORINGS)
    assert len(set(SCORINGS)) == 9
    assert SCORINGS[0] == NEAREST
    for wrong in ("", "median", "nearest-none-x", "mean-z"):
        with pytest.raises(UsageError, match="there are nearest, best"):
            Scoring.from_name(wrong)


def test_one_more_subject_takes_its_place_in_the_list() -> None:
    ranked = np.array([[1.0, 3.0], [1.0, np.inf]])
    assert insert_sorted(ranked, np.array([2.0, 0.5])).tolist() == [[1, 2], [0.5, 1]]
