"""Gaussians as rows: packed, unpacked and checked."""

import numpy as np
import pytest
from tests.metrics.made import rows

from semelha.errors import UsageError
from semelha.metrics import GaussianKullbackLeibler, pack_gaussians, unpack_gaussians

METRIC = GaussianKullbackLeibler()


def test_there_and_back() -> None:
    means = np.array([[1.0, 2.0]])
    covariances = np.array([[[5.0, 1.0], [1.0, 4.0]]])
    x = pack_gaussians(means, covariances)
    assert x.tolist() == [[1, 2, 5, 1, 4]]
    mean, covariance = unpack_gaussians(x)
    assert (mean == means).all()
    assert (covariance == covariances).all()


def test_one_number_is_the_closed_form() -> None:
    q, s = (
        pack_gaussians(np.array([[1.0]]), np.array([[[4.0]]])),
        pack_gaussians(np.array([[3.0]]), np.array([[[9.0]]])),
    )
    assert METRIC.pairwise(q, s).item() == pytest.approx(np.log(3 / 2) + (4 + 4) / 18 - 0.5)


def test_far_from_the_origin_rows_are_still_told_apart() -> None:
    """Where the map cancels, `between` and `nearest` do not."""
    x = rows(METRIC, 20)
    x[:, :3] += 1e5
    near = rows(METRIC, 20)
    np.testing.assert_allclose(METRIC.between(x, x[::-1]), METRIC.between(near, near[::-1]), rtol=1e-6)
    assert METRIC.nearest(x, x, 1).positions[:, 0].tolist() == list(range(20))


@pytest.mark.parametrize(
    ("covariance", "message"),
    [([[1.0, 2.0], [2.0, 1.0]], "eigenvalue -1"), ([[1.0, 1.0], [1.0, 1.0]], "positive definite")],
)
def test_covariances_that_are_not_positive_definite(covariance: list[list[float]], message: str) -> None:
    x = pack_gaussians(np.zeros((3, 2)), np.array([np.eye(2), covariance, np.eye(2)]))
    with pytest.raises(UsageError, match=rf"row 1 of the second array.*{message}"):
        METRIC.pairwise(x[:1], x)


def test_shapes_that_are_wrong() -> None:
    with pytest.raises(UsageError, match="not symmetric"):
        pack_gaussians(np.zeros((1, 2)), np.array([[[1.0, 0.5], [0.0, 1.0]]]))
    with pytest.raises(UsageError, match="do not match"):
        pack_gaussians(np.zeros((1, 2)), np.ones((1, 3, 3)))
    for length in (0, 1, 3, 4, 6):
        with pytest.raises(UsageError, match="pack_gaussians"):
            METRIC.pairwise(np.ones((1, length)), np.ones((1, length)))
