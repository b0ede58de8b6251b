"""From candidates to neighbors, where the first candidates do not suffice: none is lost, and none comes twice."""

import numpy as np
import pytest
from tests.index.made import APPROXIMATE, EXACT, INDEXES, Make, sorted_plainly

from semelha.metrics import Cosine, Euclidean, Metric

random = np.random.default_rng(0)
N, D = 600, 4
NEAR = random.normal(size=(N // 2, D)) / 100 + 1
FAR = random.normal(size=(N // 2, D)) + 20
VECTORS = np.concatenate([NEAR, FAR]).astype(np.float32)
QUERIES = (np.ones((30, D)) + random.normal(size=(30, D)) / 100).astype(np.float32)


@pytest.mark.parametrize("metric", [Euclidean(), Cosine()], ids=lambda metric: metric.name)
@pytest.mark.parametrize("make", EXACT.values(), ids=EXACT)
def test_exact_where_all_that_is_near_was_removed(make: Make, metric: Metric) -> None:
    """Many more than are ranked again: one crowd, of which a few are left, lies before everything else."""
    index = make(metric)
    index.build(np.arange(N), VECTORS)
    before = N // 2
    for left in (5, 1, 0):
        index.remove(np.arange(left, before))
        before = left
        among = np.concatenate([np.arange(left), np.arange(N // 2, N)])
        for k in (3, 8, 40):
            expected, distances = sorted_plainly(metric, QUERIES, among, VECTORS[among], k)
            found = index.search(QUERIES, k)
            assert np.array_equal(found.ids, expected)
            assert np.array_equal(found.distances, distances)


@pytest.mark.parametrize("make", INDEXES.values(), ids=INDEXES)
@pytest.mark.parametrize("hidden", ["removed", "not asked for"])
def test_lists_are_whole_where_all_that_is_near_is_hidden(make: Make, hidden: str) -> None:
    """A walk, or the probed cells, may end among rows that do not count."""
    index = make(Euclidean())
    index.build(np.arange(N), VECTORS)
    shown = np.concatenate([[0], np.arange(N // 2, N)])
    if hidden == "removed":
        index.remove(np.arange(1, N // 2))
    found = index.search(QUERIES, 8, None if hidden == "removed" else shown)
    assert np.isin(found.ids, shown).all()
    assert all(len(set(line)) == 8 for line in found.ids.tolist())
    assert (found.ids[:, 0] == 0).mean() > 0.9
    _, distances = sorted_plainly(Euclidean(), QUERIES, shown, VECTORS[shown], 8)
    assert (found.distances <= distances[:, -1:] * (1 + 1e-6)).mean() > 0.9


@pytest.mark.parametrize("make", APPROXIMATE.values(), ids=APPROXIMATE)
@pytest.mark.parametrize("k", [50, N - 1, N, 3 * N])
def test_many_neighbors_are_found_too(make: Make, k: int) -> None:
    """Many more than the ten that the depth is meant for, to all that there are."""
    index = make(Euclidean())
    index.build(np.arange(N), VECTORS)
    index.remove(np.array([3, 500]))
    found = index.search(QUERIES[:5], k)
    width = min(k, N - 2)
    assert (found.ids[:, :width] >= 0).all()
    assert all(len(set(line)) == width for line in found.ids[:, :width].tolist())
    left = np.delete(np.arange(N), [3, 500])
    _, distances = sorted_plainly(Euclidean(), QUERIES[:5], left, VECTORS[left], width)
    assert (found.distances[:, :width] <= distances[:, -1:] * (1 + 1e-6)).mean() > 0.95
