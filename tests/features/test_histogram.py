"""Histograms: counted plainly, on the simplex, in color spaces as scikit-image has them."""

import numpy as np
import pytest
from skimage.color import rgb2hsv, rgb2lab

from semelha.errors import UsageError
from semelha.features import Histogram
from semelha.features.histogram import channels_of
from semelha.metrics import METRICS

random = np.random.default_rng(0)
PICTURES = random.integers(0, 256, (4, 30, 41, 3), np.uint8)


@pytest.mark.parametrize("bins", [2, 7, 16, 256])
def test_channels_are_counted_side_by_side(bins: int) -> None:
    edges = np.ceil(np.arange(bins + 1) * 256 / bins)
    counts = np.concatenate([np.histogram(PICTURES[0, ..., c], edges - 0.5)[0] for c in range(3)])
    expected = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    np.testing.assert_allclose(Histogram(bins=bins, alpha=0.5)(PICTURES[0]), expected, rtol=1e-6)


def test_joint_bins_are_those_of_a_cube() -> None:
    edges = [np.arange(5) * 64 - 0.5] * 3
    cells = [PICTURES[0, :15], PICTURES[0, 15:]]
    counts = np.concatenate([np.histogramdd(cell.reshape(-1, 3), edges)[0].ravel() for cell in cells])
    found = Histogram(bins=4, joint=True, grid=(2, 1), alpha=0)(PICTURES[0])
    np.testing.assert_allclose(found, counts / counts.sum(), rtol=1e-6)


@pytest.mark.parametrize("color", ["grey", "rgb", "hsv", "lab"])
def test_every_metric_of_histograms_takes_them(color: str) -> None:
    x = Histogram(color, bins=8).batch(PICTURES)  # type: ignore[arg-type]
    np.testing.assert_allclose(x.sum(axis=1), 1, rtol=1e-6)
    assert (x > 0).all()
    for kind in METRICS.values():
        if kind.domain == "histograms":
            assert kind().nearest(x, x, 1).positions[:, 0].tolist() == [0, 1, 2, 3]


def test_lab_is_that_of_scikit_image() -> None:
    expected = rgb2lab(PICTURES) * [2.55, 1, 1] + [0, 128, 128]
    assert np.abs(channels_of(PICTURES, "lab") - expected).max() < 0.51


def test_hsv_is_that_of_scikit_image() -> None:
    difference = np.abs(channels_of(PICTURES, "hsv") - 255 * rgb2hsv(PICTURES))
    difference[..., 0] = np.minimum(difference[..., 0], 255 - difference[..., 0])  # around the circle
    assert difference.max() < 1.01


def test_black_and_white_have_the_ends_of_every_space() -> None:
    ends = np.array([[[[0, 0, 0], [255, 255, 255]]]], np.uint8)
    assert channels_of(ends, "lab")[0, 0].tolist() == [[0, 128, 128], [255, 128, 128]]
    assert channels_of(ends, "hsv")[0, 0].tolist() == [[0, 0, 0], [0, 0, 255]]
    assert channels_of(ends, "grey")[0, 0].tolist() == [[0], [255]]


def test_color_is_told_and_grey_is_not() -> None:
    red, blue = np.zeros((2, 9, 9, 3), np.uint8)
    red[..., 0], blue[..., 2] = 128, 255
    assert not np.allclose(Histogram("hsv")(red), Histogram("hsv")(blue))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bins": 1}, "2 to 256"),
        ({"bins": 257}, "2 to 256"),
        ({"bins": 64, "joint": True}, "262144"),
        ({"color": "grey", "joint": True}, "several"),
        ({"alpha": -1}, "alpha"),
        ({"grid": (3,)}, "two whole numbers"),
    ],
)
def test_arguments_that_are_wrong(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Histogram(**wrong)  # type: ignore[arg-type]
