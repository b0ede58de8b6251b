"""Which candidate is taken: a more costly one only if it is better beyond doubt, on classes that were held out."""

from pathlib import Path

import numpy as np
import pytest

import semelha
from semelha.deep import comparison
from semelha.deep.comparison import (
    MIN_CLASSES,
    Candidate,
    Found,
    HeldOut,
    Rate,
    best,
    expected_rates,
    extrapolated,
    lead,
    mean_rate,
    measure_folds,
    measure_hits,
)
from semelha.images import Dataset, Picture

PIXELS = np.zeros((4, 4, 3), np.uint8)


def dataset(classes: int, each: int, **fields: object) -> Dataset:
    return Dataset(
        "made",
        tuple(Picture(PIXELS, f"c{c:03}", f"{c}-{n}", **fields) for c in range(classes) for n in range(each)),  # type: ignore[arg-type]
    )


def candidate(every: np.ndarray | None, few: np.ndarray) -> Candidate:
    def make(out: Path) -> semelha.Model:
        raise AssertionError("nothing is written here")

    found = None if every is None else Found(every, every, np.full(len(every), np.nan))
    return Candidate("some", np.empty((0, 2), np.float32), few, found, 0.0, 0.0, make)


def hits(rate: float, seed: int, number: int = 600) -> np.ndarray:
    return (np.random.default_rng(seed).random(number) < rate).astype(float)


@pytest.mark.parametrize("seed", range(5))
def test_a_costly_candidate_must_be_better_beyond_doubt(seed: int) -> None:
    labels = np.repeat([f"c{n}" for n in range(60)], 10)
    simple, equal, worse, better = (hits(rate, seed + 10 * n) for n, rate in enumerate((0.6, 0.6, 0.5, 0.75)))
    assert best([candidate(simple, simple), candidate(worse, worse)], labels, seed=0) == 0
    assert best([candidate(simple, simple), candidate(better, better)], labels, seed=0) == 1
    assert best([candidate(simple, simple), candidate(simple.copy(), equal)], labels, seed=0) == 0
    both = [candidate(simple, simple), candidate(better, better), candidate(equal, equal)]
    assert best(both, labels, seed=0) == 1


def test_a_network_is_compared_on_the_few_pictures_that_both_were_measured_on() -> None:
    labels = np.repeat([f"c{n}" for n in range(60)], 10)
    some = np.arange(600) < 100
    simple, network = np.where(some, hits(0.6, 0), np.nan), np.where(some, 1.0, np.nan)
    found = lead(candidate(None, network), candidate(np.ones(600), simple), labels, seed=0)
    assert found.value == pytest.approx(1 - simple[:100].mean())
    assert best([candidate(np.ones(600), simple), candidate(None, network)], labels, seed=0) == 1


def test_a_network_that_a_simpler_candidate_leads_is_not_taken() -> None:
    """On all pictures the second is better than the first; on the few of the network it is worse than both."""
    labels = np.repeat([f"c{n}" for n in range(60)], 10)
    some = np.arange(600) < 200

    def few(rate: float, seed: int) -> np.ndarray:
        return np.where(some, hits(rate, seed), np.nan)

    first, second = candidate(hits(0.4, 0), few(0.7, 1)), candidate(hits(0.6, 2), few(0.2, 3))
    assert best([first, second], labels, seed=0) == 1
    assert lead(candidate(None, few(0.5, 4)), second, labels, seed=0).low > 0
    assert best([first, second, candidate(None, few(0.5, 4))], labels, seed=0) == 1
    assert best([first, second, candidate(None, few(0.9, 4))], labels, seed=0) == 2


def test_the_interval_is_that_of_resampled_classes() -> None:
    """Classes that are wholly right or wrong: the interval is that of so many classes, not of so many pictures."""
    labels = np.repeat([f"c{n}" for n in range(40)], 50)
    found = mean_rate(np.repeat(np.arange(40) % 2, 50).astype(float), labels, seed=0)
    assert found.value == 0.5
    assert 0.1 < found.high - found.value < 0.2
    assert found.plus(found).high == 1.0


