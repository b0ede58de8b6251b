"""The pixel cache: what it keeps, when it is used again, when it is made anew."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.test_untrusted import HOSTILE

from semelha.deep.cache import open_cache
from semelha.embedders import InputSpec
from semelha.errors import TrainingError
from semelha.images import Dataset, content_hash, fit, read_folder


def spec(size: int, channels: int = 1) -> InputSpec:
    return InputSpec(height=size, width=size, channels=channels)


def folder_of(path: Path, count: int = 3) -> Dataset:
    chance = np.random.default_rng(0)
    for label in "ab":
        (path / label).mkdir(parents=True)
        for number in range(count):
            pixels = chance.integers(0, 256, (20, 30, 3), np.uint8)
            Image.fromarray(pixels).save(path / label / f"{number}.png")
    return read_folder(path)


@pytest.mark.parametrize("channels", [1, 3])
def test_holds_the_fitted_pictures_in_order(tmp_path: Path, channels: int) -> None:
    dataset = folder_of(tmp_path / "data")
    cache = open_cache(dataset, tmp_path, spec(16, channels))
    assert cache.pixels.shape == (6, channels, 16, 16)
    for i, picture in enumerate(dataset):
        expected = fit(picture.pixels(), (16, 16), channels=channels).transpose(2, 0, 1)
        assert np.array_equal(cache.pixels[i], expected)
        assert cache.hashes[i] == content_hash(picture.pixels())


def test_another_way_to_fit_is_another_cache(tmp_path: Path) -> None:
    dataset = folder_of(tmp_path / "data")
    padded = np.array(open_cache(dataset, tmp_path, spec(16)).pixels)
    stretched = open_cache(dataset, tmp_path, spec(16).model_copy(update={"fit": "stretch"})).pixels
    assert not np.array_equal(padded, stretched)


def test_is_used_again_and_made_anew_when_a_picture_changed(tmp_path: Path) -> None:
    dataset = folder_of(tmp_path / "data")
    open_cache(dataset, tmp_path, spec(16, 1))
    made = (tmp_path / "pixels.u8").stat().st_mtime_ns
    open_cache(dataset, tmp_path, spec(16, 1))
    assert (tmp_path / "pixels.u8").stat().st_mtime_ns == made
    Image.new("RGB", (9, 9)).save(tmp_path / "data" / "a" / "0.png")
    again = open_cache(dataset, tmp_path, spec(16, 1))
    assert again.pixels[0].max() < 255
    assert open_cache(dataset, tmp_path, spec(8, 1)).pixels.shape[2] == 8


def test_an_index_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    dataset = folder_of(tmp_path / "data")
    open_cache(dataset, tmp_path, spec(16, 1))
    (tmp_path / "pixels.json").write_text('{"key": "')
    assert len(open_cache(dataset, tmp_path, spec(16, 1)).pixels) == 6


def test_bad_pictures_are_left_out_and_listed(tmp_path: Path) -> None:
    dataset = folder_of(tmp_path / "data")
    file = tmp_path / "data" / "a" / "1.png"
    file.write_bytes(file.read_bytes()[:100])
    cache = open_cache(dataset, tmp_path, spec(16, 1))
    assert len(cache.pixels) == len(cache.dataset) == len(cache.hashes) == 5
    assert [Path(skipped.name).name for skipped in cache.dataset.skipped] == ["1.png"]


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = folder_of(tmp_path / "data")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainingError, match="No space left"):
        open_cache(dataset, tmp_path, spec(16, 1))


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE.keys())
def test_an_index_that_is_no_plain_document_is_made_anew(document: bytes, tmp_path: Path) -> None:
    dataset = folder_of(tmp_path / "data", count=1)
    open_cache(dataset, tmp_path / "cache", spec(8))
    (tmp_path / "cache" / "pixels.json").write_bytes(document)
    assert len(open_cache(dataset, tmp_path / "cache", spec(8)).pixels) == 2
