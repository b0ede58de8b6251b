"""The one preprocessing, the name of a picture's content, and the file that is kept of it."""

import io

import numpy as np
import pytest
from PIL import Image

from semelha.images import content_hash, decode, encode, fit


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("mode", ["pad", "stretch", "crop", "ink"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (7, 9), (32, 48), (300, 200)])
def test_the_shape_that_was_asked_for(shape: tuple[int, int], channels: int, mode: str) -> None:
    fitted = fit(noise(*shape), (32, 48), channels=channels, mode=mode)
    assert fitted.shape == (32, 48, channels)
    assert fitted.dtype == np.uint8


def test_a_picture_that_fits_is_left_alone() -> None:
    pixels = noise(32, 48)
    assert np.array_equal(fit(pixels, (32, 48), channels=3), pixels)


def test_padding_keeps_the_proportions_and_centers() -> None:
    black = np.zeros((10, 20, 3), np.uint8)
    fitted = fit(black, (40, 40), channels=3, background=200)
    assert (fitted[10:30] == 0).all()
    assert (fitted[:10] == 200).all()
    assert (fitted[30:] == 200).all()
    assert (fit(black, (40, 40), channels=3, mode="stretch") == 0).all()


def test_cropping_takes_the_center_and_keeps_the_proportions() -> None:
    """As CLIP and timm evaluate: the shorter side is resized, and the longer one is cut at both ends."""
    steps = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (50, 200, 3))
    wide = fit(steps, (10, 10), channels=3, mode="crop")[:, :, 0]
    assert np.abs(wide - (77 + 5 * np.arange(10))).max() <= 1
    assert np.array_equal(fit(steps.transpose(1, 0, 2), (10, 10), channels=3, mode="crop")[:, :, 0], wide.T)
    resized = Image.fromarray(np.ascontiguousarray(steps)).resize((40, 10), Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(resized)[:, 15:25, 0].astype(int) - wide).max() <= 1


def test_cropping_takes_pictures_of_any_proportions() -> None:
    """The box of the crop is computed in floating point, and Pillow refuses one that exceeds the picture."""
    rng = np.random.default_rng(0)
    for height, width, *size in rng.integers(1, 90, (300, 4)).tolist():
        assert fit(np.zeros((height, width, 3), np.uint8), size, channels=1, mode="crop").shape == (*size, 1)


def test_one_channel_is_the_luma_of_itu_r_601() -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert fit(pixels, (1, 4), channels=1)[0, :, 0].tolist() == [76, 150, 29, 255]


def test_making_smaller_averages() -> None:
    """Without anti-aliasing, fine stripes would turn into coarse ones."""
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit(stripes, (33, 33), channels=1).astype(int) - 127).max() <= 3


def test_a_part_of_a_larger_array_fits() -> None:
    pixels = noise(40, 40)
    assert np.array_equal(
        fit(pixels[5:15, 8:30], (16, 16), channels=3), fit(pixels[5:15, 8:30].copy(), (16, 16), channels=3)
    )


def test_the_hash_is_of_the_pixels_not_of_the_file() -> None:
    pixels = noise(12, 8)
    files = [io.BytesIO() for _ in range(3)]
    for file, (format, options) in zip(files, [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})], strict=True):
        Image.fromarray(pixels).save(file, format, **options)
    assert {content_hash(decode(file.getvalue())) for file in files} == {content_hash(pixels)}


def test_other_content_has_another_hash() -> None:
    pixels = noise(12, 8)
    changed = pixels.copy()
    changed[0, 0, 0] ^= 1
    others = [pixels, changed, pixels.reshape(8, 12, 3), pixels[:, ::-1]]
    assert len({content_hash(other) for other in others}) == len(others)
    assert content_hash(pixels[:, ::-1]) == content_hash(pixels[:, ::-1].copy())


def test_a_kept_picture_is_small_and_alike() -> None:
    wide = np.repeat(np.linspace(0, 255, 2000).astype(np.uint8)[None, :, None], 3, axis=2).repeat(800, axis=0)
    kept = decode(encode(wide))
    assert kept.shape == (205, 512, 3)
    assert np.abs(kept.astype(int) - fit(wide, (205, 512), channels=3, mode="stretch")).mean() < 3
    assert len(encode(wide)) < 20_000


def test_line_art_is_kept_without_loss() -> None:
    drawing = np.full((64, 64, 3), 255, np.uint8)
    drawing[20:22, 5:60] = drawing[5:60, 30:31] = 0
    assert np.array_equal(decode(encode(drawing)), drawing)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1)])
def test_pictures_of_any_shape_are_kept(shape: tuple[int, int]) -> None:
    assert max(decode(encode(noise(*shape))).shape[:2]) == min(512, max(shape))
