"""Photo-like pictures: the product is found and kept, its background is replaced, and a seed gives one result."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semelha.errors import PictureError
from semelha.images import read_dataset
from semelha.images.photo_like import is_clean, photo_like, product_mask

GROCERY = Path(os.environ.get("SEMELHA_DATA", "no data"), "grocery", "open")
RED, GREEN, WHITE = (200, 30, 30), (30, 130, 40), (250, 250, 250)


def disk(height: int = 120, width: int = 100, radius: int = 35) -> np.ndarray:
    """(height, width) bool."""
    rows, columns = np.ogrid[:height, :width]
    return (rows - height / 2) ** 2 + (columns - width / 2) ** 2 <= radius**2


def product(color: tuple[int, int, int] = RED, hole: int = 0) -> np.ndarray:
    """(120, 100, 3): a disk on white, if wanted with a white disk in it."""
    pixels = np.full((120, 100, 3), WHITE, np.uint8)
    pixels[disk()] = color
    pixels[disk(radius=hole)] = WHITE
    return pixels


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def noise(height: int = 60, width: int = 80) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def ramp() -> np.ndarray:
    return np.repeat(np.linspace(0, 255, 80).astype(np.uint8)[None, :, None], 60, axis=0).repeat(3, axis=2)


def test_what_has_a_plain_border_is_clean() -> None:
    assert is_clean(product())
    assert is_clean(jpeg(product(), 30))
    assert is_clean(np.full((5, 5, 3), 9, np.uint8))
    assert not is_clean(noise())
    assert not is_clean(ramp())


def test_the_product_is_found_on_its_background() -> None:
    assert np.array_equal(product_mask(product()), disk())
    close = product_mask(jpeg(product(), 50)) != disk()
    assert close.mean() < 0.02, "a few pixels at the edge"


def test_parts_in_the_color_of_the_background_stay_in_the_product() -> None:
    assert np.array_equal(product_mask(product(hole=20)), disk())


def test_noise_of_the_background_is_no_product() -> None:
    pixels = product()
    pixels[3, 3] = RED
    assert np.array_equal(product_mask(pixels), disk())


@pytest.mark.parametrize("pixels", [noise(), ramp(), np.full((40, 30, 3), 250, np.uint8)])
def test_without_a_plain_border_or_a_product_all_is_product(pixels: np.ndarray) -> None:
    assert product_mask(pixels).all()


def test_a_seed_gives_one_result_and_changes_no_input() -> None:
    picture, backgrounds = product(), [noise(), ramp()]
    before = picture.copy(), [one.copy() for one in backgrounds]
    one, same, other = (photo_like(picture, backgrounds, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert one.shape != other.shape or not np.array_equal(one, other)
    assert np.array_equal(picture, before[0])
    assert all(np.array_equal(one, kept) for one, kept in zip(backgrounds, before[1], strict=True))


@pytest.mark.parametrize("shape", [(60, 80), (400, 100)])
def test_the_result_has_the_side_of_the_picture_and_the_proportions_of_the_background(shape: tuple[int, int]) -> None:
    found = photo_like(product(), [noise(*shape)], np.random.default_rng(0))
    assert found.dtype == np.uint8
    assert found.shape == {(60, 80): (90, 120, 3), (400, 100): (120, 30, 3)}[shape]
    assert photo_like(product(), [], np.random.default_rng(0)).shape == (120, 100, 3)


def test_the_product_stays_and_its_background_goes() -> None:
    """Red fills a part of the frame, and around it is the green of the photo."""
    background = np.full((100, 100, 3), GREEN, np.uint8)
    shares = []
    for seed in range(40):
        found = photo_like(product(), [background], np.random.default_rng(seed)).astype(int)
        red = found[..., 0] > found[..., 1] + 15
        shares.append([red.mean(), (found[..., 1] > found[..., 0] + 15).mean()])
    reds, greens = np.array(shares).T
    assert reds.min() > 0.1
    assert 0.3 < np.median(reds) < 0.7
    assert np.ptp(reds) > 0.2, "of several sizes"
    assert 0.6 < (greens > 0.1).mean() < 1, "the others have a plain color"


def test_a_picture_that_is_not_clean_is_pasted_whole() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::16], stripes[:, 8::16] = RED, RED
    stripes[:, 4:8], stripes[:, 20:24] = WHITE, WHITE
    assert not is_clean(stripes)
    found = photo_like(stripes, [], np.random.default_rng(3))
    assert found.shape == stripes.shape
    assert found.std() > 10


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3), (7, 5)])
def test_pictures_of_few_pixels(shape: tuple[int, int]) -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        for picture, background in ((noise(*shape), product()), (product(), noise(*shape))):
            found = photo_like(picture, [background], random)
            assert found.ndim == 3
            assert max(found.shape[:2]) == max(picture.shape[:2])


@pytest.mark.parametrize(
    ("picture", "backgrounds"),
    [
        (np.zeros((4, 4, 3)), []),
        (np.zeros((4, 4, 4), np.uint8), []),
        (np.zeros((0, 4, 3), np.uint8), []),
        (product(), [np.zeros((4, 4, 3))]),
    ],
)
def test_arrays_that_are_no_pictures(picture: np.ndarray, backgrounds: list[np.ndarray]) -> None:
    with pytest.raises(PictureError):
        photo_like(picture, backgrounds, np.random.default_rng(0))


@pytest.mark.skipif(not GROCERY.is_dir(), reason="SEMELHA_DATA names no folder with the grocery pictures")
def test_pictures_of_a_catalogue_are_clean_and_photos_of_shelves_are_not() -> None:
    pictures = read_dataset(GROCERY, check=False)
    iconic = [p for p in pictures if p.domain == "iconic"]
    photos = [p for p in pictures if p.domain is None][::30]
    assert np.mean([is_clean(p.pixels()) for p in iconic]) > 0.9
    assert np.mean([is_clean(p.pixels()) for p in photos]) < 0.1