@pytest.mark.parametrize("classes", [3, 5, 12])
def test_few_classes_seldom_say_that_a_candidate_leads(classes: int) -> None:
    """Of two that are alike, the costly one is taken in about 5% of the cases, also if few classes are measured."""
    random, taken, labels = np.random.default_rng(0), 0, np.repeat([f"c{n}" for n in range(classes)], 20)

    def drawn() -> np.ndarray:
        return (random.random(len(labels)) < random.beta(2, 2, classes).repeat(20)).astype(float)

    for seed in range(200):
        one, other = drawn(), drawn()
        taken += best([candidate(one, one), candidate(other, other)], labels, seed=seed)
    assert taken <= 20


def test_one_class_says_nothing() -> None:
    labels, ones = np.repeat("c", 20), np.ones(20)
    assert best([candidate(0 * ones, 0 * ones), candidate(ones, ones)], labels, seed=0) == 0
    assert mean_rate(ones, labels, seed=0).bounded() == Rate(1.0, 0.0, 1.0)


def test_classes_that_are_measured_were_not_learned_from() -> None:
    pictures = dataset(60, 4)
    held_out = HeldOut.of(pictures, seed=3)
    assert held_out == held_out
    measured = np.concatenate([asked for _, asked in held_out.folds])
    assert sorted(measured) == list(range(240))
    for learned, asked in held_out.folds:
        assert not set(pictures.labels[learned]) & set(pictures.labels[asked])
    assert len(set(pictures.labels[held_out.few])) == 12
    assert len(set(HeldOut.of(dataset(1000, 2), seed=0).few.tolist())) == 200
    assert len(set(dataset(8, 2).labels[HeldOut.of(dataset(8, 2), seed=0).few])) == 2
    assert HeldOut.of(dataset(3, 2), seed=0).folds == ()
    assert HeldOut.of(dataset(300, 1), seed=0).folds == ()


def test_a_split_for_validation_is_what_is_measured() -> None:
    pictures = dataset(20, 2)
    marked = tuple(
        Picture(PIXELS, one.label, one.name, split="val" if one.label < "c005" else "train") for one in pictures
    )
    held_out = HeldOut.of(Dataset("made", marked), seed=0)
    ((learned, asked),) = held_out.folds
    assert list(asked) == list(held_out.few) == list(range(10))
    assert list(learned) == list(range(10, 40))


def test_hits_are_those_of_a_search_without_pictures_of_the_same_burst() -> None:
    vectors = np.array([[1, 0], [0.99, 0.1], [0, 1], [0.1, 0.99], [1, 0.01]], np.float32)
    labels, groups = ("a", "a", "b", "b", "c"), ("x", "x", "y", "z", None)
    pictures = tuple(
        Picture(PIXELS, label, str(n), group) for n, (label, group) in enumerate(zip(labels, groups, strict=True))
    )
    made = Dataset("made", pictures)
    found = measure_hits(vectors, made, np.arange(5), made.groups)
    np.testing.assert_array_equal(found, [np.nan, np.nan, 1, 1, np.nan])
    alone = measure_hits(vectors[2:], made, np.arange(2, 5), made.groups)
    np.testing.assert_array_equal(alone, [np.nan, np.nan, 1, 1, np.nan])


def test_of_many_pictures_the_same_ones_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = dataset(50, 10)
    vectors = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    whole = measure_hits(vectors, pictures, np.arange(500), None)
    monkeypatch.setattr(comparison, "PROBES", 100)
    some = measure_hits(vectors, pictures, np.arange(500), None)
    searched = ~np.isnan(some)
    assert 70 < searched.sum() < 130
    np.testing.assert_array_equal(some[searched], whole[searched])
    half = np.arange(250)
    assert not (searched[:250] & np.isnan(measure_hits(vectors[:250], pictures, half, None)[:250])).any()
    assert np.isfinite(extrapolated(some, vectors, pictures, np.arange(500), None, seed=0)[searched]).all()


