"""Models travel between processes: pickled, copied, through joblib and multiprocessing."""

import copy
import multiprocessing
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from tests.tiny_model import noise, tiny_model

from semelha import Gallery, Model, derive, load_embedder
from semelha.embedders import FeatureEmbedder
from semelha.errors import GalleryError, ModelError
from semelha.features import HOG


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return tiny_model(tmp_path / "model")


def vectors_of(model: Model, seeds: list[int]) -> np.ndarray:
    return model.embed([noise(each) for each in seeds])


def assert_same(one: Model, other: Model) -> None:
    assert other.fingerprint == one.fingerprint
    assert np.array_equal(other.embed(noise(3)), one.embed(noise(3)))
    assert np.array_equal(other.metric.between(one.embed(noise(1)), one.embed(noise(2))),
                          one.metric.between(one.embed(noise(1)), one.embed(noise(2))))  # fmt: skip


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_is_the_same_model(model: Model, again: object, tmp_path: Path) -> None:
    both = derive([model, tiny_model(tmp_path / "other", seed=1)], out=tmp_path / "both", views=2)
    for each in (model, both):
        assert_same(each, again(each))
    assert again(load_embedder(model.folder, threads=1)).threads == 1
    features = FeatureEmbedder(HOG())
    assert np.array_equal(again(features).embed(noise(0)), features.embed(noise(0)))


def test_where_its_folder_is_not_the_content_is_used(model: Model, cache: Path) -> None:
    data = pickle.dumps(model)
    expected = model.embed(noise(3))
    shutil.rmtree(model.folder)
    for _ in range(2):
        loaded = pickle.loads(data)
        assert loaded.folder == cache / "models" / model.fingerprint
        assert np.array_equal(loaded.embed(noise(3)), expected)
    assert copy.deepcopy(loaded).fingerprint == model.fingerprint


def test_another_model_in_its_folder_is_not_taken_for_it(model: Model, tmp_path: Path) -> None:
    data = pickle.dumps(model)
    shutil.rmtree(model.folder)
    tiny_model(tmp_path / "model", seed=5)
    assert pickle.loads(data).fingerprint == model.fingerprint
    with pytest.raises(ModelError, match="has another model now"):
        pickle.dumps(model)


def test_a_model_does_not_depend_on_the_working_folder(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load_embedder("model")
    monkeypatch.chdir(tmp_path.parent)
    assert loaded.contents()[0] == model.contents()[0]
    assert_same(loaded, pickle.loads(pickle.dumps(loaded)))


def test_joblib(model: Model, tmp_path: Path) -> None:
    joblib.dump(model, tmp_path / "model.joblib")
    assert_same(model, joblib.load(tmp_path / "model.joblib"))
    assert joblib.hash(model.fingerprint) == joblib.hash(copy.deepcopy(model).fingerprint)


def test_a_process_that_is_spawned(model: Model) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(vectors_of, model, [1, 2]).result()
    assert np.array_equal(there, vectors_of(model, [1, 2]))


@pytest.mark.parametrize("again", [copy.deepcopy, pickle.dumps])
def test_a_gallery_says_why_it_is_not_pickled(model: Model, again: object, tmp_path: Path) -> None:
    with (
        Gallery.create(tmp_path / "gallery", model) as gallery,
        pytest.raises(
            GalleryError, match=r"gallery is an open gallery, .* pass its path, and open it with Gallery\(path\)"
        ),
    ):
        again(gallery)
