"""Estimate the probability that the nearest subject is the right one, from the score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError

MIN_ISOTONIC = 1000  # trials from which isotonic regression is used (Niculescu-Mizil & Caruana, ICML 2005, section 5)

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ProbabilityCurve:
    """A decreasing curve from scores to the probability that the nearest subject is the right one.

    Between its points the curve is linear.
    """

    scores: Floats  # (k,), ascending
    right: Floats  # (k,), probabilities at these scores if half of the probes are strangers
    method: str  # "isotonic" or "Platt"
    trials: int  # number of probes to which it was fitted

    def __call__(self, scores: Floats, *, strangers: float = 0.5) -> Floats:
        """Probabilities for scores (probes,) if a fraction `strangers` of all probes are strangers: (probes,).

        A fraction other than one half changes the odds of a stranger, and by Bayes' theorem those of an error. All
        errors are attributed to strangers; enrolled subjects cause some too, so that the result is slightly too high
        below one half. Raises `UsageError` if `strangers` does not lie between 0 and 1.
        """
        if not 0 < strangers < 1:
            raise UsageError(f"strangers is {strangers}: it must lie between 0 and 1")
        even = np.interp(scores, self.scores, self.right)
        if strangers == 0.5:
            return even
        right = (1 - strangers) * even
        return right / (right + strangers * (1 - even))


def fit_probability(mated: Floats, right: NDArray[np.bool_], strangers: Floats) -> ProbabilityCurve | None:
    """Fit the curve to mated and non-mated probes, each group with half of the weight.

    Isotonic regression (Zadrozny & Elkan, KDD 2002) from 1,000 probes on; with fewer a logistic function of the score,
    with the targets of Platt (1999, section 2.2).

    `mated` (m,) and `strangers` (n,) are scores, `right` (m,) whether the nearest subject of a mated probe is the right
    one. None without mated probes or without strangers.
    """
    mated, right, strangers = mated[np.isfinite(mated)], right[np.isfinite(mated)], strangers[np.isfinite(strangers)]
    if not len(mated) or not len(strangers):
        return None
    scores = np.concatenate([mated, strangers])
    outcome = np.concatenate([right.astype(np.float64), np.zeros(len(strangers))])
    weights = np.concatenate([np.full(len(mated), 0.5 / len(mated)), np.full(len(strangers), 0.5 / len(strangers))])
    if len(scores) >= MIN_ISOTONIC:
        return _isotonic(scores, outcome, weights)
    return _platt(scores, outcome, weights)


def _isotonic(scores: Floats, outcome: Floats, weights: Floats) -> ProbabilityCurve:
    order = np.argsort(scores, kind="stable")
    fitted = decreasing_fit(outcome[order], weights[order])
    at, first = np.unique(scores[order], return_index=True)
    shares = np.add.reduceat(weights[order], first)
    return ProbabilityCurve(at, np.add.reduceat(fitted * weights[order], first) / shares, "isotonic", len(scores))


def decreasing_fit(values: Floats, weights: Floats) -> Floats:
    """Fit the non-increasing sequence that is nearest by weighted squares, by pooling adjacent violators.

    Equal neighbors have equal fits, so that the loop passes over runs of equal values, of which outcomes have few.
    SciPy has this too, but importing `scipy.optimize` takes longer than identifying a picture.
    """
    first = np.flatnonzero(np.diff(values, prepend=np.nan))
    means: list[float] = []
    masses: list[float] = []
    lengths: list[int] = []
    runs = zip(values[first], np.add.reduceat(weights, first), np.diff(first, append=len(values)), strict=True)
    for mean, mass, length in runs:
        while means and means[-1] < mean:
            before = masses.pop()
            mean = (means.pop() * before + mean * mass) / (before + mass)
            mass += before
            length += lengths.pop()
        means.append(mean)
        masses.append(mass)
        lengths.append(length)
    return np.repeat(means, lengths)


def _platt(scores: Floats, outcome: Floats, weights: Floats) -> ProbabilityCurve:
    positive = outcome.sum()
    target = np.where(outcome > 0, (positive + 1) / (positive + 2), 1 / (len(outcome) - positive + 2))
    middle, spread = float(np.median(scores)), float(scores.std())
    spread = spread if spread > 1e-9 * abs(middle) else 1.0
    units = (scores - middle) / spread
    a, b = logistic_fit(units, target, weights)
    at = np.linspace(units.min() - 1, units.max() + 1, 513)
    return ProbabilityCurve(middle + spread * at, _sigmoid(a * at + b), "Platt", len(scores))


def logistic_fit(x: Floats, target: Floats, weights: Floats) -> tuple[float, float]:
    """Fit the slope and intercept of a logistic function of `x` by maximum likelihood; the slope is not positive.

    Newton's method with a line search (Lin, Lin & Weng, Machine Learning 68, 2007). The loss is convex: where its
    minimum has a positive slope, the constrained minimum has the slope 0.
    """
    design = np.stack([x, np.ones_like(x)])  # (2, n)

    def loss(parameters: Floats) -> float:
        margin = parameters @ design
        return float(np.sum(weights * (np.logaddexp(0, margin) - target * margin)))

    parameters = np.array([-1.0, 0.0])
    for _ in range(100):
        share = _sigmoid(parameters @ design)
        gradient = design @ (weights * (share - target))
        hessian = (design * (weights * share * (1 - share))) @ design.T + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size, before = 1.0, loss(parameters)
        while loss(parameters - size * step) > before - 1e-4 * size * (gradient @ step) and size > 1e-10:
            size /= 2
        parameters = parameters - size * step
        if np.abs(gradient).max() < 1e-10 * weights.sum():
            break
    slope, intercept = parameters.tolist()
    if slope > 0:
        mean = float(np.average(target, weights=weights))
        return 0.0, float(np.log(mean / (1 - mean)))
    return slope, intercept


def _sigmoid(x: Floats) -> Floats:
    return (1 + np.tanh(x / 2)) / 2
