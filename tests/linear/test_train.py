"""A linear model is a model: learned from pictures, written, loaded without torch, and at work in a gallery."""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from tests.tiny_model import noise

import semelha
from semelha.arguments import number_arguments
from semelha.embedders import METRIC, Model, write_model
from semelha.errors import DatasetError, ModelAltered, ModelError, ModelTooNew, TrainingError, UsageError
from semelha.features import HOG, FirstOrder, Histogram, RawPixels
from semelha.images import Dataset, Picture
from semelha.linear import GMML, METHODS, BoostedSimilarity, SignedRankSVM, learned_metric, learner_named
from semelha.metrics import Agreement, Mahalanobis

pytestmark = pytest.mark.filterwarnings("ignore::semelha.linear.subspace.RankDeficiencyWarning")
SMALL = RawPixels((6, 6))
# Of twelve. Whitening knows no classes; thresholds of single pixels are at the mercy of the light.
LEAST = {"pca-whitening": 0.15, "boosted-similarity": 0.3}


def things(classes: int = 12, each: int = 4) -> Dataset:
    """Pictures of one pattern a class, each a little different, over disturbances that say nothing."""
    random = np.random.default_rng(0)
    pictures = []
    for label in range(classes):
        pattern = random.integers(40, 200, (12, 12, 3))
        for number in range(each):
            pixels = pattern + random.normal(0, 4, (12, 12, 3)) + random.normal(0, 15)
            pixels = np.clip(pixels, 0, 255).astype(np.uint8)
            pictures.append(Picture(source=pixels, label=f"thing {label}", name=f"{label}/{number}"))
    return Dataset("things", tuple(pictures))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_a_model_that_recognizes(method: str, tmp_path: Path) -> None:
    dataset = things(each=6)
    model = semelha.train(dataset, out=tmp_path / "model", method=method, features=SMALL)
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["model.json", "weights.safetensors"]
    back = semelha.load_embedder(tmp_path / "model")
    assert back.fingerprint == model.fingerprint
    assert back.card.training["method"] == method
    vectors = back.embed(list(dataset)[:5])
    np.testing.assert_array_equal(vectors, SMALL.batch(np.stack([p.pixels() for p in list(dataset)[:5]])))
    np.testing.assert_allclose(
        back.metric.pairwise(vectors, vectors), model.metric.pairwise(vectors, vectors), atol=1e-5
    )
    with semelha.Gallery.create(tmp_path / "gallery", back) as gallery:
        for start in range(0, len(dataset), 6):
            gallery.enroll(dataset.pictures[start].label, list(dataset.pictures[start : start + 2]))
        found = gallery.identify_many(list(dataset.pictures[2::6]))
        right = [one.candidates[0].subject == p.label for one, p in zip(found, dataset.pictures[2::6], strict=True)]
    assert np.mean(right) >= LEAST.get(method, 0.75)


