"""How probable it is that a named subject is the right one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError

MANY = 1000  # trials from which a curve of any form is fitted (Niculescu-Mizil & Caruana, ICML 2005, section 5)

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ProbabilityCurve:
    """A falling curve from scores to the probability that the nearest subject is the right one.

    Attributes
    ----------
    scores : (k,) float64
        Ascending.
    right : (k,) float64
        At these scores, where one half of the probes are strangers. Linear between them.
    method : str
        "isotonic" or "Platt".
    trials : int
        That it was learned from.
    """

    scores: Floats
    right: Floats
    method: str
    trials: int

    def __call__(self, scores: Floats, *, strangers: float = 0.5) -> Floats:
        """(probes,), for scores (probes,) where a part `strangers` of all probes are strangers.

        Another part than one half changes the odds of a stranger, and with them, by Bayes, those of an error. All
        errors are taken as if strangers made them; among the enrolled some are errors too, so that below one half it
        is a little too high. Raises `UsageError` where the part does not lie between 0 and 1.
        """
        from scipy.special import expit, logit

        if not 0 < strangers < 1:
            raise UsageError(f"the part of strangers is {strangers}: it lies between 0 and 1")
        even = np.interp(scores, self.scores, self.right)
        if strangers == 0.5:
            return even
        with np.errstate(divide="ignore"):
            shifted: Floats = expit(logit(even) + np.log((1 - strangers) / strangers))
        return shifted


def fit_probability(mated: Floats, right: NDArray[np.bool_], strangers: Floats) -> ProbabilityCurve | None:
    """Learn the curve from probes whose subject is enrolled, and from strangers, each group half of the weight.

    Isotonic regression (Zadrozny & Elkan, KDD 2002) of 1,000 trials or more; of fewer a logistic function of the
    score, with the targets of Platt (1999, section 2.2).

    Parameters
    ----------
    mated : (m,) float64
        Scores of probes whose subject is enrolled.
    right : (m,) bool
        Whether their nearest subject is theirs.
    strangers : (n,) float64

    Returns
    -------
    ProbabilityCurve or None
        None without a mated probe or without a stranger.
    """
    mated, right, strangers = mated[np.isfinite(mated)], right[np.isfinite(mated)], strangers[np.isfinite(strangers)]
    if not len(mated) or not len(strangers):
        return None
    scores = np.concatenate([mated, strangers])
    outcome = np.concatenate([right.astype(np.float64), np.zeros(len(strangers))])
    weights = np.concatenate([np.full(len(mated), 0.5 / len(mated)), np.full(len(strangers), 0.5 / len(strangers))])
    if len(scores) >= MANY:
        return _isotonic(scores, outcome, weights)
    return _platt(scores, outcome, weights)


def _isotonic(scores: Floats, outcome: Floats, weights: Floats) -> ProbabilityCurve:
    from scipy.optimize import isotonic_regression  # here, because identification does not need it

    order = np.argsort(scores, kind="stable")
    fitted = isotonic_regression(outcome[order], weights=weights[order], increasing=False).x
    at, first = np.unique(scores[order], return_index=True)
    shares = np.add.reduceat(weights[order], first)
    return ProbabilityCurve(at, np.add.reduceat(fitted * weights[order], first) / shares, "isotonic", len(scores))


def _platt(scores: Floats, outcome: Floats, weights: Floats) -> ProbabilityCurve:
    from scipy.optimize import minimize
    from scipy.special import expit

    positive = outcome.sum()
    target = np.where(outcome > 0, (positive + 1) / (positive + 2), 1 / (len(outcome) - positive + 2))
    middle, spread = float(np.median(scores)), float(scores.std())
    spread = spread if spread > 1e-9 * abs(middle) else 1.0
    units = (scores - middle) / spread

    def loss(ab: Floats) -> tuple[float, Floats]:
        margin = ab[0] * units + ab[1]
        value = np.sum(weights * (np.logaddexp(0, margin) - target * margin))
        slope = weights * (expit(margin) - target)
        return float(value), np.array([np.sum(slope * units), np.sum(slope)])

    # Nearer is never less probable: the slope is not positive.
    a, b = minimize(loss, np.array([-1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(None, 0), (None, None)]).x
    at = np.linspace(units.min() - 1, units.max() + 1, 513)
    return ProbabilityCurve(middle + spread * at, expit(a * at + b), "Platt", len(scores))
