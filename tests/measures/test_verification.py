"""Verification over all pairs: equal to scikit-learn on the list of all pairs."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.metrics import roc_auc_score, roc_curve

from semelha.measures import verification
from semelha.metrics import Euclidean

BIN = 1e-4  # of the range of distances, a generous bound on what counting in 65,536 steps can cost


def drawn(seed: int, n: int = 150) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, n)
    return (random.normal(size=(n, 4)) + random.normal(size=(10, 4))[labels]).astype(np.float32), labels


def pairs(vectors: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.triu_indices(len(labels), 1)
    return labels[first] == labels[second], pdist(vectors.astype(np.float64))


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_scikit_learn(seed: int) -> None:
    vectors, labels = drawn(seed)
    same, distances = pairs(vectors, labels)
    found = verification(vectors, labels, metric=Euclidean(), block=37)
    far, tar, _ = roc_curve(same, -distances, drop_intermediate=False)
    assert (found.mated, found.non_mated) == (same.sum(), (~same).sum())
    assert found.auc == pytest.approx(roc_auc_score(same, -distances), abs=BIN)
    assert found.eer == pytest.approx(far[np.argmin(np.abs(far - (1 - tar)))], abs=2e-3)
    for rate in (0.1, 0.01):
        assert found.tar_at_far[rate] == pytest.approx(np.interp(rate, far, tar), abs=2e-3)


def test_thresholds_reproduce_the_curve() -> None:
    vectors, labels = drawn(0)
    same, distances = pairs(vectors, labels)
    found = verification(vectors, labels, metric=Euclidean())
    for point in (len(found.thresholds) // 3, len(found.thresholds) // 2):
        accepted = distances <= found.thresholds[point]
        assert found.tar[point] == pytest.approx(accepted[same].mean(), abs=1e-3)
        assert found.far[point] == pytest.approx(accepted[~same].mean(), abs=1e-3)


def test_perfect_and_random_scores() -> None:
    vectors = np.array([[0.0], [0.1], [9.0], [9.1]], np.float32)
    found = verification(vectors, np.array([0, 0, 1, 1]), metric=Euclidean())
    assert (found.auc, found.eer) == (1, 0)
    same_distance = np.eye(6, dtype=np.float32)
    assert verification(same_distance, np.arange(6) // 2, metric=Euclidean()).auc == pytest.approx(0.5)


def test_rates_below_the_resolution_of_the_pairs_are_none() -> None:
    vectors, labels = drawn(0, n=20)
    found = verification(vectors, labels, metric=Euclidean())
    assert found.non_mated < 1000
    assert found.tar_at_far[1e-4] is None
    assert found.tar_at_far[0.1] is not None


def test_pairs_within_a_group_are_not_counted() -> None:
    vectors, labels = drawn(0, n=40)
    groups = np.arange(40) // 4
    found = verification(vectors, labels, metric=Euclidean(), groups=groups)
    assert found.mated + found.non_mated == 40 * 39 // 2 - 10 * 6


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0]])
def test_without_pairs_of_both_kinds_there_is_no_curve(labels: list[int]) -> None:
    found = verification(np.eye(3, dtype=np.float32)[: len(labels)], np.array(labels), metric=Euclidean())
    assert np.isnan(found.auc)
    assert not len(found.far)
