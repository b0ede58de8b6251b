"""Average linkage over neighbors is SciPy's over all distances, where the neighbors hold every near pair."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score
from tests.recognition.curation.made import drawn, enrolled

from semelha.metrics import Cosine, Euclidean, JensenShannon, KullbackLeibler, Metric
from semelha.recognition.curation.linkage import average_linkage


@pytest.mark.parametrize("metric", [Cosine(), Euclidean(), JensenShannon(), KullbackLeibler()], ids=repr)
def test_it_is_scipys(metric: Metric) -> None:
    """For distances that are symmetric and one that is not, whose mean of both directions counts."""
    vectors, subjects = drawn(9, 7, spread=0.9)
    if metric.domain == "histograms":
        vectors = np.exp(vectors * 3)
        vectors = (vectors / vectors.sum(axis=1, keepdims=True)).astype(np.float32)
    found = enrolled(vectors, subjects, k=len(vectors) - 1, metric=metric)
    exact = metric.pairwise(vectors.astype(np.float64), vectors.astype(np.float64))
    exact = (exact + exact.T) / 2
    np.fill_diagonal(exact, 0)
    tree = linkage(squareform(exact, checks=False), "average")
    merges = average_linkage(vectors, found.neighbors, found.distances, metric, np.inf)
    np.testing.assert_allclose(np.sort(merges.heights), tree[:, 2], rtol=1e-6)
    for place in (10, 35, 55):
        threshold = tree[place : place + 2, 2].mean()
        same = fcluster(tree, threshold, "distance")
        stopped = average_linkage(vectors, found.neighbors, found.distances, metric, threshold)
        assert adjusted_rand_score(same, stopped.labels()) == 1
        assert adjusted_rand_score(same, merges.labels(threshold)) == 1


def test_few_neighbors_suffice_up_to_a_threshold() -> None:
    """With a dozen neighbors each, the groups below the threshold are those of all distances."""
    vectors, subjects = drawn(60, 8, spread=0.4)
    few = enrolled(vectors, subjects, k=12)
    merges = average_linkage(vectors, few.neighbors, few.distances, Cosine(), 0.25)
    exact = 1 - vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(exact, 0)
    same = fcluster(linkage(squareform(exact, checks=False), "average"), 0.25, "distance")
    assert adjusted_rand_score(same, merges.labels()) == 1


def test_nothing_and_one_and_twins() -> None:
    """No rows, one row, and rows that are the same."""
    nobody = np.empty((0, 0), np.int64)
    assert len(average_linkage(np.empty((0, 4), np.float32), nobody, nobody.astype(float), Cosine(), 1).labels()) == 0
    alone = np.empty((1, 0), np.int64)
    assert average_linkage(np.ones((1, 4), np.float32), alone, alone.astype(float), Cosine(), 1).labels().tolist() == [
        0
    ]
    twins = enrolled(np.ones((5, 4), np.float32), np.zeros(5, np.int64))
    labels = average_linkage(twins.vectors, twins.neighbors, twins.distances, Cosine(), 0.0).labels()
    assert labels.tolist() == [0] * 5
