"""Optimizers of the iterative learners: L-BFGS on all examples, Adam on mini-batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from semelha.linear.subspace import Matrix

Value = Callable[[Matrix], tuple[float, Matrix]]


def lbfgs(value: Value, start: Matrix, *, steps: int, tol: float = 1e-9, positive: bool = False) -> tuple[Matrix, int]:
    """Minimize `value`, which returns an objective and its gradient. Returns the minimum and the number of iterations.

    Stops after `steps` iterations, or when an iteration lowers the objective by less than `tol` of it. With `positive`
    every entry stays at 0 or above. `start` may have any shape.
    """

    def flat(entries: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        found, gradient = value(entries.reshape(start.shape))
        return float(found), np.asarray(gradient, np.float64).ravel()

    bounds = [(0, None)] * start.size if positive else None
    options = {"maxiter": steps, "ftol": tol, "gtol": 1e-10, "maxcor": 20, "maxfun": 10 * steps}
    result = minimize(flat, start.ravel(), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(result.x.reshape(start.shape), np.float64), int(result.nit)


class Adam:
    """Adam with a step size that falls linearly from `rate` to zero over its second half.

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015; with β₂ = .99, for runs of some hundred
    steps.
    """

    BETAS = (0.9, 0.99)

    def __init__(self, start: NDArray[Any], *, steps: int, rate: float) -> None:
        self.at = start
        self.steps = steps
        self.rate = rate
        self.taken = 0
        self._mean = np.zeros_like(start)
        self._square = np.zeros_like(start)

    def step(self, gradient: NDArray[Any]) -> None:
        """Take one step against the gradient at `at`."""
        self.taken += 1
        first, second = self.BETAS
        self._mean += (1 - first) * (gradient - self._mean)
        self._square += (1 - second) * (gradient**2 - self._square)
        mean = self._mean / (1 - first**self.taken)
        square = self._square / (1 - second**self.taken)
        rate = self.rate * min(1.0, 2 * (1 - self.taken / (self.steps + 1)))
        self.at = self.at - rate * mean / (np.sqrt(square) + 1e-8)
