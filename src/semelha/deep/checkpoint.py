"""What a training needs to go on after it was killed, in one file that is whole at every moment."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from semelha.errors import TrainingError
from semelha.files import atomic_write

Tensors = dict[str, Tensor]


@dataclass
class Checkpoint:
    """The state of a training after `step` steps.

    Attributes
    ----------
    plan : str
        Data set, network, recipe and seed, as one string: a training goes on only as what it was.
    step : int
    elapsed : float
        Seconds trained so far.
    uniform : int
        Batches drawn so far that visit every class.
    network, average, objective : dict
        State of the network, of its moving average and of what is trained with it: a loss, a projector, a queue.
    optimizer : dict
    means : (classes, dim) float32
        Running mean embedding of each class; of none where there are no batches of look-alikes.
    best : dict
        Weights of the best moving average so far.
    best_score : float
        Its R@1 on the classes held out.
    """

    plan: str
    step: int
    elapsed: float
    uniform: int
    network: Tensors
    average: Tensors
    objective: Tensors
    optimizer: dict[str, Any]
    means: Tensor
    best: Tensors
    best_score: float

    def save(self, path: Path) -> None:
        """Replace the checkpoint at `path`: the old one stays until the new one is complete."""
        state = {field.name: getattr(self, field.name) for field in fields(self)}
        try:
            with atomic_write(path, error=TrainingError) as file:
                torch.save(state, file)
        except RuntimeError as error:  # of torch, where the disk is full
            raise TrainingError(f"{path} cannot be written: {error}") from error

    @classmethod
    def load(cls, path: Path, *, plan: str) -> Checkpoint:
        """Read a checkpoint of this very plan.

        Raises
        ------
        TrainingError
            The file is damaged, or of another data set, network, recipe or seed.
        """
        try:
            checkpoint = cls(**torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:
            raise TrainingError(f"{path} is no checkpoint of a semelha training: {error}") from error
        if checkpoint.plan != plan:
            raise TrainingError(
                f"{path.parent} holds a training of other pictures or settings: give the same ones to resume it, "
                "or remove the folder to start afresh"
            )
        return checkpoint


def describe(*parts: object) -> str:
    """One line that tells two plans apart, and is the same in every process."""
    return " | ".join(map(_described, parts))


def _described(part: object) -> str:
    if is_dataclass(part) and not isinstance(part, type):
        return (
            f"{type(part).__name__}({', '.join(f'{f.name}={_described(getattr(part, f.name))}' for f in fields(part))})"
        )
    if isinstance(part, partial):
        return f"partial({_described(part.func)}, {part.args}, {part.keywords})"
    # The repr of a function has its address, which is another in every process; lambdas share a name, not a line.
    if isinstance(part, FunctionType):
        return f"{part.__module__}.{part.__qualname__}:{part.__code__.co_firstlineno}"
    return f"{part.__module__}.{part.__qualname__}" if isinstance(part, type) else repr(part)
