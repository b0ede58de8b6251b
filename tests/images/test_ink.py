"""What is drawn on an even background: found, cut out, brought closer."""

import numpy as np
import pytest

from semelha.images import fit, without_background
from semelha.images.fit import background_of, normalize_ink


def drawn(
    top: int, left: int, height: int, width: int, *, side: int = 100, paper: int = 255, ink: int = 0
) -> np.ndarray:
    pixels = np.full((side, side, 3), paper, np.uint8)
    pixels[top : top + height, left : left + width] = ink
    return pixels


def middle(pixels: np.ndarray) -> np.ndarray:
    """Mean place of what is dark, as a part of the sides."""
    return (np.argwhere(pixels[..., 0] < 128).mean(axis=0) + 0.5) / pixels.shape[:2]


def test_the_background_is_the_color_of_three_corners() -> None:
    pixels = np.full((20, 30, 3), (10, 200, 10), np.uint8)
    pixels[0, 0] = 255
    assert background_of(pixels).tolist() == [10, 200, 10]
    pixels[-1, -1] = 0
    assert background_of(pixels) is None


def test_the_background_is_cut() -> None:
    pixels = np.full((20, 30, 3), (10, 200, 10), np.uint8)
    pixels[4:9, 6:16] = 255
    assert without_background(pixels).shape == (5, 10, 3)
    assert without_background(np.full((20, 30, 3), 7, np.uint8)).shape == (20, 30, 3)
    pixels[0, [0, -1]] = 255
    assert without_background(pixels).shape == (20, 30, 3)


@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (0, 255)])
def test_closer_has_the_drawing_in_the_middle_wherever_it_was(paper: int, ink: int) -> None:
    """Up to the corner, and white on black too."""
    closer = [normalize_ink(drawn(y, x, 20, 12, paper=paper, ink=ink)) for y, x in [(0, 0), (80, 88), (41, 33)]]
    assert all(np.array_equal(closer[0], other) for other in closer)
    assert middle(closer[0] if ink == 0 else 255 - closer[0]) == pytest.approx([0.5, 0.5], abs=0.02)


def test_closer_is_half_way() -> None:
    """Four times smaller is two times smaller afterwards: size still tells, but less."""
    parts = [
        (fit(normalize_ink(drawn(30, 30, s, s)), (100, 100), channels=1, mode="stretch") < 128).mean() for s in (10, 40)
    ]
    assert parts[1] / parts[0] == pytest.approx(4, rel=0.15)


def test_ink_that_fills_the_picture_is_hardly_changed() -> None:
    pixels = drawn(4, 4, 92, 92)
    side = np.sqrt(100 * 4.4 * 92 / np.sqrt(12))  # four deviations of an even spread and a tenth, half-way to 100
    assert normalize_ink(pixels).shape == pytest.approx((side, side, 3), abs=1)


def test_a_thin_stroke_is_not_spread_without_end() -> None:
    closer = normalize_ink(drawn(10, 50, 80, 1))
    assert closer.shape[1] == pytest.approx(100 / np.sqrt(8), abs=1)


def test_nothing_drawn_or_no_even_background_stays_as_it_is() -> None:
    blank = np.full((9, 14, 3), 200, np.uint8)
    photo = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    photo[[0, 0, -1, -1], [0, -1, 0, -1]] = [[0] * 3, [255] * 3, [90] * 3, [170] * 3]
    for pixels in (blank, photo, np.zeros((1, 1, 3), np.uint8)):
        assert normalize_ink(pixels) is pixels


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (2, 2), (300, 10)])
def test_any_shape_comes_through(shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), 255, np.uint8)
    pixels[shape[0] // 2, shape[1] // 2] = 0
    assert fit(pixels, (16, 16), channels=1, mode="ink").shape == (16, 16, 1)
