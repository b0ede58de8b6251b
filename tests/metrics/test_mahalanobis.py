"""A matrix is checked, and its root is a root."""

import numpy as np
import pytest

from semelha.errors import ModelError, UsageError
from semelha.metrics import Euclidean, Mahalanobis, metric_from_card
from semelha.metrics.self_neighbors import self_neighbors

random = np.random.default_rng(0)


def test_from_m_and_from_l_are_the_same() -> None:
    L = random.normal(size=(3, 6))
    q, s = random.normal(size=(4, 6)), random.normal(size=(5, 6))
    made = Mahalanobis(M=L.T @ L)
    np.testing.assert_allclose(made.pairwise(q, s), Mahalanobis(L=L).pairwise(q, s), atol=1e-7)
    np.testing.assert_allclose(made.M, L.T @ L, atol=1e-12)
    np.testing.assert_allclose(Mahalanobis(np.eye(6)).pairwise(q, s), Euclidean().pairwise(q, s), atol=1e-12)


def test_the_root_has_the_largest_direction_first() -> None:
    L = Mahalanobis(M=np.diag([1.0, 9.0, 4.0])).L
    np.testing.assert_allclose(np.linalg.norm(L, axis=1), [3, 2, 1])


def test_integers_and_lists_are_matrices() -> None:
    assert Mahalanobis(M=[[2, 0], [0, 3]]).pairwise(np.zeros((1, 2)), np.ones((1, 2))).item() == pytest.approx(5**0.5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "one of the two"),
        ({"M": np.eye(2), "L": np.eye(2)}, "one of the two"),
        ({"M": [[1.0, 2.0], [0.0, 1.0]]}, r"not symmetric: M\[0, 1\] is 2 and M\[1, 0\] is 0"),
        ({"M": [[1.0, 0.0], [0.0, -0.5]]}, "eigenvalue -0.5"),
        ({"M": np.ones((2, 3))}, "square"),
        ({"M": [[np.nan, 0], [0, 1]]}, "not finite"),
        ({"L": [[np.inf, 0]]}, "not finite"),
        ({"L": np.ones(3)}, "matrix"),
        ({"L": np.ones((0, 3))}, "matrix"),
        ({"L": [["a", "b"]]}, "real numbers"),
        ({"L": np.ones((2, 2), complex)}, "real numbers"),
    ],
)
def test_matrices_that_are_wrong(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Mahalanobis(**given)


def test_rounding_is_not_an_eigenvalue_below_zero() -> None:
    L = random.normal(size=(2, 50)).astype(np.float32)
    assert Mahalanobis(M=L.T.astype(float) @ L).L.shape == (50, 50)


def test_rows_that_l_does_not_take() -> None:
    with pytest.raises(UsageError, match="have 4 numbers, and L takes 3"):
        Mahalanobis(L=np.eye(3)).pairwise(np.ones((2, 4)), np.ones((2, 4)))


@pytest.mark.parametrize("arrays", [None, {}, {"M": np.eye(2)}, {"L": np.ones(3)}, {"L": np.full((2, 2), np.nan)}])
def test_cards_that_are_wrong(arrays: dict[str, np.ndarray] | None) -> None:
    with pytest.raises(ModelError, match="mahalanobis"):
        metric_from_card({"name": "mahalanobis"}, arrays)


@pytest.mark.parametrize("spec", [{}, {"name": "nonsense"}, {"name": 3}, {"name": ["cosine"]}])
def test_names_that_are_wrong(spec: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="known are"):
        metric_from_card(spec)


def test_weights_of_one_library_serve_rows_of_the_other() -> None:
    torch = pytest.importorskip("torch")
    L, x = random.normal(size=(2, 3)), random.normal(size=(4, 3))
    weight = torch.tensor(L, requires_grad=True)
    expected = Mahalanobis(L=L).pairwise(x, x)
    np.testing.assert_allclose(Mahalanobis(L=weight).pairwise(x, x), expected)
    np.testing.assert_allclose(Mahalanobis(L=L).pairwise(torch.tensor(x), torch.tensor(x)), expected)


def test_a_matrix_that_makes_numbers_too_large_is_an_error() -> None:
    x = random.normal(size=(3, 2))
    large = Mahalanobis(L=1e200 * np.eye(2))
    for compare in (large.pairwise, large.between, lambda q, s: large.nearest(q, s, 1)):
        with pytest.raises(UsageError, match="too large"):
            compare(x, x)
    assert np.isfinite(Mahalanobis(L=1e100 * np.eye(2)).pairwise(x, x)).all()


@pytest.mark.parametrize("alone", [False, True])
def test_neighbors_map_each_row_once(alone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not each candidate again, which takes longer than all else."""
    x = random.normal(size=(300, 12))
    metric, mapped = Mahalanobis(L=random.normal(size=(4, 12))), 0
    query_map = Mahalanobis.query_map

    def counted(self: Mahalanobis, q: np.ndarray) -> np.ndarray:
        nonlocal mapped
        mapped += len(q)
        return query_map(self, q)

    distances = np.sort(metric.pairwise(x, x), axis=1)[:, :20]
    monkeypatch.setattr(Mahalanobis, "query_map", counted)
    found = self_neighbors(metric, x, 20) if alone else metric.nearest(x, x, 20)
    assert found is not None
    assert mapped == (len(x) if alone else 2 * len(x))
    np.testing.assert_allclose(found[1], distances, atol=1e-6)
