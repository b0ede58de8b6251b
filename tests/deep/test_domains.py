"""A training that has clean pictures of a catalogue beside photos: they meet in batches, and are made photo-like."""

import numpy as np

from semelha.deep.batches import augmented_views
from semelha.deep.cache import open_cache, split
from semelha.deep.domains import with_clean_pictures, with_photo_like
from semelha.deep.recipe import Recipe
from semelha.deep.sampler import Batch
from semelha.embedders import InputSpec
from semelha.images import Dataset, Picture

CLASSES = np.repeat(np.arange(10), 20)
CLEAN = np.arange(200) % 20 == 0
CLEAN[:20] = False  # the first class has none


def test_half_of_the_classes_have_a_clean_picture_in_a_batch() -> None:
    seen = 0
    for number in range(50):
        pictures = np.concatenate([np.arange(20 * label + 1, 20 * label + 4) for label in range(10)])
        batch = Batch(pictures, np.zeros(30, np.int64), CLASSES[pictures])
        found = with_clean_pictures(batch, CLASSES, CLEAN, [0, number])
        np.testing.assert_array_equal(CLASSES[found.pictures], batch.targets)
        assert set(found.pictures[3:]) - set(pictures) <= set(np.flatnonzero(CLEAN))
        np.testing.assert_array_equal(found.pictures[:3], pictures[:3])
        changed = found.pictures != pictures
        assert not changed.reshape(10, 3)[:, 1:].any()
        seen += changed.sum()
    assert 0.4 < seen / (50 * 9) < 0.6


def test_clean_pictures_are_made_photo_like_and_photos_stay() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (40, 3, 32, 32), np.uint8)
    clean = np.arange(40) < 20
    pixels[clean] = 255
    pixels[:20, :, 8:24, 8:24] = random.integers(0, 200, (20, 3, 1, 1), np.uint8)
    found = with_photo_like(pixels, clean, [1])
    np.testing.assert_array_equal(found[20:], pixels[20:])
    changed = (found[:20] != pixels[:20]).any(axis=(1, 2, 3))
    assert 5 <= changed.sum() <= 15
    assert (found[:20][changed][:, :, 0, 0] != 255).any()
    np.testing.assert_array_equal(with_photo_like(pixels, clean, [1]), found)
    assert with_photo_like(pixels[:, :1], clean, [1]).shape == (40, 1, 32, 32)
    assert with_photo_like(pixels[:20], clean[:20], [1]).shape == (20, 3, 32, 32)


def test_the_domain_of_a_data_set_reaches_the_views(tmp_path: object) -> None:
    random = np.random.default_rng(0)

    def picture(label: int, number: int) -> Picture:
        pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
        if number == 0:
            pixels[:] = 255
            pixels[8:24, 8:24] = 20 * label
        return Picture(pixels, f"c{label}", f"{label}-{number}", domain=None if number else "iconic")

    pictures = Dataset("shop", tuple(picture(c, n) for c in range(12) for n in range(4)))
    cache = open_cache(pictures, tmp_path, InputSpec(height=32, width=32, channels=3, fit="pad"))  # type: ignore[arg-type]
    training, validation = split(cache, Recipe(validation=0.25), seed=0)
    assert training.clean is not None
    assert validation is not None
    assert training.clean.sum() == len(training.labels)

    import torch

    def views(seed: int) -> np.ndarray:
        batch = Batch(np.arange(len(training.rows)), np.zeros(len(training.rows), np.int64), training.classes)
        plain = Recipe(augmentation=lambda x, generator: x.float())  # type: ignore[arg-type]
        return augmented_views(batch, training, 1, plain, torch.device("cpu"), [seed], coarse=False).numpy()

    same = (views(0) == training.read(np.arange(len(training.rows)))).all(axis=(1, 2, 3))
    assert same[~training.clean].all()
    assert 0 < same[training.clean].sum() < training.clean.sum()
    photos = pictures.select(np.flatnonzero(~pictures.is_clean).tolist())
    cache = open_cache(photos, tmp_path, InputSpec(height=32, width=32, channels=3, fit="pad"))  # type: ignore[arg-type]
    assert split(cache, Recipe(), seed=0)[0].clean is None
