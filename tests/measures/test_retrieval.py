"""Retrieval measures: equal to pytorch-metric-learning and to a plain loop, also with groups and ties."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

from semelha.measures import Retrieval, retrieval
from semelha.metrics import Cosine, Euclidean

SEEDS = range(4)


def drawn(seed: int, n: int = 200, classes: int = 12, dim: int = 6) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, n)
    return (random.normal(size=(n, dim)) + 0.7 * random.normal(size=(classes, dim))[labels]).astype(np.float32), labels


def theirs(
    vectors: np.ndarray, labels: np.ndarray, references: np.ndarray | None = None, of: np.ndarray | None = None
) -> dict[str, float]:
    calculator = AccuracyCalculator(
        include=("precision_at_1", "r_precision", "mean_average_precision_at_r"),
        k="max_bin_count",
        device=torch.device("cpu"),
        knn_func=CustomKNN(LpDistance(normalize_embeddings=False, p=2)),
    )
    more = {} if references is None else {"reference": torch.tensor(references), "reference_labels": torch.tensor(of)}
    found: dict[str, float] = calculator.get_accuracy(torch.tensor(vectors), torch.tensor(labels), **more)
    return found


def figures(found: Retrieval) -> list[float]:
    return [found.r_at[1], found.r_precision, found.map_at_r]


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_to_accuracy_calculator(seed: int) -> None:
    vectors, labels = drawn(seed)
    peer = theirs(vectors, labels)
    expected = [peer["precision_at_1"], peer["r_precision"], peer["mean_average_precision_at_r"]]
    np.testing.assert_allclose(figures(retrieval(vectors, labels, metric=Euclidean())), expected, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_to_accuracy_calculator_with_references(seed: int) -> None:
    vectors, labels = drawn(seed)
    peer = theirs(vectors[:80], labels[:80], vectors[80:], labels[80:])
    expected = [peer["precision_at_1"], peer["r_precision"], peer["mean_average_precision_at_r"]]
    found = retrieval(vectors[:80], labels[:80], vectors[80:], labels[80:], metric=Euclidean())
    np.testing.assert_allclose(figures(found), expected, atol=1e-6)


def by_hand(vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray, k: int) -> tuple[float, float, float]:
    """The definitions, one query at a time, in float64."""
    hits_at_k, r_precisions, averages = [], [], []
    for i in range(len(vectors)):
        others = [j for j in range(len(vectors)) if j != i and (groups[j] != groups[i] or groups[i] is None)]
        of_class = sum(labels[j] == labels[i] for j in others)
        if not of_class:
            continue
        ranked = sorted(others, key=lambda j: (float(np.sum((vectors[i].astype(float) - vectors[j]) ** 2)), j))
        hits = [labels[j] == labels[i] for j in ranked]
        hits_at_k.append(any(hits[:k]))
        r_precisions.append(sum(hits[:of_class]) / of_class)
        averages.append(sum(sum(hits[: r + 1]) / (r + 1) for r in range(of_class) if hits[r]) / of_class)
    return float(np.mean(hits_at_k)), float(np.mean(r_precisions)), float(np.mean(averages))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("block", [7, 1024])
def test_groups_never_match_within(seed: int, block: int) -> None:
    vectors, labels = drawn(seed, n=90)
    groups = np.random.default_rng(seed).integers(0, 8, 90).astype(object)
    groups[:20] = None
    found = retrieval(vectors, labels, metric=Euclidean(), query_groups=groups, ks=(3,), block=block)
    expected = by_hand(vectors, labels, groups, 3)
    np.testing.assert_allclose([found.r_at[3], found.r_precision, found.map_at_r], expected, atol=1e-9)


def test_block_size_does_not_change_the_result() -> None:
    vectors, labels = drawn(0)
    one, many = (retrieval(vectors, labels, metric=Cosine(), block=block) for block in (1024, 13))
    assert figures(one) == figures(many)
    np.testing.assert_array_equal(one.nearest, many.nearest)


def test_queries_without_a_match_are_left_out() -> None:
    vectors = np.array([[0.0], [0.1], [5.0]], np.float32)
    found = retrieval(vectors, np.array(["a", "a", "alone"]), metric=Euclidean())
    assert found.r_at[1] == found.map_at_r == 1
    assert found.has_match.tolist() == [True, True, False]


def test_measures_without_queries_are_nan() -> None:
    found = retrieval(np.zeros((3, 2), np.float32), np.arange(3), metric=Euclidean())
    assert np.isnan(figures(found)).all()


def test_ties_go_to_the_lower_row() -> None:
    vectors = np.zeros((6, 2), np.float32)
    found = retrieval(vectors, np.array([0, 1, 0, 1, 0, 1]), metric=Euclidean(), ks=(3,))
    assert found.nearest[5].tolist() == [0, 1, 2]
    vectors, labels = drawn(0)
    distances = retrieval(vectors, labels, metric=Euclidean()).distances
    assert all((earlier <= later).all() for earlier, later in pairwise(distances.T))


def test_fewer_references_than_k() -> None:
    found = retrieval(np.zeros((2, 1), np.float32), np.zeros(2), metric=Euclidean(), ks=(1, 10))
    assert found.nearest[0, :2].tolist() == [1, -1]
    assert np.isinf(found.distances[0, 1])


def test_labels_and_vectors_must_have_equal_length() -> None:
    with pytest.raises(ValueError, match="one label for each vector"):
        retrieval(np.zeros((3, 2), np.float32), np.zeros(2), metric=Euclidean())
