"""Test whether probes are distributed like the pictures on which a gallery was calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.calibration import Calibration

SIGNIFICANCE = 0.01


@dataclass(frozen=True)
class Mismatch:
    """The result of testing a calibration with labelled probes.

    Attributes
    ----------
    probes : int
        Number of probes, each of another subject or stranger and compared with all other subjects.
    achieved : float
        The fraction of probes that would be named as another subject.
    low, high : float
        95% Clopper–Pearson interval of `achieved`.
    p_value : float
        Of the two-sample Kolmogorov–Smirnov test that probes and calibration have the same distribution.
    verdict : {"alike", "nearer", "farther"}
        Whether the probes are as near to other subjects as the pictures of the calibration, or nearer (more strangers
        are named), or farther (fewer are named, and more enrolled subjects are missed than necessary).
    """

    probes: int
    fpir: float
    achieved: float
    low: float
    high: float
    p_value: float
    verdict: str

    @property
    def message(self) -> str:
        """The result and its consequence, in a sentence or two."""
        measured = (
            f"of {self.probes} probes {self.achieved:.1%} would be named as another subject (95% interval "
            f"{self.low:.1%}–{self.high:.1%}); the calibrated rate is {self.fpir:.1%}"
        )
        if self.verdict == "alike":
            return f"Probes and gallery agree: {measured}."
        effect = "the rate may differ from the calibrated one"
        if self.low > self.fpir:
            effect = "the rate is exceeded"
        elif self.high < self.fpir:
            effect = "the rate is below the calibrated one"
        return (
            f"Probes come {self.verdict} than the gallery's own pictures (p = {self.p_value:.2g}), and {effect}: "
            f"{measured}. Calibrate with strangers or confirmed pictures that are taken like the probes."
        )


def measure_mismatch(p_values: NDArray[np.float64], calibration: Calibration, *, seed: int) -> Mismatch:
    """Test whether conformal p-values of strangers are uniform, as they are if the assumption holds.

    All p-values are computed from the same n scores, so that their distance to the uniform distribution has the
    distribution of the two-sample statistic, with effective size m · n / (m + n) (Smirnov, 1948).

    The p-values are of probes compared without their own subject. They are multiples of 1 / (n + 1), and are spread at
    random between them (Vovk, Gammerman & Shafer, 2005, section 2.2).
    """
    from scipy.special import betaincinv  # here, because identification does not need SciPy
    from scipy.stats import kstest, kstwo

    n, count = len(p_values), int((p_values <= calibration.fpir).sum())
    smooth = p_values - np.random.default_rng(seed).random(n) / (calibration.n + 1)
    size = n * calibration.n / (n + calibration.n)
    p_value = float(kstwo.sf(kstest(smooth, "uniform").statistic, max(1, round(size))))
    verdict = "alike" if p_value >= SIGNIFICANCE else "nearer" if np.mean(smooth) < 0.5 else "farther"
    return Mismatch(
        n,
        calibration.fpir,
        count / n,
        float(betaincinv(count, n - count + 1, 0.025)) if count else 0.0,
        float(betaincinv(count + 1, n - count, 0.975)) if count < n else 1.0,
        p_value,
        verdict,
    )
