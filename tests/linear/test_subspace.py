"""Subspaces and singular covariances: what is done, and that it is told."""

from typing import Any

import numpy as np
import pytest
from tests.linear.made import clusters

from semelha.linear import LDA, NCA, subspace
from semelha.linear.subspace import RankDeficiencyWarning, Subspace, invertible, principal_axes, root

random = np.random.default_rng(0)


def flat(n: int, d: int, rank: int) -> Any:
    x = random.normal(size=(n, rank)) @ random.normal(size=(rank, d))
    return x - x.mean(axis=0)


@pytest.mark.parametrize(("n", "d", "rank"), [(50, 8, 3), (10, 40, 4), (10, 40, 9)])
def test_axes_span_the_examples(n: int, d: int, rank: int) -> None:
    notes: list[str] = []
    x = flat(n, d, rank)
    axes = principal_axes(x, rank_only=True, notes=notes)
    assert axes is not None
    assert axes.shape == (rank, d)
    np.testing.assert_allclose(axes @ axes.T, np.eye(rank), atol=1e-10)
    np.testing.assert_allclose(x @ axes.T @ axes, x, atol=1e-10 * np.abs(x).max())
    variances = (x @ axes.T).var(axis=0)
    assert (np.diff(variances) <= 1e-9).all()
    assert notes == [f"the {n} examples span {rank} of {d} dimensions, so their principal subspace was used"]


def test_the_whole_space_is_left_as_it_is() -> None:
    notes: list[str] = []
    assert principal_axes(flat(50, 8, 8), rank_only=True, notes=notes) is None
    assert principal_axes(flat(50, 8, 3), rank_only=False, notes=notes) is None
    assert not notes


def test_wide_and_many_is_cut_to_the_first_components(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subspace, "MAX_DENSE_DIM", 5)
    notes: list[str] = []
    x = flat(60, 30, 4)
    axes = principal_axes(x, rank_only=False, notes=notes)
    assert axes is not None
    assert axes.shape == (5, 30)
    np.testing.assert_allclose(x @ axes.T @ axes, x, atol=1e-8)
    assert notes == ["the first 5 of 30 principal components were used"]


def test_there_and_back() -> None:
    axes = np.linalg.qr(random.normal(size=(6, 2)))[0].T
    part, x, learned = Subspace(axes, np.zeros(6)), random.normal(size=(4, 6)), random.normal(size=(3, 2))
    np.testing.assert_allclose(part.into(x) @ learned.T, x @ part.back(learned).T)


def test_what_can_be_inverted_is_left_alone() -> None:
    notes: list[str] = []
    matrix = np.diag([1.0, 2.0])
    assert invertible(matrix, "thing", ridge=0.1, notes=notes) is matrix
    assert not notes


def test_a_ridge_is_a_part_of_the_mean_variance() -> None:
    notes: list[str] = []
    np.testing.assert_allclose(invertible(np.diag([4.0, 0]), "thing", ridge=0.1, notes=notes), np.diag([4.2, 0.2]))
    assert notes == ["the thing has rank 1 of 2, so 0.1 of its mean variance was added to its diagonal"]
    np.testing.assert_allclose(invertible(np.zeros((2, 2)), "thing", ridge=0.1, notes=notes), 0.1 * np.eye(2))


def test_root() -> None:
    half = random.normal(size=(3, 5))
    found = root(half.T @ half)
    assert found.shape == (3, 5)
    np.testing.assert_allclose(found.T @ found, half.T @ half, atol=1e-10)
    assert root(half.T @ half, 2).shape == (2, 5)
    np.testing.assert_array_equal(root(np.diag([-1.0, -2])), np.zeros((1, 2)))
    np.testing.assert_allclose(np.abs(root(np.diag([-1.0, 4]))), [[0, 2]])


def test_one_warning_names_everything_that_was_done() -> None:
    x, y = clusters(n=8, d=12, classes=4)
    with pytest.warns(RankDeficiencyWarning) as caught:
        LDA().fit(x, y)
    assert [str(w.message) for w in caught] == [
        "LDA: the 8 examples span 7 of 12 dimensions, so their principal subspace was used; "
        "the covariance within classes has rank 4 of 7, so 0.001 of its mean variance was added to its diagonal"
    ]


def test_off_the_span_nothing_counts() -> None:
    x, y = clusters(n=30, d=4)
    wide = np.column_stack([x, np.zeros((30, 2))])
    with pytest.warns(RankDeficiencyWarning):
        learner = NCA().fit(wide, y)
    np.testing.assert_allclose(learner.components_[:, 4:], 0, atol=1e-12)
