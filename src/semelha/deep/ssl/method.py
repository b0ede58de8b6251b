"""What a method of learning without labels is: settings that make an objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from semelha.deep.network import EmbeddingNet
from semelha.deep.objective import Objective


class SelfSupervised(ABC):
    """Settings of a method without labels, a frozen dataclass: each picture is a class of its own."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What the command line calls it."""

    @abstractmethod
    def resolve(self, *, batch: int, instances: int) -> Self:
        """The same with every setting chosen that was left open.

        Parameters
        ----------
        batch : int
            Pictures a batch.
        instances : int
            Pictures in all, each with its turns where turned pictures are others.

        Raises
        ------
        UsageError
            It cannot learn from so many in such batches.
        """

    @abstractmethod
    def objective(self, network: EmbeddingNet, *, dim: int, batch: int, instances: int) -> Objective:
        """What is trained with `network`, its weights drawn by torch's own generator."""
