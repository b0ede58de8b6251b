"""Batches from classes that are divided into shards, of which a process reads its own alone."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semelha.deep.sampler import Batch, Integers, Pool, Sampler
from semelha.errors import DatasetError


class MakeSampler(Protocol):
    """Makes the sampler of a shard."""

    def __call__(self, pool: Pool, *, batch: int, per_class: int, seed: int) -> Sampler: ...


class ShardedSampler(Sampler):
    """Batches that have an equal part from each shard, drawn by a sampler of its own.

    A batch depends on the number of shards, and not on the number of processes that divide them. Its rows are in the
    order of shards. An epoch is over when the largest shard was visited.

    Parameters
    ----------
    pool : Pool
        With the shard of each class.
    make : MakeSampler
        Such as `MPerClass`.
    batch, per_class, seed
        As for `Sampler`, of the whole batch.

    Raises
    ------
    DatasetError
        A shard has fewer than two classes.
    """

    def __init__(self, pool: Pool, make: MakeSampler, *, batch: int, per_class: int, seed: int) -> None:
        super().__init__(pool, batch=batch, per_class=per_class, seed=seed)
        assert pool.shards is not None
        self.number = int(pool.shards.max()) + 1
        if (few := int(np.bincount(pool.shards, minlength=self.number).min())) < 2:
            raise DatasetError(
                f"a shard has {few} class{'es' if few != 1 else ''} to learn from: divide the {len(pool.labels)} "
                "classes into fewer shards"
            )
        self._pictures: list[Integers] = []
        self._targets: list[Integers] = []
        self._parts: list[Sampler] = []
        for shard in range(self.number):
            classes = np.flatnonzero(pool.shards == shard)
            pictures = np.flatnonzero(pool.shards[pool.classes] == shard)
            own = np.searchsorted(classes, pool.classes[pictures])
            labels = tuple(pool.labels[number] for number in classes)
            part_seed = int(np.random.SeedSequence([seed, 14, shard]).generate_state(1)[0])
            part = Pool(own, labels, pool.quarter_turns)
            self._parts.append(make(part, batch=batch // self.number, per_class=per_class, seed=part_seed))
            self._pictures.append(pictures)
            self._targets.append((classes[:, None] * pool.turns + np.arange(pool.turns)).reshape(-1))
        self.batches_per_epoch = max(part.batches_per_epoch for part in self._parts)
        self.classes_per_batch = sum(part.classes_per_batch for part in self._parts)

    def batch(self, number: int) -> Batch:
        return self._joined([part.batch(number) for part in self._parts])

    def lookalikes(self, number: int, means: NDArray[np.float32], *, seeds: int = 2, breadth: int = 4) -> Batch:
        """A batch of `seeds` random classes of any shard, and in each shard the classes that are nearest to them."""
        random = np.random.default_rng([self.seed, 3, number])
        known = np.flatnonzero(means.any(axis=1))
        anchors = random.choice(known, min(seeds, len(known)), replace=False)
        return self._joined(
            [
                part.near(number, means[own], means[anchors], breadth=breadth)
                for part, own in zip(self._parts, self._targets, strict=True)
            ]
        )

    def _joined(self, batches: list[Batch]) -> Batch:
        return Batch(
            np.concatenate([own[one.pictures] for own, one in zip(self._pictures, batches, strict=True)]),
            np.concatenate([one.turns for one in batches]),
            np.concatenate([own[one.targets] for own, one in zip(self._targets, batches, strict=True)]),
            np.repeat(np.arange(self.number), [len(one) for one in batches]),
        )
