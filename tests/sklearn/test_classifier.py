"""`NearestSubjectClassifier` decides as a gallery does, and is an estimator of scikit-learn."""

import io
import logging
import pickle
import shutil
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.sklearn.made import clusters, pictures
from tests.test_architecture import run_without_torch
from tests.tiny_model import noise, tiny_model

from semelha import Gallery, Model, Picture
from semelha.errors import CalibrationError, UsageError
from semelha.metrics import Cosine, Euclidean
from semelha.recognition import NEAREST
from semelha.sklearn import NearestSubjectClassifier, PictureEmbedder

WITH_RATE = {
    "check_classifiers_one_label": "a rate cannot be calibrated on one subject",
    "check_fit2d_1sample": "a rate cannot be calibrated on one subject",
    "check_classifiers_classes": "classes_ has the unknown label too",
    "check_classifiers_train": "classes_ and predict_proba have the unknown label too",
}
"""Checks of scikit-learn that a classifier with `fpir` cannot pass, and why."""


@pytest.mark.filterwarnings("ignore:Skipping check check_array_api_input")
@parametrize_with_checks(
    [NearestSubjectClassifier(), NearestSubjectClassifier(fpir=0.9)],
    expected_failed_checks=lambda estimator: {} if estimator.fpir is None else WITH_RATE,
)
def test_scikit_learn_finds_nothing(estimator: NearestSubjectClassifier, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return tiny_model(tmp_path_factory.mktemp("model") / "model")


def test_decides_as_a_gallery_that_is_calibrated_with_the_same_strangers(model: Model, tmp_path: Path) -> None:
    enrolled, names = pictures(tmp_path, 12)
    strangers, _ = pictures(tmp_path, 30, 1, seed=1)
    probes = [*pictures(tmp_path, 12, 3)[0], *pictures(tmp_path, 30, 1, seed=2)[0]]
    with Gallery.create(tmp_path / "gallery", model) as gallery:
        for path, name in zip(enrolled, names, strict=True):
            gallery.enroll(name, [path])
        gallery.calibrate(fpir=0.1, strangers=strangers, scoring=NEAREST)
        answers = [answer.subject or "unknown" for answer in gallery.identify_many(probes)]
    classifier = NearestSubjectClassifier(model, fpir=0.1)
    classifier.fit([*enrolled, *strangers], [*names, *["unknown"] * len(strangers)])
    assert classifier.predict(probes).tolist() == answers
    assert len(set(answers)) == 13  # all subjects, and unknown


@pytest.mark.parametrize("by_strangers", [False, True])
def test_at_most_the_rate_of_strangers_is_named(by_strangers: bool) -> None:
    """On average over galleries, and about as many as the rate allows; most others get their name."""
    named, right = [], []
    for seed in range(20):
        x, y = clusters(90, 4, seed)
        enrolled, probes = np.arange(len(x)) % 4 < 3, np.arange(len(x)) % 4 == 3
        strange = y >= 50  # in the gallery of 50 subjects, 40 others
        mine = enrolled & ~strange
        given, labels = x[mine], y[mine]
        if by_strangers:
            some = clusters(60, 1, 1000 + seed)[0]
            given, labels = np.concatenate([given, some]), np.concatenate([labels, np.full(60, -1)])
        fitted = NearestSubjectClassifier(fpir=0.1, random_state=seed).fit(given, labels)
        named.append(np.mean(fitted.predict(x[probes & strange]) != -1))
        right.append(np.mean(fitted.predict(x[probes & ~strange]) == y[probes & ~strange]))
    assert 0.05 < np.mean(named) < 0.13
    assert np.mean(right) > 0.9


def test_pictures_are_taken_in_every_form(model: Model, tmp_path: Path) -> None:
    paths, names = pictures(tmp_path, 4)
    arrays = [np.asarray(Image.open(path)) for path in paths]
    fitted = NearestSubjectClassifier(model).fit(paths, names)
    forms: list[Any] = [
        paths,
        [Path(path) for path in paths],
        np.array(paths),
        np.array(paths, object)[:, None],
        [Path(path).read_bytes() for path in paths],
        [Image.fromarray(one) for one in arrays],
        arrays,
        np.stack(arrays),
        [Picture(one, "", "a picture") for one in arrays],
        model.embed(paths),
    ]
    for form in forms:
        assert fitted.predict(form).tolist() == names
        again = NearestSubjectClassifier(model).fit(form, names)
        np.testing.assert_allclose(again._vectors, fitted._vectors)


def test_the_unknown_label_follows_the_kind_of_labels() -> None:
    x, y = clusters(30, 2, 0)
    far = np.full((1, 8), 9.0)
    assert NearestSubjectClassifier(fpir=0.2).fit(x, y).predict(far) == [-1]
    assert NearestSubjectClassifier(fpir=0.2).fit(x, y.astype(str)).predict(far) == ["unknown"]
    assert NearestSubjectClassifier(fpir=0.2, unknown_label=99).fit(x, y).predict(far) == [99]
    named = NearestSubjectClassifier().fit(x, y)
    assert named.predict(far)[0] in y
    assert -1 not in named.classes_


def test_probabilities_sum_to_one_and_name_the_nearest() -> None:
    x, y = clusters(8, 5, 1, spread=1.0)
    fitted = NearestSubjectClassifier().fit(x, y)
    new = clusters(8, 20, 1, spread=1.0)[0]
    found = fitted.predict_proba(new)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (fitted.classes_[found.argmax(axis=1)] == fitted.predict(new)).all()


def test_probabilities_are_as_frequent_as_they_say() -> None:
    """Of overlapping subjects, the mean of the highest probability is near the accuracy, not near 1."""
    random = np.random.default_rng(0)
    centers = random.normal(size=(10, 8))
    y = random.integers(0, 10, 1000)
    x = centers[y] + 0.8 * random.normal(size=(1000, 8))
    fitted = NearestSubjectClassifier().fit(x[:200], y[:200])
    found = fitted.predict_proba(x[200:])
    accuracy = np.mean(fitted.predict(x[200:]) == y[200:])
    assert 0.4 < accuracy < 0.9
    assert found.max(axis=1).mean() == pytest.approx(accuracy, abs=0.1)


def test_a_stranger_is_probably_unknown() -> None:
    x, y = clusters(60, 3, 2)
    fitted = NearestSubjectClassifier(fpir=0.1).fit(x, y)
    unknown = int(np.searchsorted(fitted.classes_, -1))
    strangers, mine = clusters(60, 1, 3)[0], clusters(60, 4, 2)[0]
    for probes in (strangers, mine):
        np.testing.assert_allclose(fitted.predict_proba(probes).sum(axis=1), 1)
    assert np.median(fitted.predict_proba(strangers)[:, unknown]) > 0.8
    assert np.median(fitted.predict_proba(x)[:, unknown]) < 0.2


def test_probabilities_do_not_depend_on_the_unit_of_the_vectors() -> None:
    x, y = clusters(8, 5, 1, spread=0.5)
    one, other = (NearestSubjectClassifier().fit(scale * x, y) for scale in (1, 1e6))
    np.testing.assert_allclose(one.predict_proba(x), other.predict_proba(1e6 * x), atol=1e-3)


def test_subjects_of_one_example_have_no_probabilities() -> None:
    x, y = clusters(30, 1, 0)
    for fpir in (None, 0.2):
        fitted = NearestSubjectClassifier(fpir=fpir).fit(x, y)
        fitted.predict(x)
        with pytest.raises(CalibrationError, match="no subject has two examples"):
            fitted.predict_proba(x)


def test_too_few_subjects_for_the_rate_are_refused() -> None:
    x, y = clusters(10, 2, 0)
    with pytest.raises(CalibrationError, match=r"a rate of 0\.01 needs 199 subjects and there are 10"):
        NearestSubjectClassifier(fpir=0.01).fit(x, y)


def test_subjects_that_the_model_was_trained_on_do_not_calibrate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By their name, or by the content of a picture."""
    paths, names = pictures(tmp_path, 25)
    seen = Image.open(paths[0]).convert("RGB")
    from semelha.images import content_hash

    trained = tiny_model(tmp_path / "model", classes=(names[-1],), content_hashes=(content_hash(seen),))
    with caplog.at_level(logging.WARNING):
        fitted = NearestSubjectClassifier(trained, fpir=0.2).fit(paths, names)
    assert fitted.calibration_ is not None
    assert fitted.calibration_.n == 23
    assert "the model was trained on them: 2" in caplog.text


def test_a_grid_search_chooses_metric_and_rate() -> None:
    x, y = clusters(40, 4, 5)
    scaled = x * np.random.default_rng(0).uniform(0.1, 10, (len(x), 1))  # only the direction tells
    grid = {"metric": [Euclidean(), Cosine()], "fpir": [None, 0.2]}
    search = GridSearchCV(NearestSubjectClassifier(), grid, cv=4).fit(scaled, y)
    assert isinstance(search.best_params_["metric"], Cosine)
    assert search.best_params_["fpir"] is None  # no stranger is among the probes
    pipeline = make_pipeline(StandardScaler(), NearestSubjectClassifier())
    assert cross_val_score(pipeline, x, y, cv=4, n_jobs=2).min() > 0.9


def test_a_pipeline_from_pictures_is_cross_validated_and_saved(model: Model, tmp_path: Path) -> None:
    paths, names = pictures(tmp_path, 5, 4)
    pipeline = make_pipeline(PictureEmbedder(model), NearestSubjectClassifier(metric=model.metric))
    assert cross_val_score(pipeline, paths, names, cv=2).mean() == 1
    assert cross_val_score(NearestSubjectClassifier(model), paths, names, cv=2).mean() == 1
    joblib.dump(pipeline.fit(paths, names), tmp_path / "pipeline.joblib")
    assert joblib.load(tmp_path / "pipeline.joblib").predict(paths).tolist() == names


LOAD = """
import pickle
fitted = pickle.loads(open(sys.argv[1], "rb").read())
print(fitted.predict(sys.argv[2:])[0], round(float(fitted.predict_proba(sys.argv[2:]).max()), 6))
"""


def test_a_pickle_has_its_model_and_needs_no_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tiny_model(tmp_path / "model").folder
    paths, names = pictures(tmp_path, 25)
    fitted = NearestSubjectClassifier(str(folder), fpir=0.2).fit(paths, names)
    (tmp_path / "pickle").write_bytes(pickle.dumps(fitted))
    shutil.rmtree(folder)
    expected = f"{names[0]} {round(float(fitted.predict_proba(paths[:1]).max()), 6)}\n"
    assert run_without_torch(LOAD, tmp_path / "pickle", paths[0]) == expected


def test_a_clone_shares_the_model_and_is_not_fitted(model: Model) -> None:
    again = clone(NearestSubjectClassifier(model, fpir=0.1))
    assert again.model.fingerprint == model.fingerprint
    with pytest.raises(NotFittedError):
        again.predict([noise(0)])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"model": 12.5}, "model is 12.5: it must be a Model, a path"),
        ({"metric": "cosine"}, "metric is 'cosine': it must be a metric"),
        ({"fpir": 1.5}, "fpir is 1.5: it must be a number from 0 to 1"),
        ({"fpir": "a few"}, "fpir is 'a few'"),
        ({"recall": 0}, "recall is 0"),
    ],
)
def test_bad_parameters_are_refused(arguments: dict[str, Any], said: str) -> None:
    x, y = clusters(4, 2, 0)
    with pytest.raises(UsageError, match=said):
        NearestSubjectClassifier(**arguments).fit(x, y)


def test_bad_input_is_refused(model: Model, tmp_path: Path) -> None:
    x, _ = clusters(4, 2, 0)
    with pytest.raises(UsageError, match="NaN"):
        NearestSubjectClassifier().fit(np.full((2, 2), np.nan), [0, 1])
    with pytest.raises(UsageError, match="y has no subject: all labels are -1"):
        NearestSubjectClassifier(fpir=0.5).fit(x, np.full(len(x), -1))
    paths, names = pictures(tmp_path, 4)
    with pytest.raises(UsageError, match="inconsistent numbers of samples"):
        NearestSubjectClassifier(model).fit(paths, names[1:])
    fitted = NearestSubjectClassifier(model).fit(paths, names)
    with pytest.raises(UsageError, match="X is one picture: pass a list of pictures"):
        fitted.predict(paths[0])
    with pytest.raises(UsageError, match="expecting 8 features"):
        fitted.predict(np.zeros((2, 3)))
    with pytest.raises(UsageError, match=r"X is .*BytesIO.*pass a list|X is one picture"):
        fitted.predict(io.BytesIO(b"x"))
