"""What the open set found: probe by probe, in one gallery, and in galleries of growing size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semelha.evaluation.certainty import Certainty
from semelha.measures import Balanced, OpenSet, Oscr


@dataclass(frozen=True, eq=False)
class OpenProbes:
    """Every probe of the open set, from which all figures come.

    Attributes
    ----------
    mated, strangers : (m,), (n,) float64
        Distance of each to its nearest subject.
    right : (m,) bool
        That subject is the right one.
    mated_subject, stranger_subject : (m,), (n,) int64
        Whom each shows, as numbers among all classes.
    mated_accepted, stranger_accepted : (m,), (n,) bool or None
        By the calibrated rule; None where there is none.
    """

    mated: NDArray[np.float64]
    strangers: NDArray[np.float64]
    right: NDArray[np.bool_]
    mated_subject: NDArray[np.int64]
    stranger_subject: NDArray[np.int64]
    mated_accepted: NDArray[np.bool_] | None
    stranger_accepted: NDArray[np.bool_] | None


class Spread(NamedTuple):
    """Mean, lowest and highest of several galleries."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class GallerySize:
    """Galleries of so many subjects, drawn by chance from those enrolled, and probed by the same strangers.

    Attributes
    ----------
    subjects : int
    galleries : int
        How many were drawn.
    fnir_at_fpir : Spread or None
        With hindsight, at the target rate; None where the strangers cannot measure it.
    fpir_achieved, fnir_achieved : Spread or None
        With the rule that each gallery is calibrated to; None where so few subjects cannot support the rate.
    """

    subjects: int
    galleries: int
    fnir_at_fpir: Spread | None
    fpir_achieved: Spread | None
    fnir_achieved: Spread | None

    def to_json(self) -> dict[str, Any]:
        """As numbers, dicts and None."""
        spreads = {
            "fnir_at_fpir": self.fnir_at_fpir,
            "fpir_achieved": self.fpir_achieved,
            "fnir_achieved": self.fnir_achieved,
        }
        told = {name: None if spread is None else spread._asdict() for name, spread in spreads.items()}
        return {"subjects": self.subjects, "galleries": self.galleries, **told}


@dataclass(frozen=True, eq=False)
class OpenSetResult:
    """The open set: with the threshold of hindsight, and with the calibrated one.

    Attributes
    ----------
    hindsight : OpenSet
    fnir_at_fpir : float or None
        With hindsight, at the target rate; None where the strangers are too few to measure it.
    fpir_target : float
    fpir_achieved, fnir_achieved : float or None
        With the calibrated rule; None where as many subjects as there are cannot support the rate.
    balanced : Balanced
        With the calibrated rule too.
    oscr : Oscr
    auroc : float or None
        Known against unknown, over all thresholds.
    enrolled : int
        Subjects.
    sizes : tuple of GallerySize
        Smallest first; the last is the whole gallery.
    probes : OpenProbes
    certainty : Certainty
        Whether the probability that is said of an answer is right; of a gallery of its own where the protocol enrolls
        one picture of each subject.
    note : str
        Why there is no calibrated figure, or what it assumes.
    """

    hindsight: OpenSet
    fnir_at_fpir: float | None
    fpir_target: float
    fpir_achieved: float | None
    fnir_achieved: float | None
    balanced: Balanced
    oscr: Oscr
    auroc: float | None
    enrolled: int
    sizes: tuple[GallerySize, ...]
    probes: OpenProbes
    certainty: Certainty
    note: str
