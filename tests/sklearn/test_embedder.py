"""`PictureEmbedder` is a transformer of scikit-learn, from pictures to the vectors of a model."""

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks as checks
from tests.sklearn.made import pictures
from tests.tiny_model import noise, tiny_model

from semelha import Dataset, Model, Picture
from semelha.errors import PictureError, UsageError
from semelha.sklearn import PictureEmbedder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return tiny_model(tmp_path_factory.mktemp("model") / "model")


@pytest.mark.parametrize(
    "check",
    [
        checks.check_estimator_cloneable,
        checks.check_estimator_tags_renamed,
        checks.check_valid_tag_types,
        checks.check_estimator_repr,
        checks.check_no_attributes_set_in_init,
        checks.check_do_not_raise_errors_in_init_or_set_params,
        checks.check_mixin_order,
        checks.check_parameters_default_constructible,
        checks.check_get_params_invariance,
        checks.check_set_params,
    ],
)
def test_scikit_learn_finds_nothing(check: Any) -> None:
    """The checks that need no vectors as X, all that `check_estimator` has for such a transformer."""
    check("PictureEmbedder", PictureEmbedder())


def test_embeds_pictures_in_every_form(model: Model, tmp_path: Path) -> None:
    paths, names = pictures(tmp_path, 3)
    expected = model.embed(paths)
    sources = [Picture(Path(path), name, path) for path, name in zip(paths, names, strict=True)]
    frame = pd.DataFrame({"path": paths, "label": names})
    forms: list[Any] = [paths, tuple(paths), np.array(paths), frame["path"], frame[["path"]], sources]
    for form in [*forms, Dataset("things", tuple(sources))]:
        np.testing.assert_array_equal(PictureEmbedder(model).transform(form), expected)
    grey = np.stack([noise(seed)[:, :, 0] for seed in range(4)])
    assert PictureEmbedder(model).fit_transform(grey).shape == (4, 8)


def test_a_frame_comes_out_where_it_is_asked_for(model: Model, tmp_path: Path) -> None:
    paths, _ = pictures(tmp_path, 2)
    frame = PictureEmbedder(model).set_output(transform="pandas").fit_transform(paths)
    assert list(frame.columns) == [f"pictureembedder{number}" for number in range(8)]


def test_a_pickle_has_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = tiny_model(tmp_path / "model")
    expected = model.embed([noise(0)])
    fitted = PictureEmbedder(model.folder).fit()
    saved = pickle.dumps(fitted)
    shutil.rmtree(model.folder)
    np.testing.assert_array_equal(pickle.loads(saved).transform([noise(0)]), expected)
    assert clone(fitted).model == model.folder


def test_without_a_model_takes_the_pretrained_one(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMELHA_MODEL", str(model.folder))
    assert PictureEmbedder().transform([noise(0)]).shape == (1, 8)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("picture.png", "X is one picture"),
        (noise(0), r"X is an array \(20, 20, 3\): n grey pictures"),
        (np.zeros((2, 2)), "X is an array .2, 2. of float64: pictures are"),
        (12.5, "X is 12.5: it must be a sequence"),
        ([object()], r"pictures\[0\] is <object"),
    ],
)
def test_bad_input_is_refused(model: Model, bad: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        PictureEmbedder(model).transform(bad)


def test_a_picture_that_cannot_be_used_is_named(model: Model, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"broken\.png"):
        PictureEmbedder(model).transform([tmp_path / "broken.png"])
