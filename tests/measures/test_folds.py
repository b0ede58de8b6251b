"""The protocol of Labeled Faces in the Wild: equal to trying every threshold on the other nine folds."""

import numpy as np
import pytest

from semelha.measures import fold_accuracy
from semelha.measures.verification import draw_fold_pairs


def by_hand(distances: np.ndarray, same: np.ndarray, fold: np.ndarray) -> list[float]:
    accuracies = []
    for name in range(10):
        inside = fold == name
        values = np.unique(distances[~inside])
        tried = [-np.inf, *((values[1:] + values[:-1]) / 2), np.inf]
        best, threshold = -1.0, 0.0
        for candidate in tried:
            accuracy = float(np.mean((distances[~inside] <= candidate) == same[~inside]))
            if accuracy > best:
                best, threshold = accuracy, candidate
        accuracies.append(float(np.mean((distances[inside] <= threshold) == same[inside])))
    return accuracies


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("digits", [9, 1])
def test_equal_to_trying_every_threshold(seed: int, digits: int) -> None:
    random = np.random.default_rng(seed)
    same, fold = random.random(300) < 0.5, random.permutation(300) % 10
    distances = random.normal(np.where(same, 0, 1.5)).round(digits)
    found = fold_accuracy(distances, same, fold)
    expected = by_hand(distances, same, fold)
    np.testing.assert_allclose(found.accuracies, expected)
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.standard_error == pytest.approx(np.std(expected, ddof=1) / np.sqrt(10))
    assert found.correct.mean() == pytest.approx(found.mean)


@pytest.mark.parametrize("same", [True, False])
def test_pairs_of_one_kind(same: bool) -> None:
    found = fold_accuracy(np.arange(20.0), np.full(20, same), np.arange(20) % 10)
    assert found.mean == 1


def test_drawn_pairs_follow_the_protocol() -> None:
    """Folds share no subject; as many mated as not in each; no pair twice, none of a picture with itself or its
    group."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 60, 400)
    groups = np.array([None if i % 3 else f"{label}{i % 2}" for i, label in enumerate(labels)], dtype=object)
    pairs = draw_fold_pairs(labels, groups, seed=1, each=20)
    assert pairs is not None
    assert pairs.first.shape == (400,)
    assert (pairs.first != pairs.second).all()
    assert len(set(zip(pairs.first, pairs.second, strict=True))) == 400
    np.testing.assert_array_equal(labels[pairs.first] == labels[pairs.second], pairs.same)
    assert all(groups[a] is None or groups[a] != groups[b] for a, b in zip(pairs.first, pairs.second, strict=True))
    folds: dict[int, set[int]] = {}
    for a, b, fold in zip(pairs.first, pairs.second, pairs.fold, strict=True):
        for one in (a, b):
            folds.setdefault(labels[one], set()).add(fold)
        assert pairs.same[pairs.fold == fold].sum() == 20
    assert all(len(of) == 1 for of in folds.values())
    again, other = (draw_fold_pairs(labels, groups, seed=seed, each=20) for seed in (1, 2))
    assert again is not None
    assert other is not None
    np.testing.assert_array_equal(again.first, pairs.first)
    assert (other.first != pairs.first).any()


def test_too_few_subjects_for_ten_folds() -> None:
    assert draw_fold_pairs(np.arange(19) // 2, None, seed=0) is None
    assert draw_fold_pairs(np.arange(40), None, seed=0) is None


def test_bad_folds_are_refused() -> None:
    with pytest.raises(ValueError, match="two folds"):
        fold_accuracy(np.ones(3), np.ones(3, bool), np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="one fold and one truth"):
        fold_accuracy(np.ones(3), np.ones(2, bool), np.zeros(3, np.int64))
