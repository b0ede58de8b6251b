"""How near a probe is to a subject that has several examples, and whether others are as near.

Smaller is nearer. A score has two parts: how the distances to the examples of one subject become one distance, and how
the distances to the other subjects, the cohort, are set against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.metrics import Metric

Pooling = Literal["nearest", "best", "mean"]
Normalization = Literal["none", "margin", "cohort"]

POOLINGS: tuple[Pooling, ...] = ("nearest", "best", "mean")
NORMALIZATIONS: tuple[Normalization, ...] = ("none", "margin", "cohort")
FEW = 3  # nearest examples whose mean distance is that of "best"
REACH = 32  # nearest subjects whose scores a probe may change
COHORT = 10  # next subjects that "cohort" sets against the nearest


@dataclass(frozen=True)
class Scoring:
    """From distances to a score.

    Parameters
    ----------
    pooling : {"nearest", "best", "mean"}
        The distance to a subject is that to its nearest example, the mean of those to its three nearest, or that to the
        mean of its examples (its prototype; Snell, Swersky, Zemel, NeurIPS 2017).
    normalization : {"none", "margin", "cohort"}
        The score is the distance d₁ to the nearest subject; the margin d₁ − d₂ to the second; or d₁ ÷ the mean of d₂ to
        d₁₁, those of the next ten subjects (as in the T-norm of Auckenthaler, Carey, Lloyd-Thomas, 2000, on the nearest
        alone and by quotient, for distances have no sign).
    """

    pooling: Pooling = "nearest"
    normalization: Normalization = "none"

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS or self.normalization not in NORMALIZATIONS:
            raise UsageError(f"there is no scoring {self.pooling!r}, {self.normalization!r}: {_known()}")

    @classmethod
    def from_name(cls, name: str) -> Scoring:
        """Of its `name`, such as "nearest" or "mean-margin". Raises `UsageError`."""
        pooling, _, normalization = name.partition("-")
        if pooling not in POOLINGS or (normalization or "none") not in NORMALIZATIONS:
            raise UsageError(f"there is no scoring {name!r}: {_known()}")
        return cls(pooling, normalization or "none")  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """Both parts, without "none"."""
        return self.pooling if self.normalization == "none" else f"{self.pooling}-{self.normalization}"

    @property
    def depth(self) -> int:
        """Subjects whose distances the score needs."""
        return {"none": 1, "margin": 2, "cohort": 1 + COHORT}[self.normalization]

    @property
    def reach(self) -> int:
        """Nearest subjects of a probe that are looked at, always as many: whose scores the probe may well change.

        Without normalization that is the nearest alone.
        """
        return self.depth if self.normalization == "none" else REACH

    def references(self, examples: NDArray[Any]) -> NDArray[np.float64]:
        """What a probe is compared with, of a subject with these examples (n, d): their mean (1, d), or all of them."""
        stored = np.asarray(examples, np.float64)
        return stored.mean(axis=0, keepdims=True) if self.pooling == "mean" else stored

    def pool(self, metric: Metric, probe: NDArray[Any], subjects: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Distances (subjects,) of a probe (d,) to subjects, by what is `references` of each."""
        distances = metric.pairwise(np.asarray(probe, np.float64)[None], np.concatenate(subjects))[0]
        few = FEW if self.pooling == "best" else 1
        ends = np.cumsum([len(one) for one in subjects])[:-1]
        return np.array([np.sort(own)[:few].mean() for own in np.split(distances, ends)])

    def __call__(self, ranked: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """The scores of probes.

        Parameters
        ----------
        ranked : (..., k) float
            Distances of each to its nearest subjects, ascending; infinite where there are no more subjects. More than
            `depth` are not looked at.

        Returns
        -------
        (...) float64
            Infinite where there is no subject. Without a second subject the margin is 0 and the quotient 1: nothing
            speaks for the only subject there is.
        """
        first = np.asarray(ranked[..., 0], np.float64)
        if self.normalization == "none":
            return first
        rest = np.asarray(ranked[..., 1 : self.depth], np.float64)
        some = np.isfinite(rest)
        others = np.where(some, rest, 0).sum(axis=-1) / np.maximum(some.sum(axis=-1), 1)
        others = np.where(some.any(axis=-1), others, first)
        with np.errstate(divide="ignore", invalid="ignore"):
            score = first - others if self.normalization == "margin" else first / others
        at_zero = 1.0 if self.normalization == "cohort" else 0.0
        return np.where(np.isfinite(first), np.where(others == 0, at_zero, score), np.inf)


NEAREST = Scoring()
SCORINGS = tuple(Scoring(pooling, normalization) for normalization, pooling in product(NORMALIZATIONS, POOLINGS))


def _known() -> str:
    return f"there are {', '.join(scoring.name for scoring in SCORINGS)}"


def insert_sorted(ranked: NDArray[np.float64], distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lists (..., k) of distances, ascending, each with one more (...) in its place, still k long."""
    longer = np.sort(np.concatenate([ranked, distances[..., None]], axis=-1), axis=-1)
    return longer[..., : ranked.shape[-1]]
