"""Batches: none skips a class or a picture, and a batch depends on nothing but seed and number."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semelha.deep.recipe import SamplerFactory
from semelha.deep.sampler import Batch, ClassBalanced, Hierarchical, MPerClass, Pool, Sampler
from semelha.errors import UsageError

KINDS: list[SamplerFactory] = [MPerClass, Hierarchical, ClassBalanced, partial(Hierarchical, families=3)]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=["per class", "hierarchical", "balanced", "three families"])


def pool(counts: list[int], *, families: int = 3, turns: bool = False) -> Pool:
    """Classes of so many pictures each, in families in turn, the pictures shuffled."""
    classes = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    return Pool(classes, tuple(f"family {number % families}/{number}" for number in range(len(counts))), turns)


def sampler(
    counts: list[int],
    *,
    kind: SamplerFactory = MPerClass,
    batch: int = 16,
    per_class: int = 2,
    turns: bool = False,
    seed: int = 0,
) -> Sampler:
    return kind(pool(counts, turns=turns), batch=batch, per_class=per_class, seed=seed)


def epoch(made: Sampler, number: int = 0) -> Iterator[Batch]:
    first = number * made.batches_per_epoch
    return (made.batch(first + i) for i in range(made.batches_per_epoch))


@each_kind
@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 9), min_size=2, max_size=12),
    families=st.integers(2, 4),
    batch=st.integers(4, 24),
    per_class=st.integers(2, 5),
    turns=st.booleans(),
    number=st.integers(0, 2),
)
def test_an_epoch_skips_no_class_and_no_picture(
    kind: SamplerFactory, counts: list[int], families: int, batch: int, per_class: int, turns: bool, number: int
) -> None:
    """Each picture, in each of its turns, is there once or more, and shows its target."""
    per_class = min(per_class, batch // 2)
    made = kind(pool(counts, families=families, turns=turns), batch=batch, per_class=per_class, seed=0)
    seen = set()
    for one in epoch(made, number):
        assert 2 <= len(one.pictures) <= max(batch, 2 * per_class, 3 * per_class)
        assert len(np.unique(one.targets)) >= min(2, len(counts))
        assert np.array_equal(made.pool.classes[one.pictures], one.targets // made.pool.turns)
        assert np.array_equal(one.turns, one.targets % made.pool.turns)
        seen |= set(zip(one.pictures.tolist(), one.turns.tolist(), strict=True))
    assert len(seen) == sum(counts) * made.pool.turns


@each_kind
def test_every_class_is_as_large_as_any_other(kind: SamplerFactory) -> None:
    """Of 40 pictures or of 2, it comes as often in an epoch, but for what fills up the last batches."""
    made = sampler([2, 3, 40, 7, 5, 2], kind=kind, batch=12)
    seen = np.bincount(np.concatenate([one.targets for one in epoch(made)]))
    assert seen.min() >= 40
    assert seen.max() <= 2 * seen.min()


def test_every_class_of_a_batch_has_per_class_distinct_pictures_where_it_can() -> None:
    for kind in (MPerClass, Hierarchical):
        made = sampler([5] * 12, kind=kind, per_class=4)
        for number in range(12):
            batch = made.batch(number)
            for target in set(batch.targets):
                assert len(set(batch.pictures[batch.targets == target])) == 4


def test_a_class_with_one_picture_repeats_it() -> None:
    batch = sampler([1, 1, 1, 1], batch=8).batch(0)
    assert len(batch.pictures) == 8
    assert np.bincount(batch.targets).tolist() == [2, 2, 2, 2]


def test_hierarchical_batches_are_of_two_families() -> None:
    """Of as many as there are, each with half of the classes; another pair of families each time."""
    made = sampler([3] * 30, kind=Hierarchical, batch=16)
    found = []
    for batch in epoch(made):
        families = np.array([int(made.pool.labels[target].split("/")[0][-1]) for target in batch.targets])
        found.append(frozenset(families))
        assert len(set(families)) <= 2
    assert len(set(found)) == 3


def test_labels_without_families_are_refused() -> None:
    plain = Pool(np.arange(4) % 2, ("a.1", "b.1"))
    assert Hierarchical(plain, batch=4, per_class=2, seed=0, separator=".").batches_per_epoch
    with pytest.raises(UsageError, match=r"the labels name no families: .* not '/' in labels such as 'a.1'"):
        Hierarchical(plain, batch=4, per_class=2, seed=0)
    with pytest.raises(UsageError, match="families is 1"):
        Hierarchical(plain, batch=4, per_class=2, seed=0, separator=".", families=1)


def test_balanced_batches_have_many_classes() -> None:
    made = sampler([5] * 40, kind=ClassBalanced, batch=16)
    assert len(set(made.batch(0).targets)) == 16
    assert len(made.batch(made.batches_per_epoch - 1).targets) == 16


@each_kind
def test_same_seed_same_batch_whatever_was_asked_before(kind: SamplerFactory) -> None:
    one, other = sampler([3] * 50, kind=kind), sampler([3] * 50, kind=kind)
    for number in range(30):
        one.batch(number)
        one.lookalikes(number, np.eye(50, dtype=np.float32))
    assert np.array_equal(one.batch(7).pictures, other.batch(7).pictures)
    assert not np.array_equal(one.batch(8).pictures, other.batch(7).pictures)
    assert not np.array_equal(sampler([3] * 50, kind=kind, seed=1).batch(7).pictures, other.batch(7).pictures)


@each_kind
def test_lookalikes_are_near_their_seed_and_no_class_comes_twice(kind: SamplerFactory) -> None:
    made = sampler([3] * 200, kind=kind, batch=20)
    angles = np.linspace(0, np.pi, 200)
    means = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    for number in range(20):
        batch = made.lookalikes(number, means, seeds=1, breadth=2)
        targets = np.unique(batch.targets)
        assert len(targets) == made.classes_per_batch
        assert np.ptp(targets) <= 4 * made.classes_per_batch
        assert np.array_equal(made.pool.classes[batch.pictures], batch.targets)
        assert len(set(batch.pictures)) == len(batch.pictures)


def test_lookalikes_of_few_classes() -> None:
    made = sampler([3, 3])
    batch = made.lookalikes(0, np.eye(2, dtype=np.float32))
    assert set(batch.targets) <= {0, 1}


def test_counts_are_those_of_the_classes_trained_on() -> None:
    assert sampler([2, 5, 1]).counts.tolist() == [2, 5, 1]
    assert sampler([2, 5], turns=True).counts.tolist() == [2, 2, 2, 2, 5, 5, 5, 5]
