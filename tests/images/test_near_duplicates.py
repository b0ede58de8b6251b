"""Near-duplicates by vectors: bursts are found, and pictures that are merely of one class are not."""

import numpy as np
import pytest

from semelha.images.near_duplicates import BLOCK, near_duplicates


def bursts(
    classes: int = 20, each: int = 2, shots: int = 5, *, spread: float = 0.5, noise: float = 0.03, dim: int = 32
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors, labels and bursts: `each` bursts of a class lie `spread` around it, and their shots closely together."""
    random = np.random.default_rng(0)
    centers = random.normal(size=(classes, 1, 1, dim))
    moments = centers + spread * random.normal(size=(classes, each, 1, dim))
    vectors = moments + noise * random.normal(size=(classes, each, shots, dim))
    number = np.arange(classes * each * shots)
    return vectors.reshape(-1, dim).astype(np.float32), (number // (each * shots)).astype(str), number // shots


def found(vectors: np.ndarray, labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(rows) for rows in near_duplicates(vectors, labels)}


def sets(groups: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(groups == one).tolist()) for one in np.unique(groups)}


def test_bursts_are_found() -> None:
    vectors, labels, expected = bursts()
    assert found(vectors, labels) == sets(expected)


def test_lengths_do_not_matter() -> None:
    vectors, labels, expected = bursts()
    lengths = np.random.default_rng(1).uniform(1e-3, 1e3, (len(vectors), 1))
    assert found((vectors * lengths).astype(np.float32), labels) == sets(expected)


@pytest.mark.parametrize("spread", [0.02, 0.2, 0.6, 1.0])
def test_a_class_is_no_burst_however_well_the_vectors_tell_classes_apart(spread: float) -> None:
    """Else the better a model, the fewer of its pictures would be compared."""
    vectors, labels, _ = bursts(shots=1, each=10, spread=spread)
    assert found(vectors, labels) == set()


def test_copies_are_found_in_classes_of_two() -> None:
    vectors, labels, _ = bursts(each=2, shots=1)
    vectors[1] = vectors[0]
    assert found(vectors, labels) == {frozenset((0, 1))}


def test_the_order_of_pictures_does_not_matter() -> None:
    vectors, labels, expected = bursts(classes=200, shots=12)
    order = np.random.default_rng(2).permutation(len(vectors))
    assert found(vectors[order], labels[order]) == sets(expected[order])


def test_a_class_larger_than_a_block() -> None:
    vectors, labels, expected = bursts(classes=2, each=3, shots=BLOCK)
    assert found(vectors, labels) == sets(expected)


def test_a_picture_of_another_class_is_no_duplicate() -> None:
    """The same picture in two classes, and one that has no class."""
    vectors, labels, expected = bursts(classes=100)
    vectors[0] = vectors[150]
    labels[20:30] = ""
    known = sets(expected) - sets(expected[20:30])
    assert not any(len(set(labels[list(rows)])) > 1 for rows in found(vectors, labels))
    assert sum(rows in known for rows in found(vectors, labels)) >= len(known) - 2


@pytest.mark.parametrize(
    ("vectors", "labels"),
    [
        (np.empty((0, 3)), []),
        (np.ones((1, 3)), ["a"]),
        (np.ones((6, 3)), ["a"] * 6),
        (np.ones((6, 3)), list("aaabbb")),
        (np.zeros((6, 3)), list("aaabbb")),
        (np.full((6, 3), np.nan), list("aaabbb")),
        (np.full((6, 3), np.inf), list("aaabbb")),
        (np.full((6, 3), 3e38), list("aaabbb")),
        (np.eye(6), list("abcdef")),
    ],
)
def test_vectors_that_say_nothing(vectors: np.ndarray, labels: list[str]) -> None:
    assert found(vectors.astype(np.float32), np.array(labels, np.str_)) == set()
