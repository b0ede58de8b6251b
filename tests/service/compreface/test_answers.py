"""A similarity falls as the distance rises, lies in [0, 1], and is 0.5 or more for what is recognized alone."""

from itertools import pairwise

import numpy as np
import pytest

from semelha.metrics import Cosine, Euclidean, Metric
from semelha.service.compreface.answers import similarity


@pytest.mark.parametrize("metric", [Cosine(), Euclidean()], ids=repr)
@pytest.mark.parametrize("is_same", [None, True, False])
def test_a_similarity_falls_as_the_distance_rises(metric: Metric, is_same: bool | None) -> None:
    found = [similarity(float(one), metric, is_same) for one in np.linspace(0, 2, 50)]
    assert all(a > b for a, b in pairwise(found[1:]))
    assert all(0 <= one <= 1 for one in found)


@pytest.mark.parametrize("distance", [-1e-9, 0.0, 0.5, 2.0, 2.1, 1e30, float("inf")])
@pytest.mark.parametrize("metric", [Cosine(), Euclidean()], ids=repr)
def test_what_is_recognized_has_half_or_more(metric: Metric, distance: float) -> None:
    assert similarity(distance, metric, True) >= 0.5 > similarity(distance, metric, False) >= 0
    assert 0 <= similarity(distance, metric, None) <= 1


def test_the_formula_that_is_documented() -> None:
    assert similarity(0.5, Cosine(), None) == 0.75
    assert similarity(1.0, Euclidean(), None) == 0.5
    assert similarity(0.5, Cosine(), True) == 0.875
    assert similarity(0.5, Cosine(), False) == 0.375
