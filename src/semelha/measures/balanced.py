"""Open-set accuracy in which each subject counts once, however many pictures it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Balanced:
    """What `balanced` found.

    Attributes
    ----------
    baks, baus : float or None
        Balanced accuracy on known and on unknown samples; None without any.
    """

    baks: float | None
    baus: float | None

    @property
    def geometric(self) -> float | None:
        """√(BAKS · BAUS), by which AnimalCLEF ranks; None without both."""
        return None if self.baks is None or self.baus is None else float(np.sqrt(self.baks * self.baus))


def balanced(labels: NDArray[Any], right: NDArray[np.bool_], strangers: NDArray[np.bool_]) -> Balanced:
    """BAKS and BAUS, as the WildlifeDatasets toolkit defines them.

    BAKS: for each enrolled subject the part of its probes that got its name, averaged over subjects. BAUS: for each
    stranger the part of its probes that was called unknown, averaged over strangers.

    Parameters
    ----------
    labels : (n,)
        Of the probes.
    right : (n,) bool
        The answer was right: for a stranger "unknown", for the others the name.
    strangers : (n,) bool
        Probes of subjects that are not enrolled.

    Raises
    ------
    ValueError
        The three differ in number.
    """
    if not len(labels) == len(right) == len(strangers):
        raise ValueError("there must be one answer for each label")
    return Balanced(_mean_over(labels[~strangers], right[~strangers]), _mean_over(labels[strangers], right[strangers]))


def _mean_over(labels: NDArray[Any], right: NDArray[np.bool_]) -> float | None:
    if not len(labels):
        return None
    _, subject = np.unique(labels, return_inverse=True)
    return float(np.mean(np.bincount(subject, right) / np.bincount(subject)))
