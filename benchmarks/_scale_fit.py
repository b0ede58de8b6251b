"""Cost models of an index by its number of vectors, fitted to measurements and tried on sizes that were left out.

A law is a sum of terms whose work is counted: a + b · work(n), none negative. Work is the bytes of a scan, or the
centroids and vectors of the cells that are searched. Of a search in a graph three factors grow slowly with n: the depth
that the recall needs, the steps to the neighborhood, and the cost of a step as caches hold a smaller part. Among 10,000
to 2,000,000 vectors their product grows as √n. Depth and steps alone grow more slowly, so that far beyond what was
measured, where no cache holds anything, a + b · √n is too much rather than too little. The time to build a graph is
fitted as a power, b · n^p.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

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


def constant_and(*terms: Work) -> Features:
    """Terms of a + b · f(n) + …"""
    return lambda n: (1.0, *(term(n) for term in terms))


def fit(features: Features, points: Mapping[int, float]) -> NDArray[np.float64]:
    """Coefficients, none negative, with the least squares of relative errors."""
    rows = np.array([features(n) for n in points])
    measured = np.array(list(points.values()))
    relative = rows / measured[:, None]
    scale = np.abs(relative).max(axis=0)
    scale[scale == 0] = 1.0
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
