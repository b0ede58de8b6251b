"""How likely something is a fault, judged by what the fault would look like: no threshold is set by hand.

The fault is made on purpose where it is known not to be, which gives the density f₁ of a statistic among faults. What
is observed is a mixture, f = (1 − π) f₀ + π f₁, and the part of faults at a value is π f₁ / f: the reverse of a local
false discovery rate (Efron, Large-Scale Inference, 2010, chapter 5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUANTILES = np.arange(0.1, 0.55, 0.1)  # above which enough of the made are for a count
TOP = 0.2  # quantile of the made above which all is as likely a fault


def chance_of_fault(observed: NDArray[np.float64], made: NDArray[np.float64]) -> NDArray[np.float64]:
    """The estimated probability that each observed value is that of a fault.

    Parameters
    ----------
    observed : (n,) float
        A statistic, larger where a fault is likelier.
    made : (m,) float
        The same of faults made on purpose.

    Returns
    -------
    (n,) float64
        Within 0 and 1, never falling where the statistic rises. f₁ / f comes from an isotonic regression that tells
        made from observed; π from how many are observed above some quantiles of the made (after Storey 2002), one more
        counted so that few values do not prove that there are no faults.
    """
    if not len(observed) or not len(made):
        return np.zeros(len(observed))
    from sklearn.isotonic import IsotonicRegression  # late: it takes a second to import, and only `check` asks for it

    marks = np.concatenate([np.zeros(len(observed)), np.ones(len(made))])
    weights = np.concatenate([np.full(len(observed), 1 / len(observed)), np.full(len(made), 1 / len(made))])
    top = np.quantile(made, TOP)  # above it there are too few of either to tell them apart by
    both = np.minimum(np.concatenate([observed, made]), top)
    told = IsotonicRegression(y_min=0, y_max=1).fit(both, marks, sample_weight=weights).predict(both)
    of_made = told[: len(observed)]
    with np.errstate(divide="ignore"):
        ratio = of_made / (1 - of_made)  # f₁ / f
    chance: NDArray[np.float64] = np.minimum(1.0, part_of_faults(observed, made) * ratio)
    return chance


def part_of_faults(observed: NDArray[np.float64], made: NDArray[np.float64]) -> float:
    """π: the largest part of faults that is in keeping with how many are observed above some quantiles of the made."""
    levels = np.quantile(made, QUANTILES)
    above = len(observed) - np.searchsorted(np.sort(observed), levels)
    return float(np.minimum(1.0, (above + 1) / (len(observed) * (1 - QUANTILES))).min())
