"""Cost models of an index by its number of vectors, fitted to measurements and tried on sizes that were left out.

Every time is a law of one form: a constant, and work of which each unit costs more the larger the index is, because
caches and page tables hold a smaller part of it:

    seconds(n) = a + work(n) · (b + c · ln(n / 10⁴))

with a, b, c ≥ 0. The work is counted, not fitted: vectors of a scan, steps of a walk in a graph (depth · ln n), vectors
in the cells that are searched. Depths are those that the index chose for its recall; as laws of n they are fitted too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

REFERENCE = 10_000
Work = Callable[[float], float]
Features = Callable[[float], Sequence[float]]
Law = Callable[[float], float]


@dataclass(frozen=True)
class Prediction:
    """A size that was left out: what the law of the other sizes predicts, and what was measured."""

    what: str
    n: int
    predicted: float
    measured: float
    largest: bool

    @property
    def error(self) -> float:
        """Relative: 0.1 is ten percent too much."""
        return self.predicted / self.measured - 1


def growing(work: Work) -> Features:
    """Terms of the law above."""
    return lambda n: (1.0, work(n), work(n) * log(n / REFERENCE)) if n > REFERENCE else (1.0, work(n), 0.0)


def constant_and(*terms: Work) -> Features:
    """Terms of a + b · f(n) + …"""
    return lambda n: (1.0, *(term(n) for term in terms))


def fit(features: Features, points: Mapping[int, float]) -> NDArray[np.float64]:
    """Coefficients, none negative, with the least squares of relative errors."""
    rows = np.array([features(n) for n in points])
    measured = np.array(list(points.values()))
    relative = rows / measured[:, None]
    scale = np.abs(relative).max(axis=0)
    found: NDArray[np.float64] = nnls(relative / scale, np.ones(len(measured)))[0] / scale
    return found


def law(features: Features, points: Mapping[int, float]) -> Law:
    """The fitted law: n → its value."""
    coefficients = fit(features, points)
    return lambda n: float(np.dot(features(n), coefficients))


def power_law(points: Mapping[int, float]) -> Law:
    """c · n^p with the least squares of logarithms."""
    slope, constant = np.polyfit(np.log(list(points)), np.log(list(points.values())), 1)
    return lambda n: float(np.exp(constant + slope * np.log(n)))


def left_out(what: str, make: Callable[[Mapping[int, float]], Law], points: Mapping[int, float]) -> list[Prediction]:
    """Each size in turn is left out of the fit and predicted."""
    found = []
    for n, measured in points.items():
        others = {other: value for other, value in points.items() if other != n}
        found.append(Prediction(what, n, make(others)(n), measured, n == max(points)))
    return found
