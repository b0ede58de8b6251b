"""The test of the assumption: silent where it holds, and right about the side where it does not."""

import numpy as np
import pytest

from semelha.recognition import measure_mismatch, split_conformal

FPIR = 0.1


def test_it_is_silent_as_often_as_it_should_be() -> None:
    random = np.random.default_rng(0)
    verdicts = []
    for seed in range(400):
        calibration = split_conformal(random.random(2000), FPIR)
        verdicts.append(measure_mismatch(calibration.p_values(random.random(50)), calibration, seed=seed).verdict)
    assert verdicts.count("alike") >= 388


def test_it_is_silent_of_more_probes_than_were_calibrated_on() -> None:
    """All p-values are counted among the same few scores, which are never like their distribution to the last."""
    random = np.random.default_rng(3)
    verdicts = []
    for seed in range(400):
        calibration = split_conformal(random.random(50), FPIR)
        verdicts.append(measure_mismatch(calibration.p_values(random.random(1000)), calibration, seed=seed).verdict)
    assert verdicts.count("alike") >= 388


def test_what_it_says_of_the_rate_is_what_was_measured() -> None:
    """Probes may come nearer on the whole, and none of them so near as to be named."""
    random = np.random.default_rng(4)
    calibration = split_conformal(random.random(500), FPIR)
    found = measure_mismatch(calibration.p_values(0.2 + 0.2 * random.random(200)), calibration, seed=0)
    assert found.verdict == "nearer"
    assert found.achieved == 0
    assert "exceeded" not in found.message
    assert "below the calibrated one" in found.message


@pytest.mark.parametrize(("power", "verdict"), [(2, "nearer"), (0.6, "farther")])
def test_it_says_on_which_side(power: float, verdict: str) -> None:
    random = np.random.default_rng(1)
    calibration = split_conformal(random.random(500), FPIR)
    found = measure_mismatch(calibration.p_values(random.random(200) ** power), calibration, seed=0)
    assert found.verdict == verdict
    assert (found.achieved > FPIR) == (verdict == "nearer")
    assert found.low < found.achieved < found.high
    assert verdict in found.message
    assert "200 probes" in found.message
