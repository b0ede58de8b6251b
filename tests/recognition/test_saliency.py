"""The saliency map is high where the embedder looks, and nowhere else."""

from collections.abc import Sequence

import numpy as np
import pytest

from semelha.errors import UsageError
from semelha.metrics import Cosine, Euclidean, KullbackLeibler
from semelha.recognition import occlusion_saliency
from semelha.recognition.saliency import Fill

SIDE = 40


def noise(height: int = SIDE, width: int = SIDE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def corner(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Sees the eight by eight pixels at the upper left and nothing else."""
    return np.stack([picture[:8, :8].reshape(-1) for picture in pictures]).astype(np.float32)


def right_half(pictures: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([picture[:, picture.shape[1] // 2 :].reshape(-1) for picture in pictures]).astype(np.float32)


@pytest.mark.parametrize("fill", ["blur", "mean"])
def test_who_looks_at_one_corner_lights_up_that_corner_alone(fill: Fill) -> None:
    """Exactly zero where no window that touches the corner reaches, and strongest in the corner."""
    maps = occlusion_saliency(corner, Euclidean(), noise(), corner([noise()]), fill=fill)
    (saliency,) = maps.increases
    assert (maps.cell, saliency.shape) == (4, (10, 10))
    lit = saliency > 0
    assert lit[:3, :3].all()
    assert not saliency[3:].any()
    assert not saliency[:, 3:].any()
    assert np.argwhere(saliency > saliency.max() / 2).max() <= 1


def test_by_a_plain_loop() -> None:
    """Mean over the windows of two by two cells that hide a cell, on a picture that is no multiple of cells."""
    pixels = noise(23, 37)
    reference = np.random.default_rng(1).normal(size=(2, 23 * 19 * 3)).astype(np.float32)
    maps = occlusion_saliency(right_half, Cosine(), pixels, reference, cells=5, fill="mean")
    cell, mean = 8, np.rint(pixels.mean(axis=(0, 1))).astype(np.uint8)

    def distances(picture: np.ndarray) -> np.ndarray:
        return Cosine().pairwise(right_half([picture]).astype(float), reference.astype(float))[0]

    expected = np.zeros((2, 3, 5))
    for row in range(3):
        for column in range(5):
            for top in (row - 1, row):
                for left in (column - 1, column):
                    changed = pixels.copy()
                    for y in range(23):
                        for x in range(37):
                            if top <= y // cell <= top + 1 and left <= x // cell <= left + 1:
                                changed[y, x] = mean
                    expected[:, row, column] += (distances(changed) - distances(pixels)) / 4
    np.testing.assert_allclose(maps.increases, expected, atol=1e-12)


def test_what_is_unlike_the_reference_is_below_zero() -> None:
    """Where hiding a part brings the picture nearer."""
    pixels = np.full((SIDE, SIDE, 3), 100, np.uint8)
    clean = corner([pixels])
    pixels[2:6, 2:6] = 255
    (saliency,) = occlusion_saliency(corner, Euclidean(), pixels, clean).increases
    assert saliency[0, 0] < 0
    assert saliency.max() <= 0


def test_the_picture_is_embedded_in_blocks() -> None:
    sizes = []

    def counted(pictures: Sequence[np.ndarray]) -> np.ndarray:
        sizes.append(len(pictures))
        return corner(pictures)

    occlusion_saliency(counted, Euclidean(), noise(), corner([noise()]))
    assert sum(sizes) == 1 + 11 * 11
    assert max(sizes) <= 32


def test_a_picture_of_one_pixel() -> None:
    maps = occlusion_saliency(
        lambda some: np.stack([p[0, 0] for p in some]), Euclidean(), noise(1, 1), np.zeros((1, 3), np.float32)
    )
    assert maps.increases.tolist() == [[[0.0]]]


def test_what_cannot_be_told() -> None:
    for words in ({"cells": 0}, {"fill": "black"}):
        with pytest.raises(UsageError):
            occlusion_saliency(corner, Euclidean(), noise(), corner([noise()]), **words)  # type: ignore[arg-type]
    infinite = np.array([[0, 1]], np.float32)  # KL(q‖s) where s is zero and q is not
    with pytest.raises(UsageError, match="not finite"):
        occlusion_saliency(lambda some: np.full((len(some), 2), 0.5, np.float32), KullbackLeibler(), noise(), infinite)
