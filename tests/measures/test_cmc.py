"""Ranks of subjects: equal to a list of subjects made in a plain loop, and to R@1 where the two must agree."""

import numpy as np
import pytest

from semelha.measures import cmc, retrieval, subject_ranks
from semelha.metrics import Euclidean


def by_hand(query: np.ndarray, label: int, references: np.ndarray, labels: np.ndarray, allowed: np.ndarray) -> int:
    """Its place in the list of subjects, each named when its nearest picture comes."""
    distances = np.sqrt(((references - query) ** 2).sum(axis=1))
    listed: list[int] = []
    for place in np.argsort(distances, kind="stable"):
        if allowed[place] and labels[place] not in listed:
            listed.append(int(labels[place]))
    return listed.index(label) + 1 if label in listed else 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tied", [False, True])
def test_ranks_equal_a_plain_loop(seed: int, tied: bool) -> None:
    """On a grid of whole numbers most distances tie; labels that are strings and not in order, some not enrolled."""
    random = np.random.default_rng(seed)
    points = random.integers(0, 4, (90, 2)).astype(float) if tied else random.normal(size=(90, 2))
    labels = random.permutation(random.integers(0, 12, 90))
    names = np.array([f"{(7 * label) % 12}" for label in labels])
    groups = np.array([None, *"abc"], dtype=object)[random.integers(0, 4, 90)]
    q, r = np.arange(40), np.arange(40, 90)
    r = r[labels[r] != labels[0]]
    found = subject_ranks(
        points[q], names[q], points[r], names[r], metric=Euclidean(), query_groups=groups[q], reference_groups=groups[r]
    )
    for i in q:
        allowed = np.array([groups[i] is None or groups[i] != groups[j] for j in r])
        assert found[i] == by_hand(points[i], labels[i], points[r], labels[r], allowed)
    assert found[0] == 0


@pytest.mark.parametrize("tied", [False, True])
def test_rank_1_equals_r_at_1(tied: bool) -> None:
    random = np.random.default_rng(0)
    points = random.integers(0, 5, (200, 2)).astype(float) if tied else random.normal(size=(200, 8))
    labels = random.integers(0, 30, 200)
    ranks = subject_ranks(points, labels, metric=Euclidean())
    found = retrieval(points, labels, metric=Euclidean())
    assert cmc(ranks, 1)[0] == found.r_at[1]
    np.testing.assert_array_equal(ranks > 0, found.has_match)


def test_cmc_leaves_out_probes_without_a_match() -> None:
    ranks = np.array([1, 1, 2, 5, 0, 9])
    np.testing.assert_allclose(cmc(ranks, 5), [2 / 5, 3 / 5, 3 / 5, 3 / 5, 4 / 5])
    assert np.isnan(cmc(np.zeros(3, np.int64), 2)).all()
