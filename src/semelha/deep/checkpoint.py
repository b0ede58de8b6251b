"""The state of a training, and the checkpoint file that it is saved to and resumed from."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any, BinaryIO

import torch
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.optim import Optimizer

from semelha.deep.fsdp import is_part, load_state, whole
from semelha.deep.objective import Objective
from semelha.errors import TrainingError
from semelha.files import atomic_write

Tensors = dict[str, Tensor]

VERSION = 3
"""Of the checkpoint file. Version 1 had no number, and a warm-up counted in steps. In version 2 the optimizer of a
method without labels had other groups of weights."""


@dataclass
class TrainingState:
    """All that a training changes. A checkpoint contains exactly these fields."""

    network: nn.Module
    average: ModelEmaV3  # of the weights of the network
    objective: Objective
    optimizer: Optimizer
    class_means: Tensor  # running mean embedding of each class, (classes, dim); empty without batches of look-alikes
    best: Tensors  # weights of the best moving average so far; empty before the first validation
    best_score: float = -1.0  # its R@1 on the held-out classes
    step: int = 0  # steps done
    regular_batches: int = 0  # batches drawn that are not of look-alikes
    elapsed: float = 0.0  # seconds of training

    @property
    def is_sharded(self) -> bool:
        """Whether each process has only a part of the weights."""
        return any(map(is_part, self.network.parameters()))

    def save(self, path: Path | None, *, plan: str) -> None:
        """Write a checkpoint. The previous one stays until the new one is complete and synced.

        If the weights are sharded, all processes must call it; without a path one writes nothing. Only a training of
        the same `plan` (`describe`) can resume. Raises `TrainingError`.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        state = {
            name: whole(value.state_dict(), keep=path is not None) if _has_state(value) else value
            for name, value in values.items()
        }
        if path is None:
            return
        try:
            with atomic_write(path, error=TrainingError) as file:
                torch.save({"version": VERSION, "plan": plan, **state}, file)
        except RuntimeError as error:  # of torch, if the disk is full
            raise TrainingError(f"{path} cannot be written: {error}") from error

    def load(self, path: Path, *, plan: str, content: BinaryIO | None = None) -> None:
        """Set every field to that of a checkpoint: the file, or the content that another process read from its file.

        Raises `TrainingError` if the file is damaged, of an older version, or of another plan.
        """
        try:
            saved: dict[str, Any] = torch.load(content or path, map_location="cpu", weights_only=True)
            version, saved_plan = saved.pop("version", 1), saved.pop("plan")
        except Exception as error:
            raise TrainingError(f"{path} is no checkpoint of a semelha training: {error}") from error
        if version != VERSION:
            raise TrainingError(
                f"{path} was written by another version of semelha, whose schedule differs: finish that training with "
                f"it, or remove {path.parent} to start again"
            )
        if saved_plan != plan:
            raise TrainingError(
                f"{path.parent} holds a training of other pictures or settings: give the same ones to resume it, "
                "or remove the folder to start again"
            )
        for field in fields(self):
            value = getattr(self, field.name)
            if _has_state(value):
                load_state(value, saved[field.name])
            else:
                setattr(self, field.name, saved[field.name])


def _has_state(value: object) -> bool:
    return isinstance(value, nn.Module | Optimizer)


def describe(*parts: object) -> str:
    """Data set, network, recipe and seed as one string: equal in every process, different for different plans."""
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
