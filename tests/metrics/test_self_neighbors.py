"""Half of the products give what all of them give: the same neighbors at the same distances, in the same order."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.metrics import made
from tests.metrics.made import EVERY

from semelha.errors import UsageError
from semelha.measures import retrieval, search
from semelha.metrics import Bhattacharyya, Cosine, Euclidean, KullbackLeibler, Mahalanobis, Matusita, SquaredEuclidean
from semelha.metrics.mapped import MappedMetric
from semelha.metrics.self_neighbors import (
    MAX_CANDIDATES,
    MAX_NEIGHBORS,
    MAX_ROWS,
    MIN_ROWS,
    is_worthwhile,
    self_neighbors,
)

random = np.random.default_rng(0)
MADE: list[MappedMetric] = [
    Euclidean(),
    SquaredEuclidean(),
    Cosine(),
    Mahalanobis(L=random.normal(size=(4, 8))),
    Matusita(),
    Bhattacharyya(),
]


def rows(metric: MappedMetric, n: int = 1700) -> np.ndarray:
    """In clusters; in places that tell nothing of what is near. Some are there twice, where equal rows map equally."""
    centers = random.normal(size=(n // 10, 8))
    x = np.repeat(centers, 10, axis=0) + 0.3 * random.normal(size=(n // 10 * 10, 8))
    twice = 0 if isinstance(metric, Mahalanobis) else 50
    x = random.permutation(np.concatenate([x, x[:twice]]))
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) if metric.domain == "histograms" else x


@pytest.mark.parametrize("metric", MADE, ids=repr)
@pytest.mark.parametrize("k", [1, 7, MAX_NEIGHBORS])
def test_the_neighbors_are_those_of_the_whole_search(metric: MappedMetric, k: int) -> None:
    x = rows(metric)
    found, wanted = self_neighbors(metric, x, k), metric.nearest(x, x, k)
    assert found is not None
    np.testing.assert_array_equal(found.positions, wanted.positions)
    np.testing.assert_allclose(found.distances, wanted.distances, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("offset", "spread"), [(1e6, 1), (1e6, 1e-3), (0, 1e-30), (0, 1e20)])
def test_vectors_far_from_the_origin_and_of_any_size(offset: float, spread: float) -> None:
    x = offset + spread * rows(Euclidean())
    found = self_neighbors(Euclidean(), x, 5)
    assert found is not None
    np.testing.assert_array_equal(found.positions, Euclidean().nearest(x, x, 5).positions)


def test_threads_find_the_same_and_float32_is_taken() -> None:
    x = rows(Cosine(), 6000).astype(np.float32)
    with ThreadPoolExecutor(3) as pool:
        found = self_neighbors(Cosine(), x, 4, map_function=pool.map)
    assert found is not None
    wanted = Cosine().nearest(x, x, 4)
    np.testing.assert_array_equal(found.positions, wanted.positions)
    np.testing.assert_array_equal(found.distances, wanted.distances)


@pytest.mark.parametrize("n", [30, 511, 512, 513])
def test_few_rows(n: int) -> None:
    x = random.normal(size=(n, 3))
    found = self_neighbors(Euclidean(), x, 6)
    assert found is not None
    np.testing.assert_array_equal(found.positions, Euclidean().nearest(x, x, 6).positions)


def test_rows_of_which_too_many_are_alike_are_left_to_the_whole_search() -> None:
    """As a network that has collapsed gives them: what is held would grow with the square."""
    x = np.ones((2 * MAX_CANDIDATES, 4))
    assert self_neighbors(Euclidean(), x, 3) is None
    many = np.repeat(random.normal(size=(8, 4)), MIN_ROWS // 8, axis=0)
    labels = np.arange(len(many)) // (MIN_ROWS // 8)
    assert is_worthwhile(Euclidean(), len(many), 2)
    assert retrieval(many, labels, metric=Euclidean(), ks=(1,)).r_at[1] == 1


def test_an_evaluation_is_the_same_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    x = rows(Cosine(), MIN_ROWS + 10)
    labels = random.integers(0, 1500, len(x))
    groups = random.integers(0, 3000, len(x))
    calls = []
    monkeypatch.setattr(search, "self_neighbors", lambda *a, **b: calls.append(1) or self_neighbors(*a, **b))
    half = retrieval(x, labels, metric=Cosine(), query_groups=groups, ks=(1, 5))
    assert calls
    monkeypatch.setattr(search, "is_worthwhile", lambda *given: False)
    whole = retrieval(x, labels, metric=Cosine(), query_groups=groups, ks=(1, 5))
    np.testing.assert_array_equal(half.nearest, whole.nearest)
    np.testing.assert_array_equal(half.distances, whole.distances)
    assert (half.r_at, half.map_at_r) == (whole.r_at, whole.map_at_r)


def test_what_it_is_for() -> None:
    assert is_worthwhile(Euclidean(), MIN_ROWS, MAX_NEIGHBORS)
    assert not is_worthwhile(Euclidean(), MIN_ROWS - 1, 1)
    assert not is_worthwhile(Euclidean(), MAX_ROWS + 1, 1)
    assert not is_worthwhile(Euclidean(), MIN_ROWS, MAX_NEIGHBORS + 1)
    assert not is_worthwhile(KullbackLeibler(), MIN_ROWS, 1)  # from q to s is not from s to q
    assert not is_worthwhile(object(), MIN_ROWS, 1)


@pytest.mark.parametrize("metric", [each for each in EVERY if isinstance(each, MappedMetric)], ids=repr)
def test_one_map_is_said_of_those_that_have_one(metric: MappedMetric) -> None:
    x = made.rows(metric, 20)
    query, stored = metric.query_map(x), metric.stored_map(x)
    assert metric.maps_are_equal == (query.shape == stored.shape and np.array_equal(query, stored))


def test_a_row_that_the_metric_cannot_take() -> None:
    with pytest.raises(UsageError, match="the first array"):
        self_neighbors(Euclidean(), np.full((600, 2), np.nan), 1)
