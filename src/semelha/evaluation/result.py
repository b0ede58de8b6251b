"""What an evaluation found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.evaluation.intervals import Intervals
from semelha.evaluation.open_set import OpenSetResult
from semelha.images import Dataset
from semelha.measures import FoldAccuracy, Retrieval, Verification


@dataclass(frozen=True, eq=False)
class Result:
    """What one embedder reached.

    Attributes
    ----------
    retrieval : Retrieval
    spread : Retrieval
        From which MAP@R and R-precision come.
    cmc : (ranks,) float64
        Part of the probes whose subject is among the k nearest subjects, for k from 1.
    verification : Verification
    folds : FoldAccuracy or None
        None where the subjects are too few for ten folds.
    open_set : OpenSetResult
    intervals : Intervals or None
        None where none were asked for.
    """

    retrieval: Retrieval
    spread: Retrieval
    cmc: NDArray[np.float64]
    verification: Verification
    folds: FoldAccuracy | None
    open_set: OpenSetResult
    intervals: Intervals | None

    def to_json(self) -> dict[str, Any]:
        """The figures by name; None for what could not be measured."""
        found, pairs, strangers = self.retrieval, self.verification, self.open_set
        certainty = strangers.certainty.reliability
        values = {
            "r_at_1": found.r_at[1],
            "r_at_5": found.r_at[5],
            "r_at_10": found.r_at[10],
            "r_precision": self.spread.r_precision,
            "map_at_r": self.spread.map_at_r,
            "cmc": [_finite(value) for value in self.cmc.tolist()],
            "fnir_at_fpir": strangers.fnir_at_fpir,
            "fnir_at_fpirs": {f"{rate:g}": value for rate, value in strangers.hindsight.fnir_at_fpir.items()},
            "fpir_target": strangers.fpir_target,
            "fpir_achieved": strangers.fpir_achieved,
            "fnir_achieved": strangers.fnir_achieved,
            "baks": strangers.balanced.baks,
            "baus": strangers.balanced.baus,
            "oscr": strangers.oscr.area,
            "auroc": strangers.auroc,
            "ece": None if certainty is None else certainty.ece,
            "brier": None if certainty is None else certainty.brier,
            "reliability": None if certainty is None else certainty.to_json(),
            "gallery_sizes": [size.to_json() for size in strangers.sizes],
            "tar_at_far": {f"{rate:g}": value for rate, value in pairs.tar_at_far.items()},
            "eer": pairs.eer,
            "auc": pairs.auc,
            "fold_accuracy": None if self.folds is None else self.folds.mean,
            "intervals": {} if self.intervals is None else self.intervals.to_json(),
        }
        return {k: _finite(v) if isinstance(v, float) else v for k, v in values.items()}


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value


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
