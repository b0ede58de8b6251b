"""Recommendation: as good as the best in R@1, then in MAP@R, and then the cheapest."""

from dataclasses import dataclass

import numpy as np
import pytest

from semelha.comparison.methods import Method, feature_methods
from semelha.comparison.recommend import Candidate, recommend
from semelha.comparison.result import MethodResult

LABELS = np.repeat([f"class {number}" for number in range(30)], 5)
METHODS = {one.name: one for one in feature_methods() if one.words is not None}
NAMES = list(METHODS)


@dataclass
class Made:
    right: float  # share of the pictures
    precision: float
    milliseconds: float
    seconds: float = 1.0


def candidate(method: Method, made: Made) -> Candidate:
    result = MethodResult(
        method.name, method.family, "", None, "measured", milliseconds=made.milliseconds, seconds=made.seconds
    )
    hits = (np.random.default_rng(1).random(len(LABELS)) < made.right).astype(float)
    return Candidate(method, result, hits, made.precision * np.ones(len(LABELS)))


@pytest.mark.parametrize(
    ("made", "chosen"),
    [
        ([Made(1, 0.9, 10), Made(1, 0.9, 1)], 1),  # equal: what embeds faster
        ([Made(1, 0.9, 1, seconds=9), Made(1, 0.9, 1.1, seconds=2)], 1),  # nearly as fast: what learns faster
        ([Made(1, 0.9, 10), Made(0.8, 0.9, 1)], 0),  # R@1 comes before the cost
        ([Made(1, 0.99, 10), Made(1, 0.7, 1)], 0),  # and so does MAP@R, where R@1 ties
        ([Made(1, 0.7, 10), Made(0.6, 0.99, 1)], 0),  # but not before R@1
        ([Made(1, 0.99, 10), Made(1, 0.985, 1)], 1),  # as good within the tolerance
    ],
)
def test_the_cheapest_of_the_best(made: list[Made], chosen: int) -> None:
    several = [candidate(METHODS[name], one) for name, one in zip(NAMES, made, strict=False)]
    found = recommend(several, LABELS, "photos", seed=0)
    assert found is not None
    assert found.method == NAMES[chosen]
    assert found.command.startswith("semelha train photos")


def test_nothing_is_recommended_without_candidates() -> None:
    assert recommend([], LABELS, "photos", seed=0) is None
