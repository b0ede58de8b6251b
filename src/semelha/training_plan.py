"""`TrainingPlan`: what a training would do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semelha.deep import Network, Recipe


@dataclass(frozen=True)
class TrainingPlan:
    """What a training would do. `print` shows a summary.

    Attributes
    ----------
    data : str
        Name of the data set.
    pictures, classes : int
        Size of the data set.
    method : str
        "supervised", or the name of the method.
    network, recipe : Network, Recipe, optional
        If a network is trained; the network also if it is used without training.
    features : str, optional
        What a linear method learns on.
    reasons : tuple of str
        Why each default was chosen, with the evidence.
    candidates : tuple of str
        What is measured on held-out classes, of which the best is published; empty if one method was named.
    """

    data: str
    pictures: int
    classes: int
    method: str
    network: Network | None = None
    recipe: Recipe | None = None
    features: str | None = None
    reasons: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()

    @property
    def duration(self) -> str:
        """Upper limit of the time and steps of the training."""
        if self.candidates and self.recipe is not None:
            return f"at most {self.recipe.minutes:g} minutes for all candidates"
        if self.recipe is None:
            return "no training of a network: seconds to minutes, by the number of pictures"
        minutes = self.recipe.minutes
        limit = f" or {minutes:g} minutes, whichever ends first" if math.isfinite(minutes) else ""
        return f"at most {self.recipe.steps:,} steps of {self.recipe.batch} pictures{limit}"

    def __str__(self) -> str:
        lines = [f"data      {self.data}: {self.pictures:,} pictures of {self.classes:,} classes"]
        lines.append(f"method    {self.method}" + (f" on {self.features}" if self.features else ""))
        if (network := self.network) is not None:
            color = "grey" if network.channels == 1 else "color"
            dim = "the pooled features" if network.dim is None else f"an embedding of {network.dim} numbers"
            lines.append(f"network   {network.backbone}, {network.size} × {network.size} pixels in {color}, {dim}")
        lines += [f"candidate {candidate}" for candidate in self.candidates]
        lines += [f"duration  {self.duration}", *(f"- {reason}" for reason in self.reasons)]
        return "\n".join(lines)

    def to_json(self) -> dict[str, object]:
        """The plan as plain values: network and recipe as a model card keeps them."""
        return {
            **vars(self),
            "network": None if self.network is None else self.network.as_card(),
            "recipe": None if self.recipe is None else self.recipe.as_card(),
            "reasons": list(self.reasons),
            "candidates": list(self.candidates),
            "duration": self.duration,
        }
