"""What every index does, on every metric: compared with a plain sort in float64."""

import numpy as np
import pytest

from semelha.index import Index, LinearIndex
from semelha.metrics import Cosine, Euclidean, Metric

INDEXES = [LinearIndex]
METRICS = [Euclidean(), Cosine()]
random = np.random.default_rng(0)


@pytest.fixture(params=[(i, m) for i in INDEXES for m in METRICS], ids=lambda p: f"{p[0].__name__}-{p[1].name}")
def made(request: pytest.FixtureRequest) -> tuple[Index, Metric]:
    kind, metric = request.param
    return kind(metric), metric


def test_agrees_with_a_plain_sort_as_vectors_come_and_go(made: tuple[Index, Metric]) -> None:
    index, metric = made
    held: dict[int, np.ndarray] = {}
    for turn in range(30):
        new = [i for i in random.choice(1000, 20, replace=False).tolist() if i not in held]
        vectors = random.normal(size=(len(new), 12)).astype(np.float32)
        index.add(np.array(new, np.int64), vectors)
        held.update(zip(new, vectors, strict=True))
        gone = random.choice(sorted(held), 5, replace=False)
        index.remove(gone)
        for i in gone.tolist():
            del held[i]
        assert len(index) == len(held)
        queries = random.normal(size=(3, 12)).astype(np.float32)
        k = int(random.integers(1, 40))
        ids = np.array(sorted(held))
        expected = metric.pairwise(queries.astype(float), np.stack([held[i] for i in ids.tolist()]).astype(float))
        found = index.search(queries, k)
        order = np.lexsort((np.broadcast_to(ids, expected.shape), expected), axis=1)[:, :k]
        width = min(k, len(ids))
        assert np.array_equal(found.ids[:, :width], ids[order]), turn
        np.testing.assert_allclose(found.distances[:, :width], np.take_along_axis(expected, order, 1), atol=1e-12)
        assert (found.ids[:, width:] == -1).all()
        assert np.isinf(found.distances[:, width:]).all()


def test_ties_go_to_the_lower_id(made: tuple[Index, Metric]) -> None:
    index, _ = made
    index.build(np.array([5, 3, 9, 1]), np.ones((4, 2), np.float32))
    assert index.search(np.ones((1, 2)), 3).ids.tolist() == [[1, 3, 5]]


def test_within_searches_only_there(made: tuple[Index, Metric]) -> None:
    index, _ = made
    vectors = random.normal(size=(50, 4)).astype(np.float32)
    index.build(np.arange(50), vectors)
    found = index.search(vectors[:5], 3, within=np.array([10, 20, 30, 40]))
    assert set(found.ids.ravel().tolist()) <= {10, 20, 30, 40}


def test_empty_and_wrong(made: tuple[Index, Metric]) -> None:
    index, _ = made
    assert index.search(np.ones((2, 3)), 2).ids.tolist() == [[-1, -1], [-1, -1]]
    index.build(np.array([1]), np.ones((1, 3), np.float32))
    with pytest.raises(KeyError):
        index.remove(np.array([2]))
    with pytest.raises(ValueError, match="once"):
        index.add(np.array([1]), np.ones((1, 3), np.float32))
