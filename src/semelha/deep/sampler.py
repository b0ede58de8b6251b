"""Which pictures make up a batch: M of each of P classes, every class once an epoch.

A batch is a function of the seed, the step and (for batches of look-alikes) what the network knows by then; there
is no hidden state, so a training that was killed goes on with the batches it would have had.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Batch:
    """What to read, and what it shows.

    Attributes
    ----------
    pictures : (batch,) int64
        Positions in the data set; those of one class stand together.
    turns : (batch,) int64
        Quarter turns to apply, 0 to 3.
    targets : (batch,) int64
        The class trained on: class × 4 + turns where turned classes are classes, otherwise the class.
    """

    pictures: NDArray[np.int64]
    turns: NDArray[np.int64]
    targets: NDArray[np.int64]


class MPerClass:
    """Batches of `classes_per_batch` classes with `per_class` pictures each.

    Parameters
    ----------
    classes : (pictures,) int64
        The class of each picture, 0 to C − 1, each present.
    batch : int
        Pictures a batch; fewer where there are not enough classes.
    per_class : int
        Pictures a class in a batch. A class with fewer pictures repeats them (each is augmented anew).
    quarter_turns : bool
        Let each class, turned by 90, 180 and 270 degrees, be three more classes.
    seed : int
    """

    def __init__(
        self, classes: NDArray[np.int64], *, batch: int, per_class: int, quarter_turns: bool, seed: int
    ) -> None:
        order = np.argsort(classes, kind="stable")
        self.members = np.split(order, np.flatnonzero(np.diff(classes[order])) + 1)
        self.turns = 4 if quarter_turns else 1
        self.targets = len(self.members) * self.turns
        self.per_class = per_class
        self.classes_per_batch = max(2, min(batch // per_class, self.targets))
        self.batches_per_epoch = -(-self.targets // self.classes_per_batch)
        self.seed = seed

    def uniform(self, number: int) -> Batch:
        """Batch `number` of those that visit every class once an epoch, in a new order each time."""
        epoch, place = divmod(number, self.batches_per_epoch)
        order = np.random.default_rng([self.seed, 1, epoch]).permutation(self.targets)
        # The last batch of an epoch is filled up from its beginning.
        chosen = np.take(
            order, range(place * self.classes_per_batch, (place + 1) * self.classes_per_batch), mode="wrap"
        )
        return self._of(chosen, np.random.default_rng([self.seed, 2, number]))

    def lookalikes(self, number: int, means: NDArray[np.float32], *, seeds: int = 2, breadth: int = 4) -> Batch:
        """A batch of `seeds` random classes, each with classes drawn from its nearest ones.

        Parameters
        ----------
        means : (classes, dim) float32
            Mean embedding of each class of unit length, or zero where it is not known.
        breadth : int
            How many times more neighbors there are to draw from than are drawn. The very nearest
            class of a class may be its twin (O and 0): with breadth, twins rarely meet.
        """
        random = np.random.default_rng([self.seed, 3, number])
        each = max(1, self.classes_per_batch // seeds - 1)
        known = np.flatnonzero(means.any(axis=1))
        anchors = random.choice(known, min(seeds, len(known)), replace=False)
        near = np.argsort(-(means[anchors] @ means.T), axis=1)[:, 1 : breadth * each + 1]  # (seeds, breadth × each)
        drawn = [random.choice(row, min(each, len(row)), replace=False) for row in near]
        return self._of(np.unique(np.concatenate([anchors, *drawn])), random)

    def _of(self, targets: NDArray[np.int64], random: np.random.Generator) -> Batch:
        pictures = [self._draw(self.members[target // self.turns], random) for target in targets]
        repeated = np.repeat(targets, self.per_class)
        return Batch(np.concatenate(pictures), repeated % self.turns, repeated)

    def _draw(self, members: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
        rounds = -(-self.per_class // len(members))
        return np.concatenate([random.permutation(members) for _ in range(rounds)])[: self.per_class]
