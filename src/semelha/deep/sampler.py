"""Samplers: which pictures make a batch. In an epoch, every class and every picture is visited.

A batch is a function of the seed, its number and, for look-alikes, the current class means. There is no hidden state,
so a resumed training has the batches that it would have had.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """The pictures of a batch, and their classes: (batch,) each."""

    pictures: Integers  # positions in the data set
    turns: Integers  # quarter turns to apply, 0 to 3
    targets: Integers  # the training class: the class, or class × 4 + turns if turned classes are classes
    shards: Integers | None = None  # in ascending order, if the classes are divided into shards

    def __len__(self) -> int:
        return len(self.pictures)

    def part(self, rows: slice) -> Batch:
        """The rows of a share."""
        shards = None if self.shards is None else self.shards[rows]
        return Batch(self.pictures[rows], self.turns[rows], self.targets[rows], shards)


@dataclass(frozen=True, eq=False)
class Pool:
    """The pictures that batches are drawn from."""

    classes: Integers  # of each picture, 0 to C − 1, each present: (pictures,)
    labels: tuple[str, ...]  # name of each class
    quarter_turns: bool = False  # treat each class, turned by 90, 180 and 270 degrees, as three more classes
    shards: Integers | None = None  # of each class, if the classes are divided into shards: (C,)

    @property
    def turns(self) -> int:
        """Training classes for each class: 4 with quarter turns, else 1."""
        return 4 if self.quarter_turns else 1


class Sampler(ABC):
    """Batches from a pool.

    An epoch has as many rounds as it takes to visit all pictures of the largest class. Each round visits every class
    once, in a new order, and takes its next pictures, in an order that is new in each epoch. Pictures of smaller
    classes are repeated, so that all classes have the same weight.

    Parameters
    ----------
    pool : Pool
    batch : int
        Pictures in a batch; fewer if there are too few classes.
    per_class : int
        Pictures of each class in a batch. A class with fewer repeats them, each time with another augmentation.
    """

    batches_per_epoch: int

    def __init__(self, pool: Pool, *, batch: int, per_class: int, seed: int) -> None:
        self.pool = pool
        self.per_class = per_class
        self.seed = seed
        self.counts = np.repeat(np.bincount(pool.classes), pool.turns)  # pictures of each training class: (targets,)
        self.starts = np.cumsum(self.counts) - self.counts
        self.targets = len(self.counts)
        self.classes_per_batch = max(2, min(batch // per_class, self.targets))
        by_class = np.argsort(pool.classes, kind="stable")
        ends = np.cumsum(np.bincount(pool.classes))[:-1]
        self._unshuffled = np.concatenate([np.tile(members, pool.turns) for members in np.split(by_class, ends)])
        self._last = -1, self._unshuffled

    @abstractmethod
    def batch(self, number: int) -> Batch:
        """Regular batch `number`."""

    def lookalikes(self, number: int, means: NDArray[np.float32], *, seeds: int = 2, breadth: int = 4) -> Batch:
        """A batch of `seeds` random classes, each with classes drawn from its nearest ones.

        `means` (classes, dim) are the mean embeddings, of unit norm, or zero if unknown. `breadth` is the number of
        neighbors to draw from, for each that is drawn: the nearest class may be a twin (O and 0), and with more breadth
        twins are rarely in one batch.
        """
        random = np.random.default_rng([self.seed, 3, number])
        each = max(1, self.classes_per_batch // seeds - 1)
        known = np.flatnonzero(means.any(axis=1))
        anchors = random.choice(known, min(seeds, len(known)), replace=False)
        near = np.argsort(-(means[anchors] @ means.T), axis=1)[:, 1 : breadth * each + 1]  # (seeds, breadth × each)
        drawn = [random.choice(row, min(each, len(row)), replace=False) for row in near]
        targets = np.unique(np.concatenate([anchors, *drawn]))
        places = np.concatenate([self._some(int(self.counts[target]), random) for target in targets])
        return self._of(np.repeat(targets, self.per_class), places, self._unshuffled)

    def near(self, number: int, means: NDArray[np.float32], anchors: NDArray[np.float32], *, breadth: int = 4) -> Batch:
        """A batch of classes whose means are near to `anchors` (seeds, dim), which may be of other pools.

        As many for each anchor, drawn from `breadth` times as many that are nearest.
        """
        random = np.random.default_rng([self.seed, 3, number])
        each = max(1, self.classes_per_batch // len(anchors))
        nearest = np.argsort(-(anchors @ means.T), axis=1)[:, : breadth * each]
        drawn = [random.choice(row, min(each, len(row)), replace=False) for row in nearest]
        targets = np.unique(np.concatenate(drawn))
        places = np.concatenate([self._some(int(self.counts[target]), random) for target in targets])
        return self._of(np.repeat(targets, self.per_class), places, self._unshuffled)

    def _visit(self, targets: Integers, at: Integers, *, epoch: int) -> Batch:
        """`per_class` pictures of each target, from place `at` of its order in that epoch on, cyclically."""
        places = (at[:, None] + np.arange(self.per_class)) % self.counts[targets, None]  # (classes, per_class)
        return self._of(np.repeat(targets, self.per_class), places.reshape(-1), self._order(epoch))

    def _of(self, targets: Integers, places: Integers, order: Integers) -> Batch:
        """The batch of the pictures at `places` of each target in `order`."""
        return Batch(order[self.starts[targets] + places], targets % self.pool.turns, targets)

    def _order(self, epoch: int) -> Integers:
        """The pictures, grouped by target, in the random order of an epoch: (pictures × turns,)."""
        if self._last[0] != epoch:
            keys = np.random.default_rng([self.seed, 2, epoch]).random(len(self._unshuffled))
            self._last = epoch, self._unshuffled[np.lexsort((keys, np.repeat(np.arange(self.targets), self.counts)))]
        return self._last[1]

    def _some(self, count: int, random: np.random.Generator) -> Integers:
        """`per_class` random places of `count`; the numbers of their repetitions differ by at most one."""
        rounds = -(-self.per_class // count)
        return np.concatenate([random.permutation(count) for _ in range(rounds)])[: self.per_class]


class MPerClass(Sampler):
    """Batches of `per_class` pictures of several classes each; every class is visited once a round."""

    def __init__(self, pool: Pool, *, batch: int, per_class: int, seed: int) -> None:
        super().__init__(pool, batch=batch, per_class=per_class, seed=seed)
        self.batches_per_round = -(-self.targets // self.classes_per_batch)
        self.batches_per_epoch = self.batches_per_round * -(-int(self.counts.max()) // per_class)

    def batch(self, number: int) -> Batch:
        round_, place = divmod(number, self.batches_per_round)
        epoch, turn = divmod(round_, self.batches_per_epoch // self.batches_per_round)
        order = np.random.default_rng([self.seed, 1, round_]).permutation(self.targets)
        first = place * self.classes_per_batch
        # The last batch of a round is filled from its beginning.
        chosen = np.take(order, range(first, first + self.classes_per_batch), mode="wrap")
        return self._visit(chosen, np.full(len(chosen), turn * self.per_class), epoch=epoch)


class Hierarchical(Sampler):
    """Batches of classes from few families, such as the characters of two alphabets.

    Classes of one family are harder to tell apart. The family of a class is its label up to the last `separator`; a
    batch has classes of so many `families`.
    """

    def __init__(
        self, pool: Pool, *, batch: int, per_class: int, seed: int, separator: str = "/", families: int = 2
    ) -> None:
        super().__init__(pool, batch=batch, per_class=per_class, seed=seed)
        if families < 2:
            raise UsageError(f"families is {families}: a batch needs two or more, because some have one class")
        names = [label.rpartition(separator)[0] for label in pool.labels]
        if len(set(names)) < 2:
            raise UsageError(
                f"the labels name no families: set the separator between family and class, which is not "
                f"{separator!r} in labels such as {pool.labels[0]!r}"
            )
        family = np.unique(names, return_inverse=True)[1]
        of_target = np.repeat(family, pool.turns)
        self.families = families
        self.members = [np.flatnonzero(of_target == number) for number in range(family.max() + 1)]
        self.each = max(1, self.classes_per_batch // families)
        pieces = sum(-(-len(members) // self.each) for members in self.members)
        self.batches_per_round = -(-pieces // families)
        self.batches_per_epoch = self.batches_per_round * -(-int(self.counts.max()) // per_class)

    def batch(self, number: int) -> Batch:
        round_, place = divmod(number, self.batches_per_round)
        epoch, turn = divmod(round_, self.batches_per_epoch // self.batches_per_round)
        pieces = self._pieces(np.random.default_rng([self.seed, 1, round_]))
        first = place * self.families
        # The last batch of a round is filled from its beginning.
        chosen = np.unique(np.concatenate([pieces[i % len(pieces)] for i in range(first, first + self.families)]))
        return self._visit(chosen, np.full(len(chosen), turn * self.per_class), epoch=epoch)

    def _pieces(self, random: np.random.Generator) -> list[Integers]:
        """Families in pieces of `each` classes: one piece of every family, then the next of those that have more, …"""
        shuffled = [random.permutation(self.members[family]) for family in random.permutation(len(self.members))]
        most = max(len(members) for members in shuffled)
        return [
            # The last piece of a family is filled from its beginning.
            np.take(members, range(start, start + min(self.each, len(members))), mode="wrap")
            for start in range(0, most, self.each)
            for members in shuffled
            if start < len(members)
        ]


class ClassBalanced(Sampler):
    """Batches of one picture of each class in turn.

    Most batches have one picture of each of many classes. They suit losses with a parameter for each class, such as
    `ProxyAnchor` and `MarginSoftmax`, which need no pairs. Batches of look-alikes have `per_class` of each.
    """

    def __init__(self, pool: Pool, *, batch: int, per_class: int, seed: int) -> None:
        super().__init__(pool, batch=batch, per_class=per_class, seed=seed)
        self.size = batch
        self.rounds = int(self.counts.max())
        self.batches_per_epoch = -(-self.targets * self.rounds // batch)

    def batch(self, number: int) -> Batch:
        epoch, place = divmod(number, self.batches_per_epoch)
        # The last batch of an epoch extends into further rounds.
        at = np.arange(place * self.size, (place + 1) * self.size)
        turns, within = np.divmod(at, self.targets)
        targets = np.empty(len(at), np.int64)
        for turn in np.unique(turns):
            order = np.random.default_rng([self.seed, 1, epoch, int(turn)]).permutation(self.targets)
            targets[turns == turn] = order[within[turns == turn]]
        return self._of(targets, turns % self.counts[targets], self._order(epoch))
