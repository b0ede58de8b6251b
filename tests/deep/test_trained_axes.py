"""A linear head that is trained with a loss on features."""

import numpy as np

from semelha.deep.stages import projected, relevant_axes
from semelha.deep.trained_axes import trained_axes


def features(seed: int, classes: int = 40, each: int = 8, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Classes differ in a few of many directions; the others are noise, and one is common to all."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(width, width))
    hidden = 2.0 * random.normal(size=(classes * each, width))
    hidden[:, :6] = random.normal(size=(classes, 6)).repeat(each, 0) + 0.4 * random.normal(size=(classes * each, 6))
    return (hidden @ mixing + 30).astype(np.float32), np.repeat([f"c{n}" for n in range(classes)], each)


def r_at_1(vectors: np.ndarray, labels: np.ndarray) -> float:
    near = (vectors @ vectors.T - 2 * np.eye(len(vectors))).argmax(axis=1)
    return float((labels[near] == labels).mean())


def test_it_does_better_on_other_classes_than_where_it_began() -> None:
    x, labels = features(0)
    others, of_others = features(1)
    start = relevant_axes(x, labels)
    learned = trained_axes(x, labels, start, seed=0)
    before, after = (r_at_1(projected(others, axes), of_others) for axes in (start, learned))
    assert after > before + 0.05
    again = trained_axes(x, labels, start, seed=0)
    np.testing.assert_array_equal(again[1], learned[1])
    assert not np.array_equal(trained_axes(x, labels, start, seed=1)[1], learned[1])


def test_few_pictures_and_few_axes() -> None:
    x, labels = features(0, classes=2, each=2, width=4 + 4)
    mean, axes = trained_axes(x, labels, relevant_axes(x, labels), seed=0)
    assert np.isfinite(projected(x, (mean, axes))).all()


def test_clean_pictures_come_near_the_photos_of_their_class() -> None:
    """Those of a catalogue differ from photos in directions of their own, which are unlearned if they meet photos."""
    x, labels = features(0)
    others, of_others = features(1)
    shift = 40 * np.random.default_rng(5).normal(size=x.shape[1]).astype(np.float32)
    clean = np.arange(len(x)) % 8 == 0
    x, others = x + clean[:, None] * shift, others + clean[:, None] * shift

    def across(axes: tuple[np.ndarray, np.ndarray]) -> float:
        vectors = projected(others, axes)
        near = (vectors[~clean] @ vectors[clean].T).argmax(axis=1)
        return float((of_others[clean][near] == of_others[~clean]).mean())

    start = relevant_axes(x, labels)
    without = across(trained_axes(x, labels, start, seed=0))
    assert across(trained_axes(x, labels, start, seed=0, clean=clean)) >= without
