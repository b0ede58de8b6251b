"""Raw pixels: the baseline on the pictures that the demo uses."""

import numpy as np
import pytest

from semelha.features import RawPixels
from semelha.images import TEST_SCRIPTS, glyphs


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("centered", [False, True])
def test_a_vector_of_the_pixels(channels: int, centered: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    features = RawPixels((16, 24), channels=channels, centered=centered)
    vector = features(pixels)
    assert vector.shape == (features.dim,) == (16 * 24 * channels,)
    assert vector.dtype == np.float32
    assert 0 <= vector.min() < vector.max() <= 1


def test_the_name_tells_the_settings_apart() -> None:
    """An embedder's fingerprint is made of it."""
    kinds = [RawPixels(), RawPixels((16, 16)), RawPixels(channels=3), RawPixels(centered=True)]
    assert len({repr(kind) for kind in kinds}) == 4


def test_centered_forgets_where_the_thing_is() -> None:
    def square_at(row: int, column: int) -> np.ndarray:
        pixels = np.full((40, 40, 3), 255, np.uint8)
        pixels[row : row + 9, column : column + 9] = 0
        return pixels

    centered, whole = RawPixels(centered=True), RawPixels()
    assert np.array_equal(centered(square_at(2, 3)), centered(square_at(25, 20)))
    assert not np.array_equal(whole(square_at(2, 3)), whole(square_at(25, 20)))


@pytest.mark.parametrize(("centered", "least", "most"), [(True, 0.50, 0.56), (False, 0.64, 0.70)])
def test_the_baseline_is_neither_better_nor_worse_than_reported(centered: bool, least: float, most: float) -> None:
    """R@1 on scripts never seen: the other typefaces' drawings named by the nearest of DejaVu Sans."""
    dataset = glyphs(TEST_SCRIPTS)
    features = RawPixels(centered=centered)
    vectors = np.stack([features(picture.pixels()) for picture in dataset])
    gallery = np.array([picture.name.startswith("DejaVu Sans/") for picture in dataset])
    known, probes = vectors[gallery], vectors[~gallery]
    nearest = ((known**2).sum(axis=1) - 2 * probes @ known.T).argmin(axis=1)
    r_at_1 = (dataset.labels[gallery][nearest] == dataset.labels[~gallery]).mean()
    assert least <= r_at_1 <= most
