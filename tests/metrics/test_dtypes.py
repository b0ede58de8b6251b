"""Every metric with every dtype and with numbers at the ends of their range: right numbers, or one sentence."""

import warnings

import numpy as np
import pytest
from tests.metrics.made import EVERY, rows

from semelha.errors import UsageError
from semelha.metrics import Metric, additive_smoothing, pack_gaussians

every_metric = pytest.mark.parametrize("metric", EVERY, ids=lambda metric: metric.name)
DTYPES = ["f2", ">f2", "f4", ">f4", "f8", ">f8", "g", "i1", "u1", "i8", "u8", "?", "O"]
NUMBERS = [0.0, 1e-320, 1e-310, 1e-160, 1e-40, 1e-8, 300.0, 7e4, 1e19, 1e30, 1e150, 1e160, 1e300, np.inf, np.nan]


def scaled(metric: Metric, number: float, n: int, seed: int) -> np.ndarray:
    """Rows whose size is `number`: Gaussians of that covariance, histograms with such a bin."""
    with np.errstate(all="ignore"):
        if metric.domain == "gaussians":
            return pack_gaussians(np.full((n, 2), number), np.broadcast_to(np.eye(2) * number, (n, 2, 2)))
        if metric.domain == "histograms":
            return np.concatenate([np.ones((n, 1)), np.full((n, 4), number)], axis=1)
        return rows(metric, n, seed) * number


def distances(metric: Metric, q: np.ndarray, s: np.ndarray) -> list[np.ndarray]:
    return [metric.pairwise(q, s), metric.between(q, s[: len(q)]), metric.nearest(q, s, 2).distances]


@every_metric
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mixed", [False, True])
def test_numbers_are_right_in_every_dtype(metric: Metric, dtype: str, mixed: bool) -> None:
    q, s = rows(metric, 4).astype(dtype), rows(metric, 5, seed=1)
    s = s if mixed else s.astype(dtype)
    try:
        found = distances(metric, q, s)
    except UsageError:  # such as histograms of whole numbers
        assert np.dtype(dtype).kind not in "fO" or (dtype[-2:] == "f2" and metric.domain == "histograms")
        return
    expected = distances(metric, q.astype(np.float64), s.astype(np.float64))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype in (np.float32, np.float64)
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


@every_metric
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g"])
def test_numbers_at_the_ends_of_their_range(metric: Metric, dtype: str) -> None:
    """No warning, no exception of NumPy, and never NaN."""
    for number in NUMBERS:
        with warnings.catch_warnings(action="ignore"):  # of this conversion
            q, s = (scaled(metric, number, *each).astype(dtype) for each in ((3, 0), (4, 1)))
        try:
            found = distances(metric, q, s)
        except UsageError:
            continue
        assert not any(np.isnan(each).any() for each in found), number


@pytest.mark.parametrize("dtype", ["U8", "M8[s]", "S3", "c8", "V4"])
@every_metric
def test_what_is_no_number(metric: Metric, dtype: str) -> None:
    q = np.zeros(rows(metric, 2).shape, dtype)
    with pytest.raises(UsageError, match=r"a metric takes (real )?numbers, and got"):
        metric.pairwise(q, q)
    with pytest.raises(UsageError, match="numbers, and got"):
        metric.pairwise(np.full(q.shape, None), q)


def test_a_covariance_that_is_too_small_is_named() -> None:
    metric = next(each for each in EVERY if each.name == "gaussian-kullback-leibler")
    x = pack_gaussians(np.zeros((2, 2)), np.stack([np.eye(2), np.eye(2) * 1e-310]))
    with pytest.raises(
        UsageError, match="row 1 of the first array has the eigenvalue 1e-310: it is too small for float64"
    ):
        metric.pairwise(x, x)


@pytest.mark.parametrize("dtype", ["f2", "g", "i1", "?"])
def test_smoothing_in_every_dtype(dtype: str) -> None:
    counts = np.array([[1, 0, 1]]).astype(dtype)
    np.testing.assert_allclose(additive_smoothing(counts), [[0.4, 0.2, 0.4]], rtol=1e-6)
