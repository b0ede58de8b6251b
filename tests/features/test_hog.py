"""Gradients as scikit-image has them."""

import numpy as np
import pytest
from skimage.feature import hog

from semelha.errors import UsageError
from semelha.features import HOG
from semelha.images import fit, glyphs

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 60, 44, 3), np.uint8)


def theirs(features: HOG, picture: np.ndarray) -> np.ndarray:
    return hog(
        fit(picture, features.size, channels=features.channels).astype(float),
        orientations=features.orientations,
        pixels_per_cell=(features.cell, features.cell),
        cells_per_block=(features.block, features.block),
        block_norm="L2-Hys",
        channel_axis=-1,
    )


@pytest.mark.parametrize(
    "features",
    [
        HOG(),
        HOG(channels=3),
        HOG((50, 70), orientations=7, cell=6, block=3),
        HOG((33, 32), orientations=4, cell=5, block=1, channels=3),
        HOG((16, 16), orientations=18, cell=16, block=1),
        HOG((4, 4), orientations=1, cell=1, block=4),
    ],
    ids=repr,
)
def test_agrees_with_scikit_image(features: HOG) -> None:
    drawn = glyphs(["Greek"], size=48).pictures[0].pixels()
    for picture in (*PICTURES, drawn, PICTURES[0] // 128 * 255):
        np.testing.assert_allclose(features(picture), theirs(features, picture), rtol=1e-6, atol=1e-7)


def test_a_flat_picture_has_no_edges() -> None:
    assert (HOG()(np.full((64, 64, 3), 90, np.uint8)) == 0).all()


def test_light_is_no_matter() -> None:
    """Twice the contrast has the same directions."""
    dim = np.repeat(PICTURES[0, ..., :1] // 4, 3, axis=2)  # grey, which stays what it is
    np.testing.assert_allclose(HOG((60, 44))(dim), HOG((60, 44))(dim * 3), atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": (12, 64)}, "does not fit into 12 × 64"),
        ({"cell": 40}, "does not fit"),
        ({"channels": 2}, "one of 1, 3"),
        ({"orientations": 0}, "from 1 to 360"),
        ({"size": (1024, 1024)}, "at most 65536"),
    ],
)
def test_arguments_that_are_wrong(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        HOG(**wrong)  # type: ignore[arg-type]
