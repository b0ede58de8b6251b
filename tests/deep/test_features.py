"""Features on the disk: computed once, continued after an interruption, and computed again when something changed."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.tiny_model import noise, tiny_model

import semelha
from semelha.deep import features
from semelha.deep.features import compute_features, subset
from semelha.images import Dataset, Picture, read_folder


@pytest.fixture
def photos(tmp_path: Path) -> Dataset:
    for number in range(20):
        folder = tmp_path / "photos" / f"c{number % 5}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(number)).save(folder / f"{number}.png")
    dataset = read_folder(tmp_path / "photos")
    (tmp_path / "photos" / "c1" / "6.png").write_bytes(b"damaged after it was listed")
    return dataset


@pytest.fixture
def model(tmp_path: Path) -> semelha.Model:
    return tiny_model(tmp_path / "model")


def test_features_are_the_vectors_of_the_pictures_that_can_be_read(
    photos: Dataset, model: semelha.Model, tmp_path: Path
) -> None:
    found = compute_features(photos, model.extractor, model.dim, tmp_path, key="model")
    assert len(found.dataset) == 19
    assert [one.name for one in found.dataset.skipped] == ["c1/6.png"]
    np.testing.assert_allclose(found.features, model.embed(found.dataset.pictures), atol=1e-3)
    assert len(set(found.hashes)) == 19


class Counting:
    """An extractor that counts pictures, and fails after some."""

    def __init__(self, model: semelha.Model, most: int = 10**6) -> None:
        self.inner, self.side, self.most, self.done = model.extractor, model.extractor.side, most, 0

    def prepare(self, image: Image.Image) -> np.ndarray:
        return self.inner.prepare(image)

    def vectors(self, prepared: np.ndarray) -> np.ndarray:
        self.done += len(prepared)
        if self.done > self.most:
            raise KeyboardInterrupt
        return self.inner.vectors(prepared)


def test_an_interrupted_computation_goes_on(
    photos: Dataset, model: semelha.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "BLOCK", 4)
    monkeypatch.setattr(features, "BATCH", 4)
    whole = compute_features(photos, model.extractor, model.dim, tmp_path / "model", key="k")
    expected = np.array(whole.features)
    place = tmp_path / "again"
    place.mkdir()
    with pytest.raises(KeyboardInterrupt):
        compute_features(photos, Counting(model, 10), model.dim, place, key="k")
    rest = Counting(model)
    found = compute_features(photos, rest, model.dim, place, key="k")
    assert 0 < rest.done < 19
    np.testing.assert_array_equal(found.features, expected)
    assert found.hashes == whole.hashes
    done = Counting(model)
    compute_features(photos, done, model.dim, place, key="k")
    assert done.done == 0


@pytest.mark.parametrize("change", ["key", "picture", "index", "data"])
def test_what_changed_is_computed_again(photos: Dataset, model: semelha.Model, tmp_path: Path, change: str) -> None:
    compute_features(photos, model.extractor, model.dim, tmp_path, key="k")
    if change == "picture":
        Image.fromarray(noise(99)).save(tmp_path / "photos" / "c0" / "0.png")
    if change == "index":
        (tmp_path / "features.json").write_text("[1, 2]")
    if change == "data":
        (tmp_path / "features.f16").write_bytes(b"\0" * 8)
    counting = Counting(model)
    found = compute_features(photos, counting, model.dim, tmp_path, key="other" if change == "key" else "k")
    assert counting.done == 19
    np.testing.assert_allclose(found.features, model.embed(found.dataset.pictures), atol=1e-3)
    assert json.loads((tmp_path / "features.json").read_text())["done"] == 20


def test_a_subset_has_as_many_pictures_of_every_class() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pictures = [Picture(pixels, f"c{c}", f"{c}-{n}") for c in range(10) for n in range(2 + 3 * c)]
    whole = Dataset("made", tuple(pictures))
    some = subset(whole, 60, seed=0)
    assert len(some) == 60
    counts = some.counts()
    assert len(counts) == 10
    assert max(counts.values()) - min(count for name, count in counts.items() if count < whole.counts()[name]) <= 1
    fewer = subset(whole, 8, seed=0)
    assert set(fewer.counts().values()) == {2}
    assert len(subset(whole, 10**6, seed=0)) == len(whole)
