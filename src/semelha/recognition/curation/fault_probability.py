"""The probability that an observation is a fault, estimated from faults that were simulated.

The fault is simulated where it is known to be absent, which gives the density f₁ of a statistic among faults. The
observed values are a mixture, f = (1 − π) f₀ + π f₁, and the fraction of faults at a value is π f₁ / f: the complement
of a local false discovery rate (Efron, Large-Scale Inference, 2010, chapter 5). No threshold is set by hand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUANTILES = np.arange(0.1, 0.55, 0.1)  # of the simulated faults, above which observations are counted
TOP = 0.2  # quantile of the simulated faults above which the probability is constant


def fault_probability(observed: NDArray[np.float64], simulated: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate the probability that each observed value belongs to a fault.

    The statistic is larger if a fault is more likely; the probability (n,) does not decrease in it. f₁ / f comes from
    an isotonic regression that separates simulated (m,) from observed values (n,); π from the number of observed values
    above some quantiles of the simulated ones (after Storey, 2002), with one added so that few values do not prove that
    there are no faults.
    """
    if not len(observed) or not len(simulated):
        return np.zeros(len(observed))
    from sklearn.isotonic import IsotonicRegression  # here, because it takes a second to import

    marks = np.concatenate([np.zeros(len(observed)), np.ones(len(simulated))])
    weights = np.concatenate([np.full(len(observed), 1 / len(observed)), np.full(len(simulated), 1 / len(simulated))])
    top = np.quantile(simulated, TOP)  # above it there are too few values to separate
    both = np.minimum(np.concatenate([observed, simulated]), top)
    fitted = IsotonicRegression(y_min=0, y_max=1).fit(both, marks, sample_weight=weights).predict(both)
    p_simulated = fitted[: len(observed)]
    with np.errstate(divide="ignore"):
        ratio = p_simulated / (1 - p_simulated)  # f₁ / f
    probability: NDArray[np.float64] = np.minimum(1.0, fault_fraction(observed, simulated) * ratio)
    return probability


def fault_fraction(observed: NDArray[np.float64], simulated: NDArray[np.float64]) -> float:
    """π: the largest fraction of faults that agrees with the number of observations above quantiles of `simulated`."""
    levels = np.quantile(simulated, QUANTILES)
    above = len(observed) - np.searchsorted(np.sort(observed), levels)
    return float(np.minimum(1.0, (above + 1) / (len(observed) * (1 - QUANTILES))).min())
