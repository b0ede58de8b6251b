"""Batches: every class is visited, and a batch depends on nothing but seed and number."""

import numpy as np
import pytest

from semelha.deep.sampler import MPerClass


def sampler(counts: list[int], *, batch: int = 16, per_class: int = 2, turns: bool = False, seed: int = 0) -> MPerClass:
    classes = np.repeat(np.arange(len(counts)), counts)
    shuffled = np.random.default_rng(1).permutation(classes)
    return MPerClass(shuffled, batch=batch, per_class=per_class, quarter_turns=turns, seed=seed)


def classes_of(made: MPerClass) -> np.ndarray:
    total = sum(map(len, made.members))
    classes = np.empty(total, int)
    for number, members in enumerate(made.members):
        classes[members] = number
    return classes


@pytest.mark.parametrize("counts", [[5] * 30, [1, 2, 3, 40, 7], [2] * 1000])
@pytest.mark.parametrize("turns", [False, True])
def test_an_epoch_visits_every_class(counts: list[int], turns: bool) -> None:
    made = sampler(counts, turns=turns)
    seen = np.concatenate([made.uniform(i).targets for i in range(made.batches_per_epoch)])
    assert set(seen) == set(range(made.targets))


def test_pictures_show_their_targets() -> None:
    made = sampler([4] * 12, turns=True)
    classes = classes_of(made)
    for number in range(10):
        batch = made.uniform(number)
        assert np.array_equal(classes[batch.pictures], batch.targets // 4)
        assert np.array_equal(batch.turns, batch.targets % 4)


def test_every_class_of_a_batch_has_per_class_distinct_pictures_where_it_can() -> None:
    made = sampler([4] * 12, per_class=4)
    batch = made.uniform(0)
    for target in set(batch.targets):
        assert len(set(batch.pictures[batch.targets == target])) == 4


def test_a_class_with_one_picture_repeats_it() -> None:
    made = sampler([1, 1, 1, 1], batch=8)
    batch = made.uniform(0)
    assert len(batch.pictures) == 8
    assert np.bincount(batch.targets).tolist() == [2, 2, 2, 2]


def test_same_seed_same_batch_whatever_was_asked_before() -> None:
    one, other = sampler([3] * 50), sampler([3] * 50)
    for number in range(7):
        one.uniform(number)
    assert np.array_equal(one.uniform(7).pictures, other.uniform(7).pictures)
    assert not np.array_equal(one.uniform(8).pictures, other.uniform(7).pictures)
    assert not np.array_equal(sampler([3] * 50, seed=1).uniform(7).pictures, other.uniform(7).pictures)


def test_lookalikes_are_near_their_seed_and_no_class_comes_twice() -> None:
    made = sampler([3] * 200, batch=20)
    angles = np.linspace(0, np.pi, 200)
    means = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    for number in range(20):
        targets = np.unique(made.lookalikes(number, means, seeds=1, breadth=2).targets)
        assert len(targets) == made.classes_per_batch
        assert np.ptp(targets) <= 4 * made.classes_per_batch


def test_lookalikes_of_few_classes() -> None:
    made = sampler([3, 3])
    batch = made.lookalikes(0, np.eye(2, dtype=np.float32))
    assert set(batch.targets) <= {0, 1}
