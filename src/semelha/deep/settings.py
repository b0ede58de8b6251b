"""Settings of a training that replace the defaults chosen from the pictures."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from semelha.deep.recipe import LossFactory, SamplerFactory

OF_NETWORK = ("backbone", "pretrained", "size", "channels", "dim", "stem", "pooling", "readout")
"""The settings that are fields of `Network`."""
OF_FEATURES = ("backbone", "pretrained", "size", "channels", "pooling")
"""The settings of a network that is used without training."""
OF_LABELS = ("loss", "sampler")
"""The settings that need labels."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Explicit settings of a training. What is None is chosen from the pictures.

    `backbone`, `pretrained`, `size`, `channels`, `dim`, `stem`, `pooling` and `readout` are those of `Network`; all
    others but `optimizer` are those of `Recipe`.

    Parameters
    ----------
    optimizer : {"adamw", "sgd", "lars"}, optional
        For learning without labels: the optimizer with the learning rate and the weight decay of its paper.
    """

    backbone: str | None = None
    pretrained: bool | str | None = None
    size: int | None = None
    channels: int | None = None
    dim: int | None = None
    stem: Literal["own", "small"] | None = None
    pooling: Literal["average", "gem", "grid"] | None = None
    readout: Literal["head", "layers"] | None = None
    loss: LossFactory | None = None
    sampler: SamplerFactory | None = None
    batch: int | None = None
    chunk: int | None = None
    accumulate: int | None = None
    checkpoint: bool | None = None
    compile: bool | None = None
    steps: int | None = None
    learning_rate: float | None = None
    layer_decay: float | None = None
    freeze: float | None = None
    teaching: float | None = None
    optimizer: Literal["adamw", "sgd", "lars"] | None = None

    def explicit(self) -> dict[str, Any]:
        """The settings that are not None, by name."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}

    def of_network(self) -> dict[str, Any]:
        """The explicit settings that are fields of `Network`."""
        return {name: value for name, value in self.explicit().items() if name in OF_NETWORK}

    def of_recipe(self) -> dict[str, Any]:
        """The explicit settings that are fields of `Recipe`."""
        return {name: value for name, value in self.explicit().items() if name not in (*OF_NETWORK, "optimizer")}
