"""Whether probes are like what a gallery was calibrated on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.calibration import Calibration

DOUBT = 0.01  # the test speaks below this


@dataclass(frozen=True)
class Mismatch:
    """What probes that are known say of a calibration.

    Attributes
    ----------
    probes : int
        Each of another subject or stranger, and compared with all other subjects.
    fpir : float
        That was asked for.
    achieved : float
        The part of the probes that would have been named as somebody else.
    low, high : float
        95% interval of Clopper and Pearson of `achieved`.
    p_value : float
        How probable it is that probes like those calibrated on differ so much (Kolmogorov–Smirnov, of two samples).
    verdict : {"alike", "nearer", "farther"}
        Whether the probes come as near to others as what was calibrated on, or nearer on the whole (so that more
        strangers pass), or less near (fewer pass, and more of the enrolled are refused than need be).
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
        """What it means, and what can be done."""
        measured = (
            f"of {self.probes} probes {self.achieved:.1%} would be named as somebody else (95% interval "
            f"{self.low:.1%}–{self.high:.1%}) where {self.fpir:.1%} was asked for"
        )
        if self.verdict == "alike":
            return f"Probes and gallery agree: {measured}."
        effect = "the rate may be another than was asked for"
        if self.low > self.fpir:
            effect = "the rate is exceeded"
        elif self.high < self.fpir:
            effect = "the rate is kept with room to spare"
        return (
            f"Probes come {self.verdict} than the gallery's own pictures (p = {self.p_value:.2g}), and {effect}: "
            f"{measured}. Calibrate with strangers or with confirmed pictures that are taken as the probes are."
        )


def measure_mismatch(p_values: NDArray[np.float64], calibration: Calibration, *, seed: int) -> Mismatch:
    """Test whether conformal p-values of strangers are uniform, as they are where the assumption holds.

    They are all counted among the same n scores, so that even of countless probes they are only as uniform as n scores
    are like the distribution that they come from. The distance to the uniform distribution is therefore that of two
    samples, m and n, and is judged by m · n / (m + n) (Smirnov, 1948).

    Parameters
    ----------
    p_values : (n,) float64
        Of probes without their own subject.
    calibration : Calibration
    seed : int
        Of the smoothing: p-values are multiples of 1 / (n + 1), and are spread evenly between them (Vovk, Gammerman &
        Shafer, 2005, section 2.2).
    """
    from scipy.special import betaincinv  # here, because identification does not need SciPy
    from scipy.stats import kstest, kstwo

    n, count = len(p_values), int((p_values <= calibration.fpir).sum())
    smooth = p_values - np.random.default_rng(seed).random(n) / (calibration.n + 1)
    size = n * calibration.n / (n + calibration.n)
    p_value = float(kstwo.sf(kstest(smooth, "uniform").statistic, max(1, round(size))))
    verdict = "alike" if p_value >= DOUBT else "nearer" if np.mean(smooth) < 0.5 else "farther"
    return Mismatch(
        n,
        calibration.fpir,
        count / n,
        float(betaincinv(count, n - count + 1, 0.025)) if count else 0.0,
        float(betaincinv(count + 1, n - count, 0.975)) if count < n else 1.0,
        p_value,
        verdict,
    )
