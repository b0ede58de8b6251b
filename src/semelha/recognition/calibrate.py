"""From a wanted rate of false positives to a decision, by conformal prediction.

A false positive is a stranger who is named as somebody enrolled (FPIR, ISO/IEC 19795-1). The p-value of a probe says
how often a stranger comes at least as near as it did; it is known where its p-value is at most the rate. Under the
stated assumption that holds in expectation for any distances whatever (Vovk, Gammerman & Shafer, 2005, chapter 2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semelha.errors import CalibrationError, UsageError

Distances = NDArray[np.floating[Any]]

OWN = "strangers are assumed to resemble each other and the enrolled as much as the enrolled resemble each other"
GIVEN = "strangers to come are assumed to be like those that the calibration was given"


@dataclass(frozen=True, eq=False)
class Calibration:
    """A rule that lets at most a part `fpir` of strangers pass.

    Attributes
    ----------
    kind : {"strangers", "subjects"}
        What it was learned from: given strangers (split-conformal), or the enrolled subjects, each left out in turn
        (full-conformal).
    fpir : float
        The rate that was asked for.
    scores : (n,) float64
        Distance of each stranger to its nearest subject; or of each subject to its nearest other subject, in the order
        of the subjects.
    """

    kind: Literal["strangers", "subjects"]
    fpir: float
    scores: NDArray[np.float64]

    @property
    def n(self) -> int:
        """Strangers or subjects that it rests on."""
        return len(self.scores)

    @property
    def assumption(self) -> str:
        """What must hold for the rate to hold."""
        return OWN if self.kind == "subjects" else GIVEN

    def p_values(self, distances: Distances, nearest: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """How often a stranger comes this near.

        Parameters
        ----------
        distances : (probes,) float
            To the nearest subject.
        nearest : (probes,) int64
            Which subject that is, as a place in `scores`, or −1 where it has no score there. Only for "subjects": had
            the probe been enrolled, that subject would have had it as a neighbor. A subject without a
            score adds nothing.

        Returns
        -------
        (probes,) float64
            (1 + #{i: aᵢ ≤ a}) / (n + 1) from strangers; (1 + #{i: aᵢ ≤ a} + [a_nn > a]) / (n + 1) from subjects.
        """
        nearer = np.searchsorted(self._ascending, distances, side="right")
        if self.kind == "subjects":
            if nearest is None:
                raise UsageError("p-values from subjects need to know which subject is nearest")
            own = np.where(nearest >= 0, self.scores[nearest] if self.n else 0.0, -np.inf)
            nearer = nearer + (own > distances)
        p: NDArray[np.float64] = (1 + nearer) / (self.n + 1)
        return p

    @cached_property
    def _ascending(self) -> NDArray[np.float64]:
        return np.sort(self.scores)

    def accepts(self, distances: Distances, nearest: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
        """(probes,) bool: known."""
        return self.p_values(distances, nearest) <= self.fpir


def split_conformal(stranger_distances: Distances, fpir: float) -> Calibration:
    """Calibrate on pictures of things that are not enrolled, one of each thing.

    Parameters
    ----------
    stranger_distances : (n,) float
        Of each stranger to the nearest subject.
    fpir : float
        Between 0 and 1.

    Raises
    ------
    CalibrationError
        So few strangers cannot support the rate: 1 / (n + 1) must not exceed it.
    """
    _check_rate(fpir)
    _check_number(len(stranger_distances), 1, fpir, "strangers", "give pictures of")
    return Calibration("strangers", fpir, np.asarray(stranger_distances, np.float64))


def full_conformal(own_nearest: Distances, fpir: float) -> Calibration:
    """Calibrate on the enrolled subjects, each of them in turn the stranger.

    Parameters
    ----------
    own_nearest : (n,) float
        Of one example of each subject, drawn by chance, to the nearest example of any other subject.
    fpir : float
        Between 0 and 1.

    Raises
    ------
    CalibrationError
        So few subjects cannot support the rate: the smallest p-value of a probe, 2 / (n + 1), must not exceed it.
    """
    _check_rate(fpir)
    _check_number(len(own_nearest), 2, fpir, "subjects", "enroll")
    return Calibration("subjects", fpir, np.asarray(own_nearest, np.float64))


def needed(fpir: float, *, smallest: int) -> int:
    """How many subjects (smallest = 2) or strangers (smallest = 1) a rate needs: smallest / (n + 1) ≤ fpir."""
    return math.ceil(smallest / fpir - 1e-9) - 1


def _check_rate(fpir: float) -> None:
    if not 0 < fpir < 1:
        raise UsageError(f"fpir is {fpir}: it lies between 0 and 1, such as 0.01 for one stranger in a hundred")


def _check_number(n: int, smallest: int, fpir: float, what: str, do: str) -> None:
    enough = needed(fpir, smallest=smallest)
    if n < enough:
        lowest = smallest / (n + 1)
        other = f", or ask for a rate of {lowest:.2g} or more" if lowest < 1 else ""
        raise CalibrationError(
            f"a rate of {fpir:g} needs {enough} {what} and there are {n}: {do} {enough - n} more{other}"
        )