def test_the_metric_is_what_the_learner_learned_on_scaled_vectors() -> None:
    random = np.random.default_rng(1)
    vectors = (random.normal(size=(80, 5)) * [1, 1e3, 1e-3, 1, 0] + 7).astype(np.float32)
    labels = np.repeat(np.arange(20), 4).astype(str)
    learner = GMML()
    metric = learned_metric(vectors, labels, learner, own_scales=True)
    assert isinstance(metric, Mahalanobis)
    scaled = (vectors - vectors.mean(axis=0, dtype=np.float64)) / np.where(
        vectors.std(axis=0) > 0, vectors.std(axis=0), 1
    )
    pairs = random.integers(0, 80, (50, 2))
    expected = learner.pair_distance(scaled, pairs)
    found = metric.between(vectors[pairs[:, 0]].astype(np.float64), vectors[pairs[:, 1]].astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_agreement_is_the_distance_of_boosted_similarity() -> None:
    random = np.random.default_rng(2)
    vectors = random.normal(size=(60, 4)).astype(np.float32)
    learner = BoostedSimilarity(n_rounds=20)
    metric = learned_metric(vectors, np.repeat(np.arange(10), 6).astype(str), learner, own_scales=False)
    assert isinstance(metric, Agreement)
    z = learner.transform(vectors.astype(np.float64))
    expected = ((z[:30] - z[30:]) ** 2).sum(axis=1) / 4
    np.testing.assert_allclose(metric.between(vectors[:30], vectors[30:]), expected, atol=1e-6)


def test_more_dimensions_than_axes_and_examples(tmp_path: Path) -> None:
    model = semelha.train(things(), out=tmp_path / "model", method=GMML(), features=HOG())
    assert (model.dim, model.metric.arrays()["L"].shape[1]) == (HOG().dim, HOG().dim)
    assert model.metric.arrays()["L"].shape[0] <= 47
    assert model.card.results["r_at_1_on_held_out_classes"] > 0.9


def test_the_score_compares_no_two_pictures_of_a_burst(tmp_path: Path) -> None:
    """Pictures of a class are alike within each of its two series only: R@1 is high until names show the series."""
    scores = []
    for pattern in ("{}", "x_{}"):
        pictures = []
        for number, picture in enumerate(things(classes=48)):
            series = pattern.format(number % 4).replace("x", "xy"[number % 8 // 4])
            pictures.append(Picture(picture.source, f"{number // 8}", f"{number // 8}/{series}.png"))
        dataset = Dataset("series", tuple(pictures))
        model = semelha.train(dataset, out=tmp_path / pattern, method="gmml", features=SMALL)
        scores.append(model.card.results["r_at_1_on_held_out_classes"])
    assert scores[0] > 0.9
    assert scores[1] < 0.7
    said = "192 pictures are 48 bursts by file names: no two of one burst are compared in the validation."
    assert semelha.plan_training(dataset, method="gmml").reasons == (said,)


def test_on_a_network_it_keeps_the_graph_and_changes_the_metric(tiny: Model, tmp_path: Path) -> None:
    model = semelha.train(things(), out=tmp_path / "model", method="lda", on=tiny.folder)
    graph = (tmp_path / "model" / "embedder.onnx").read_bytes()
    assert graph == (tiny.folder / "embedder.onnx").read_bytes()
    pictures = [noise(0), noise(1)]
    np.testing.assert_array_equal(model.embed(pictures), tiny.embed(pictures))
    assert (tiny.metric.name, model.metric.name) == ("cosine", "mahalanobis")
    assert model.fingerprint != tiny.fingerprint
    assert model.card.training["on"]["fingerprint"] == tiny.fingerprint
    again = semelha.train(things(), out=tmp_path / "again", method="gmml", on=model)
    assert again.metric.arrays()["L"].shape[1] == tiny.dim


def test_bad_pictures_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    bad = Picture(source=tmp_path / "bad.png", label="thing 0", name="bad.png")
    dataset = Dataset("things", (*things(4).pictures, bad))
    card = semelha.train(dataset, out=tmp_path / "model", method="gmml", features=SMALL).card
    assert (card.training["pictures"], card.training["skipped"]) == (16, 1)
    assert len(card.content_hashes) == 16


def test_what_cannot_be_learned_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has 1 class "):
        semelha.train(things(1), out=tmp_path / "m", method="gmml")
    with pytest.raises(DatasetError, match="one picture"):
        semelha.train(things(4, each=1), out=tmp_path / "m", method="gmml")
    (tmp_path / "there").mkdir()
    with pytest.raises(TrainingError, match="exists already"):
        semelha.train(things(), out=tmp_path / "there", method="gmml")
    assert not (tmp_path / "m").exists()


def test_words_that_do_not_go_together_are_refused(tiny: Model, tmp_path: Path) -> None:
    out = tmp_path / "m"
    with pytest.raises(UsageError, match=r"no method is called 'magic': there are .*gmml.*simclr"):
        semelha.train(things(), out=out, method="magic")
    with pytest.raises(UsageError, match="trains no network"):
        semelha.train(things(), out=out, method="gmml", minutes=3)
    with pytest.raises(UsageError, match="trains no network"):
        semelha.train(things(), out=out, method="gmml", accelerator="cuda")
    with pytest.raises(UsageError, match="for a method that learns a distance"):
        semelha.train(things(), out=out, features=HOG())
    with pytest.raises(UsageError, match="give one of the two"):
        semelha.train(things(), out=out, method="gmml", features=HOG(), on=tiny)
    with pytest.raises(UsageError, match="no metric that an index can serve"):
        semelha.train(things(), out=out, method=SignedRankSVM(), features=SMALL)


class Nothing(GMML):
    """A learner that finds all directions worthless, as RankSVM may."""

    def _learn(self, x: np.ndarray, labels: np.ndarray, notes: list[str]) -> np.ndarray:
        return np.zeros((1, x.shape[1]))


def test_a_metric_that_tells_nothing_apart_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="found nothing"):
        semelha.train(things(4), out=tmp_path / "m", method=Nothing(), features=SMALL)
    assert not (tmp_path / "m").exists()


def test_seeds_are_handed_on() -> None:
    assert learner_named("nca", seed=3).random_state == 3
    assert type(learner_named("gmml", seed=3)) is GMML


@pytest.mark.parametrize("name", METHODS)
def test_extreme_settings_are_learned_from_or_refused(name: str) -> None:
    """By a sentence, and never by an error of NumPy or SciPy."""
    random = np.random.default_rng(0)
    labels = np.repeat([f"class {number}" for number in range(6)], 3)
    vectors = random.normal(size=(18, 7)).astype(np.float32)
    for argument, one in number_arguments(METHODS[name]).items():
        has_float = str(one.annotation).startswith("float")
        for value in (1e-12, 1e12) if has_float else (1, 1000):
            learner = learner_named(name, settings={argument: value})
            assert getattr(learner, argument) == value
            with suppress(UsageError, TrainingError):
                metric = learned_metric(vectors, labels, learner, own_scales=False)
                assert all(np.isfinite(array).all() for array in metric.arrays().values())


def test_a_folder_that_was_altered_is_refused(tmp_path: Path) -> None:
    model = semelha.train(things(), out=tmp_path / "model", method="gmml", features=FirstOrder())
    weights = tmp_path / "model" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelAltered, match="is not the file"):
        semelha.load_embedder(tmp_path / "model")
    assert model.dim == FirstOrder().dim


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"version": 99}, ModelTooNew, "version 99"),
        ({"version": 0}, ModelError, "version 0"),
        ({"name": "magic"}, ModelError, "magic"),
        ({"arguments": {"size": [4, 4], "channels": 1, "centered": False}}, ModelAltered, "16 numbers"),
        ({"arguments": {"wings": 2}}, ModelError, "wings"),
    ],
)
def test_a_card_of_other_features_is_refused(
    change: dict[str, object], kind: type[Exception], words: str, tmp_path: Path
) -> None:
    model = semelha.train(things(), out=tmp_path / "model", method="gmml", features=SMALL)
    assert model.card.features is not None
    card = model.card.model_copy(update={"features": model.card.features.model_copy(update=change)})
    (tmp_path / "model" / "model.json").write_text(card.with_checksums(card.files).model_dump_json())
    with pytest.raises(kind, match=words):
        semelha.load_embedder(tmp_path / "model")


def test_a_metric_of_other_vectors_is_refused(tmp_path: Path) -> None:
    model = semelha.train(things(), out=tmp_path / "model", method="gmml", features=SMALL)
    weights = {METRIC + "L": np.eye(SMALL.dim + 1)}
    with pytest.raises(ModelAltered, match="does not take vectors of 36 numbers"):
        write_model(tmp_path / "other", card=model.card, weights=weights)
    assert not (tmp_path / "other").exists()


def test_a_card_has_a_graph_or_features(tiny: Model, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.folder, tmp_path / "model")
    content = json.loads((folder / "model.json").read_text())
    content["features"] = {"name": "pixels", "version": 1, "arguments": {}}
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(ModelAltered, match="either a network"):
        semelha.load_embedder(folder)


def test_histograms_serve_too(tmp_path: Path) -> None:
    model = semelha.train(things(), out=tmp_path / "model", method="ranksvm", features=Histogram())
    assert model.embed([noise(0)]).shape == (1, Histogram().dim)