def test_every_picture_is_searched_by_what_did_not_learn_its_class() -> None:
    pictures = dataset(10, 3)
    held_out = HeldOut.of(pictures, seed=0)
    seen = []

    def vectors(learned: np.ndarray, asked: np.ndarray) -> np.ndarray:
        seen.append((set(learned), set(asked)))
        return np.eye(10, dtype=np.float32)[np.unique(pictures.labels, return_inverse=True)[1][asked]]

    found = measure_folds(held_out, pictures, vectors, seed=0)
    np.testing.assert_array_equal(found.hits, np.ones(30))
    np.testing.assert_allclose(found.expected, np.ones(30))
    assert np.isnan(found.across).all()
    assert all(not learned & asked for learned, asked in seen)


def test_pictures_of_two_domains_are_searched_across_them_too() -> None:
    """A catalogue's picture lies far from the photos of its class, which lie near each other."""
    labels = np.repeat([f"c{n}" for n in range(8)], 3)
    axes, classes = np.eye(9, dtype=np.float32), np.arange(8)
    vectors = axes[classes.repeat(3)]
    vectors[::3] = axes[(classes + 1) % 8] + axes[8]
    pictures = Dataset(
        "made",
        tuple(Picture(PIXELS, y, str(n), domain=None if n % 3 else "iconic") for n, y in enumerate(labels)),
    )
    found = measure_folds(HeldOut.of(pictures, seed=0), pictures, lambda _, asked: vectors[asked], seed=0)
    assert found.hits.reshape(8, 3)[:, 1:].all()
    assert found.across.mean() < 0.5


def test_r_at_1_is_extrapolated_to_all_classes() -> None:
    """Measured among half of the classes; with noise, it is lower among all."""
    pictures, random = dataset(400, 4), np.random.default_rng(0)
    vectors = random.normal(size=(400, 12)).repeat(4, 0) + 0.6 * random.normal(size=(1600, 12))
    vectors = vectors.astype(np.float32)
    among_all = np.nanmean(measure_hits(vectors, pictures, np.arange(1600), None))
    rows = np.flatnonzero(pictures.labels < "c200")
    hits = measure_hits(vectors[rows], pictures, rows, None)
    expected = np.nanmean(extrapolated(hits, vectors[rows], pictures, rows, None, seed=0))
    assert np.nanmean(hits) - among_all > 0.05
    assert expected == pytest.approx(among_all, abs=0.04)
    whole = measure_hits(vectors, pictures, np.arange(1600), None)
    np.testing.assert_array_equal(extrapolated(whole, vectors, pictures, np.arange(1600), None, seed=0), whole)


def test_the_interval_to_expect_is_that_of_other_classes() -> None:
    """Of 200 draws of classes with a rate of their own, about 95% of the rates of others lie in the interval."""
    random, inside, labels = np.random.default_rng(0), 0, np.repeat([f"c{n}" for n in range(40)], 5)

    def drawn() -> np.ndarray:
        return (random.random(200) < random.beta(2, 2, 40).repeat(5)).astype(float)

    for seed in range(200):
        (found,) = expected_rates([candidate(values := drawn(), values)], labels, seed=seed)
        inside += found.low <= drawn().mean() <= found.high
    assert 180 <= inside <= 198
    assert Rate(0.9, 0.8, 1.0).of_others(40).high == 1.0
    assert Rate(1.0, 1.0, 1.0).of_others(11) == Rate(1.0, pytest.approx(0.05 ** (1 / 11)), 1.0)
    assert Rate(0.0, 0.0, 0.0).of_others(11) == Rate(0.0, 0.0, pytest.approx(1 - 0.05 ** (1 / 11)))


@pytest.mark.parametrize("few_classes", [MIN_CLASSES - 1, MIN_CLASSES])
def test_a_lead_among_few_classes_is_announced_from_none(few_classes: int) -> None:
    labels = np.repeat([f"c{number:02}" for number in range(40)], 5)
    held_out = np.arange(len(labels)) < 5 * few_classes
    values = np.random.default_rng(0).random(len(labels)).round()
    few = np.where(held_out, values, np.nan)
    simple = candidate(values, few)
    network = candidate(None, np.where(held_out, 1.0, np.nan))
    first, second = expected_rates([simple, network], labels, seed=0)
    assert second.value > first.value
    assert (second.low == first.low) == (few_classes < MIN_CLASSES)
