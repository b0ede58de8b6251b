"""What every index does, on every metric: compared with a plain sort in float64."""

import numpy as np
import pytest
from tests.metrics.made import EVERY, rows

from semelha.errors import UsageError
from semelha.index import Index, LinearIndex
from semelha.metrics import Metric

INDEXES = [LinearIndex]
random = np.random.default_rng(0)


@pytest.fixture(params=[(i, m) for i in INDEXES for m in EVERY], ids=lambda p: f"{p[0].__name__}-{p[1].name}")
def made(request: pytest.FixtureRequest) -> tuple[Index, Metric]:
    kind, metric = request.param
    return kind(metric), metric


def test_agrees_with_a_plain_sort_as_vectors_come_and_go(made: tuple[Index, Metric]) -> None:
    index, metric = made
    held: dict[int, np.ndarray] = {}
    for turn in range(30):
        new = [i for i in random.choice(1000, 20, replace=False).tolist() if i not in held]
        vectors = rows(metric, len(new), seed=turn).astype(np.float32)
        index.add(np.array(new, np.int64), vectors)
        held.update(zip(new, vectors, strict=True))
        gone = random.choice(sorted(held), 5, replace=False)
        index.remove(gone)
        for i in gone.tolist():
            del held[i]
        assert len(index) == len(held)
        queries = rows(metric, 3, seed=1000 + turn).astype(np.float32)
        k = int(random.integers(1, 40))
        ids = np.array(sorted(held))
        stored = np.stack([held[i] for i in ids.tolist()]).astype(float)
        expected = np.stack(
            [metric.between(np.repeat(q[None], len(ids), axis=0), stored) for q in queries.astype(float)]
        )
        found = index.search(queries, k)
        order = np.lexsort((np.broadcast_to(ids, expected.shape), expected), axis=1)[:, :k]
        width = min(k, len(ids))
        assert np.array_equal(found.ids[:, :width], ids[order]), turn
        np.testing.assert_allclose(found.distances[:, :width], np.take_along_axis(expected, order, 1), atol=1e-12)
        assert (found.ids[:, width:] == -1).all()
        assert np.isinf(found.distances[:, width:]).all()


def test_ties_go_to_the_lower_id(made: tuple[Index, Metric]) -> None:
    index, metric = made
    same = np.repeat(rows(metric, 1).astype(np.float32), 100, axis=0)
    index.build(np.array([5, 3, 9, 1]), same[:4])
    assert index.search(same[:1], 3).ids.tolist() == [[1, 3, 5]]
    index.build(np.arange(100)[::-1].copy(), same)  # more than are ranked again
    assert index.search(same[:1], 3).ids.tolist() == [[0, 1, 2]]


def test_exact_where_float32_products_are_all_the_same(made: tuple[Index, Metric]) -> None:
    """A crowd around one row, more than are ranked again, beside others; its order is in the last digits."""
    index, metric = made
    one = np.repeat(rows(metric, 1), 200, axis=0) * (1 + 1e-5 * random.random((200, rows(metric, 1).shape[1])))
    if metric.domain == "histograms":
        one /= one.sum(axis=1, keepdims=True)
    stored = np.concatenate([one, rows(metric, 100, seed=1)]).astype(np.float32)
    index.build(np.arange(300), stored)
    queries = stored[:40].astype(float)
    expected = np.stack([metric.between(np.repeat(q[None], 300, axis=0), stored.astype(float)) for q in queries])
    assert np.array_equal(index.search(queries, 5).ids, np.argsort(expected, axis=1, kind="stable")[:, :5])


def test_within_searches_only_there(made: tuple[Index, Metric]) -> None:
    index, metric = made
    vectors = rows(metric, 50).astype(np.float32)
    index.build(np.arange(50), vectors)
    found = index.search(vectors[:5], 3, within=np.array([10, 20, 30, 40]))
    assert set(found.ids.ravel().tolist()) <= {10, 20, 30, 40}


def test_empty_and_wrong(made: tuple[Index, Metric]) -> None:
    index, metric = made
    x = rows(metric, 2).astype(np.float32)
    assert index.search(x, 2).ids.tolist() == [[-1, -1], [-1, -1]]
    index.build(np.array([1]), x[:1])
    with pytest.raises(KeyError):
        index.remove(np.array([2]))
    with pytest.raises(ValueError, match="once"):
        index.add(np.array([1]), x[:1])
    bad = x.copy()
    bad[1, 0] = np.nan
    with pytest.raises(UsageError, match="row 1 of what is stored"):
        index.build(np.array([1, 2]), bad)
    with pytest.raises(UsageError, match="row 1 of the"):
        index.search(bad, 1)
    assert len(index) == 1


def test_says_how_it_searches(made: tuple[Index, Metric]) -> None:
    index, metric = made
    index.build(np.arange(4), rows(metric, 4).astype(np.float32))
    stats = index.stats()  # type: ignore[attr-defined]
    assert stats["search"] == metric.search
    assert (stats["search"] == "maps") == metric.exact_map
