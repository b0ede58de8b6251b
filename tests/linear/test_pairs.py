"""Drawing and finding pairs and triplets, and sums of outer products, against plain loops."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.linear.made import clusters, every_pair

from semelha.errors import VectorsError
from semelha.linear import pairs as module
from semelha.linear.pairs import (
    class_ranges,
    class_scatter,
    draw_pairs,
    draw_triplets,
    laplacian,
    mean_outer_products,
    near_triplets,
    nearest,
    scatter,
    squared_distances,
)

X, Y = clusters(n=50, d=4)
labelings = arrays(np.intp, st.integers(4, 40), elements=st.integers(0, 3)).filter(
    lambda y: len(set(y)) > 1 and np.bincount(y).max() > 1
)


def rng() -> Any:
    return np.random.RandomState(0)


def outer(x: Any, pairs: Any, weights: Any) -> Any:
    return sum(w * np.outer(x[i] - x[j], x[i] - x[j]) for (i, j), w in zip(pairs, weights, strict=True))


@settings(max_examples=20, deadline=None)
@given(labelings)
def test_triplets_are_what_they_say(y: Any) -> None:
    a, p, n = draw_triplets(y, 200, rng()).T
    assert (y[a] == y[p]).all()
    assert (y[a] != y[n]).all()
    assert (a != p).all()


def test_triplets_are_drawn_evenly() -> None:
    y = np.array([0, 1, 0, 1, 1, 2])
    found = draw_triplets(y, 100_000, rng())
    _, counts = np.unique(found, axis=0, return_counts=True)
    expected = {0: 1 * 4, 1: 2 * 3}  # partners and strangers of each anchor; the one of class 2 is no anchor
    assert len(counts) == 2 * expected[0] + 3 * expected[1]
    for (anchor, *_), count in zip(np.unique(found, axis=0), counts, strict=True):
        assert count == pytest.approx(100_000 / 5 / expected[y[anchor]], rel=0.1)


@settings(max_examples=20, deadline=None)
@given(labelings)
def test_pairs_are_what_they_say_and_come_once(y: Any) -> None:
    pairs, same = draw_pairs(y, 100, rng())
    np.testing.assert_array_equal(y[pairs[:, 0]] == y[pairs[:, 1]], same)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len({tuple(pair) for pair in pairs}) == len(pairs)


@pytest.mark.parametrize("draw", [draw_pairs, draw_triplets])
def test_nothing_is_drawn_where_no_class_has_two(draw: Any) -> None:
    with pytest.raises(VectorsError, match="no class has two examples"):
        draw(np.arange(5), 10, rng())


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("block", [1 << 22, 40])
def test_nearest_is_brute_force(same: bool, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    rows = np.array([3, 4, 5, 17, 40])
    found = nearest(X, Y, rows, 4, same=same)
    for row, near in zip(rows, found, strict=True):
        candidates = [j for j in range(len(X)) if (Y[j] == Y[row]) == same and j != row]
        assert list(near) == sorted(candidates, key=lambda j: np.linalg.norm(X[row] - X[j]))[:4]


def test_too_few_near_ones_repeat() -> None:
    y = np.array([0, 0, 0, 1])
    x = np.array([[0.0], [1.0], [3.0], [7.0]])
    np.testing.assert_array_equal(
        nearest(x, y, np.arange(4), 3, same=True), [[1, 2, 2], [0, 2, 2], [1, 0, 0], [3, 3, 3]]
    )
    np.testing.assert_array_equal(nearest(x, y, np.array([0]), 2, same=False), [[3, 3]])


def test_near_triplets_are_all_combinations_once() -> None:
    triplets = near_triplets(X, Y, 2, 10_000, rng())
    assert len(triplets) == 50 * 4
    for a, p, n in triplets:
        friends = nearest(X, Y, np.array([a]), 2, same=True)[0]
        others = nearest(X, Y, np.array([a]), 2, same=False)[0]
        assert p in friends
        assert n in others


def test_fewer_near_triplets_are_those_of_some_anchors() -> None:
    everything = {tuple(t) for t in near_triplets(X, Y, 2, 10_000, rng())}
    some = {tuple(t) for t in near_triplets(X, Y, 2, 41, rng())}
    assert len(some) == 40
    assert some < everything


@settings(max_examples=20, deadline=None)
@given(labelings, st.integers(0, 1000))
def test_sums_of_outer_products(y: Any, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(len(y), 3))
    pairs, same = every_pair(y)
    weights = np.random.default_rng(seed).normal(size=len(pairs))
    np.testing.assert_allclose(scatter(x, pairs, weights), outer(x, pairs, weights), atol=1e-9)
    np.testing.assert_allclose(scatter(x, pairs), outer(x, pairs, np.ones(len(pairs))), atol=1e-9)
    np.testing.assert_allclose(laplacian(pairs, weights, len(x)).sum(axis=0), 0, atol=1e-9)
    alike, unlike = mean_outer_products(x, np.unique(y, return_inverse=True)[1])
    np.testing.assert_allclose(alike, outer(x, pairs[same], np.full(same.sum(), 1 / same.sum())), atol=1e-9)
    np.testing.assert_allclose(unlike, outer(x, pairs[~same], np.full((~same).sum(), 1 / (~same).sum())), atol=1e-9)


def test_class_scatter() -> None:
    inside, means = class_scatter(X, Y)
    np.testing.assert_allclose(means, [X[c == Y].mean(axis=0) for c in range(3)])
    np.testing.assert_allclose(inside, sum(np.cov(X[c == Y].T, ddof=0) * (c == Y).sum() for c in range(3)))


def test_squared_distances_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 64)
    pairs, _ = every_pair(Y)
    expected = ((X[pairs[:, 0]] - X[pairs[:, 1]]) ** 2).sum(axis=1)
    np.testing.assert_allclose(squared_distances(X, *pairs.T), expected)


def test_class_ranges() -> None:
    assert list(class_ranges(np.array([0, 0, 2, 3, 3]))) == [(0, 0, 2), (2, 2, 3), (3, 3, 5)]
