"""What every index does, on every metric that it serves: compared with a plain sort in float64."""

from pathlib import Path

import numpy as np
import pytest
from tests.index.made import APPROXIMATE, EXACT, INDEXES, pairs, sorted_plainly
from tests.metrics.made import EVERY, rows

from semelha.errors import UsageError
from semelha.index import Index
from semelha.index.settings import settings
from semelha.metrics import Metric

random = np.random.default_rng(0)
Made = tuple[Index, Metric]


def _name(pair: tuple[str, Metric]) -> str:
    return f"{pair[0]}-{pair[1].name}"


@pytest.fixture(params=pairs(INDEXES), ids=_name)
def made(request: pytest.FixtureRequest) -> Made:
    name, metric = request.param
    return INDEXES[name](metric), metric


@pytest.fixture(params=pairs(EXACT), ids=_name)
def exact(request: pytest.FixtureRequest) -> Made:
    name, metric = request.param
    return EXACT[name](metric), metric


@pytest.fixture(params=pairs(APPROXIMATE), ids=_name)
def approximate(request: pytest.FixtureRequest) -> Made:
    name, metric = request.param
    return APPROXIMATE[name](metric), metric


def test_agrees_with_a_plain_sort_as_vectors_come_and_go(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a delta so small that there are always several segments, of too few vectors to miss one."""
    monkeypatch.setattr(settings, "max_delta_size", 48)
    index, metric = made
    held: dict[int, np.ndarray] = {}
    for turn in range(20):
        new = [i for i in random.choice(1000, 20, replace=False).tolist() if i not in held]
        vectors = rows(metric, len(new), seed=turn).astype(np.float32)
        index.add(np.array(new, np.int64), vectors)
        held.update(zip(new, vectors, strict=True))
        gone = random.choice(sorted(held), 8, replace=False)
        index.remove(gone)
        for i in gone.tolist():
            del held[i]
        if turn % 3 == 0:
            index.merge(erase=turn % 2 == 0)
            if turn % 2 == 0:
                assert not index.snapshot().keeps_deleted
        assert len(index) == len(held)
        queries = rows(metric, 3, seed=1000 + turn).astype(np.float32)
        k = int(random.integers(1, 40))
        ids, distances = sorted_plainly(metric, queries, np.array(list(held)), np.stack(list(held.values())), k)
        found = index.search(queries, k)
        width = ids.shape[1]
        assert np.array_equal(found.ids[:, :width], ids), turn
        np.testing.assert_allclose(found.distances[:, :width], distances, atol=1e-12)
        assert (found.ids[:, width:] == -1).all()
        assert np.isinf(found.distances[:, width:]).all()
        assert found.ids.shape == found.distances.shape == (3, k)


@pytest.mark.parametrize("n", [1, 7, 300, 1500])
def test_exact_ones_find_all_at_every_size(exact: Made, n: int) -> None:
    index, metric = exact
    vectors, ids = rows(metric, n).astype(np.float32), random.permutation(10 * n)[:n]
    index.build(ids, vectors)
    queries = rows(metric, 5, seed=1).astype(np.float32)
    expected, distances = sorted_plainly(metric, queries, ids, vectors, 12)
    found = index.search(queries, 12)
    assert np.array_equal(found.ids[:, : min(n, 12)], expected)
    np.testing.assert_allclose(found.distances[:, : min(n, 12)], distances, atol=1e-12)


def test_approximate_ones_keep_their_promise(approximate: Made) -> None:
    """Beyond what is scanned: the recall, true distances in order, and whole lists also where much is hidden."""
    index, metric = approximate
    n = 1200
    vectors = rows(metric, n).astype(np.float32)
    index.build(np.arange(n), vectors)
    queries = rows(metric, 100, seed=1).astype(np.float32)
    index.remove(np.arange(0, n, 10))
    left = np.setdiff1d(np.arange(n), np.arange(0, n, 10))
    for within in (None, left[left % 3 == 0], left[left % 17 == 0]):
        among = left if within is None else within
        _, distances = sorted_plainly(metric, queries, among, vectors[among], 10)
        found = index.search(queries, 10, within)
        assert np.isin(found.ids, among).all()
        found_as_near = (found.distances <= distances[:, -1:] * (1 + 1e-6) + 1e-12).mean()
        assert found_as_near >= (0.97 if within is None else 0.85)  # what is promised is a search among all
        assert (np.diff(found.distances, axis=1) >= 0).all()
        true = metric.between(np.repeat(queries, 10, axis=0).astype(float), vectors[found.ids.ravel()].astype(float))
        np.testing.assert_allclose(found.distances.ravel(), true, atol=1e-12)
        assert all(len(set(line)) == 10 for line in found.ids.tolist())


def test_saved_and_loaded_it_answers_the_same(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "max_delta_size", 100)
    index, metric = made
    vectors = rows(metric, 900).astype(np.float32)
    index.build(np.arange(600), vectors[:600])
    index.add(np.arange(600, 750), vectors[600:750])  # waits to be merged
    index.add(np.arange(750, 790), vectors[750:790])  # the delta
    index.remove(np.array([3, 4, 700, 760]))
    queries = rows(metric, 20, seed=1).astype(np.float32)
    before = index.search(queries, 10)
    index.save(tmp_path / "index", generation=12, fingerprint="of a model")
    index.add(np.arange(790, 800), vectors[790:800])
    assert index.load(tmp_path / "index", fingerprint="of a model") == 12
    after = index.search(queries, 10)
    assert np.array_equal(before.ids, after.ids)
    assert np.array_equal(before.distances, after.distances)
    index.remove(np.array([5]))
    index.add(np.array([3, 5]), vectors[[3, 5]])
    index.merge(full=True)
    assert len(index) == 600 + 150 + 40 - 4 + 1
    assert index.search(vectors[3:4], 1).distances[0, 0] < 1e-6


def test_ties_go_to_the_lower_id(exact: Made) -> None:
    index, metric = exact
    same = np.repeat(rows(metric, 1).astype(np.float32), 100, axis=0)
    index.build(np.array([5, 3, 9, 1]), same[:4])
    assert index.search(same[:1], 3).ids.tolist() == [[1, 3, 5]]
    index.build(np.arange(100)[::-1].copy(), same)  # more than are ranked again
    assert index.search(same[:1], 3).ids.tolist() == [[0, 1, 2]]
    index.remove(np.arange(2))
    index.add(np.array([0]), same[:1])
    assert index.search(same[:1], 3).ids.tolist() == [[0, 2, 3]]


def test_exact_where_float32_products_are_all_the_same(exact: Made) -> None:
    """A crowd around one row, more than are ranked again, beside others; its order is in the last digits."""
    index, metric = exact
    one = np.repeat(rows(metric, 1), 200, axis=0) * (1 + 1e-5 * random.random((200, rows(metric, 1).shape[1])))
    if metric.domain == "histograms":
        one /= one.sum(axis=1, keepdims=True)
    stored = np.concatenate([one, rows(metric, 100, seed=1)]).astype(np.float32)
    index.build(np.arange(300), stored)
    queries = stored[:40].astype(float)
    expected = np.stack([metric.between(np.repeat(q[None], 300, axis=0), stored.astype(float)) for q in queries])
    assert np.array_equal(index.search(queries, 5).ids, np.argsort(expected, axis=1, kind="stable")[:, :5])


def test_within_searches_only_there(made: Made) -> None:
    index, metric = made
    vectors = rows(metric, 50).astype(np.float32)
    index.build(np.arange(50), vectors)
    some = np.array([10, 20, 30, 40, 99])
    found = index.search(vectors[:5], 3, within=some)
    expected, _ = sorted_plainly(metric, vectors[:5], some[:4], vectors[some[:4]], 3)
    assert np.array_equal(found.ids, expected)
    assert index.search(vectors[:1], 2, within=np.array([], np.int64)).ids.tolist() == [[-1, -1]]


def test_a_snapshot_stays_as_it_was(made: Made) -> None:
    index, metric = made
    vectors = rows(metric, 400).astype(np.float32)
    index.build(np.arange(300), vectors[:300])
    then = index.snapshot()
    before = then.search(vectors[:5], 8)
    index.add(np.arange(300, 400), vectors[300:])
    index.remove(np.arange(0, 300, 2))
    index.merge(full=True)
    after = then.search(vectors[:5], 8)
    assert np.array_equal(before.ids, after.ids)
    assert len(then) == 300
    assert len(index) == 250
    asked = np.array([250, 3, 399, 301])
    assert np.array_equal(then.vectors(asked[:2]), vectors[asked[:2]])
    with pytest.raises(KeyError):
        then.vectors(asked)  # added later
    with pytest.raises(KeyError):
        index.snapshot().vectors(np.array([3, 250]))  # removed since
    assert np.array_equal(index.snapshot().vectors(asked[1:]), vectors[asked[1:]])


def test_empty_and_wrong(made: Made) -> None:
    index, metric = made
    x = rows(metric, 2).astype(np.float32)
    assert index.search(x, 2).ids.tolist() == [[-1, -1], [-1, -1]]
    index.build(np.array([1]), x[:1])
    with pytest.raises(KeyError):
        index.remove(np.array([2]))
    with pytest.raises(ValueError, match=r"stored already|unique"):
        index.add(np.array([1]), x[:1])
    with pytest.raises(ValueError, match=r"must be \(n,\) and \(n, d\)"):
        index.add(np.array([7, 8]), x[:1])
    bad = x.copy()
    bad[1, 0] = np.nan
    with pytest.raises(UsageError, match="row 1 of the vectors"):
        index.build(np.array([1, 2]), bad)
    with pytest.raises(UsageError, match="row 1 of the"):
        index.search(bad, 1)
    with pytest.raises(UsageError, match="must be 1 or more"):
        index.search(x, 0)
    assert len(index) == 1
    index.remove(np.array([1]))
    assert len(index) == 0
    assert index.search(x, 1).ids.tolist() == [[-1], [-1]]


def test_says_how_it_searches(made: Made) -> None:
    index, metric = made
    index.build(np.arange(4), rows(metric, 4).astype(np.float32))
    stats = index.stats()
    assert stats["search"] == metric.search
    assert stats["vectors"] == 4
    assert [segment["vectors"] for segment in stats["segments"]] == [4]  # type: ignore[attr-defined]


@pytest.mark.parametrize("metric", [m for m in EVERY if m.search == "scan"], ids=lambda m: m.name)
@pytest.mark.parametrize("name", ["kd", *APPROXIMATE])
def test_refuses_a_metric_that_it_cannot_search(name: str, metric: Metric) -> None:
    with pytest.raises(UsageError, match="take LinearIndex"):
        INDEXES[name](metric)
