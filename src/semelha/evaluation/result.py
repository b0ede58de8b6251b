"""What an evaluation found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.evaluation.measures import OpenSet, Retrieval, Verification
from semelha.images import Dataset


@dataclass(frozen=True, eq=False)
class OpenSetResult:
    """The open set: with the threshold of hindsight, and with the calibrated one.

    Attributes
    ----------
    hindsight : OpenSet
    fnir_at_fpir : float or None
        With hindsight, at the target rate.
    fpir_target : float
    fpir_achieved, fnir_achieved : float or None
        With the calibrated rule; None where as many subjects as there are cannot support the rate.
    enrolled : int
        Subjects.
    note : str
        Why there is no calibrated figure, or what it assumes.
    """

    hindsight: OpenSet
    fnir_at_fpir: float | None
    fpir_target: float
    fpir_achieved: float | None
    fnir_achieved: float | None
    enrolled: int
    note: str


@dataclass(frozen=True, eq=False)
class Result:
    """What one embedder reached."""

    retrieval: Retrieval
    spread: Retrieval  # from which MAP@R and R-precision come
    verification: Verification
    open_set: OpenSetResult

    def to_json(self) -> dict[str, Any]:
        """The figures by name; None for what could not be measured."""
        found, pairs = self.retrieval, self.verification
        values = {
            "r_at_1": found.r_at[1],
            "r_at_5": found.r_at[5],
            "r_at_10": found.r_at[10],
            "r_precision": self.spread.r_precision,
            "map_at_r": self.spread.map_at_r,
            "fnir_at_fpir": self.open_set.fnir_at_fpir,
            "fpir_target": self.open_set.fpir_target,
            "fpir_achieved": self.open_set.fpir_achieved,
            "fnir_achieved": self.open_set.fnir_achieved,
            "tar_at_far": {f"{rate:g}": value for rate, value in pairs.tar_at_far.items()},
            "eer": pairs.eer,
            "auc": pairs.auc,
        }
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """An embedder and its baselines under one protocol.

    Attributes
    ----------
    dataset : Dataset
    queries, references : (n,), (m,) int64
        Places in the data set of probes and of the pictures searched.
    result : Result
    baselines : dict of str to Result
    notes : tuple of str
    seconds : float
    """

    dataset: Dataset
    queries: NDArray[np.int64]
    references: NDArray[np.int64]
    result: Result
    baselines: dict[str, Result] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The figures of the embedder, those of each baseline under its name, counts, notes and seconds."""
        return {
            **self.result.to_json(),
            **{name: result.to_json() for name, result in self.baselines.items()},
            "pictures": len(self.dataset),
            "classes": len(self.dataset.classes),
            "skipped": len(self.dataset.skipped),
            "probes": len(self.queries),
            "enrolled_pictures": len(self.references),
            "notes": list(self.notes),
            "seconds": round(self.seconds, 2),
        }
