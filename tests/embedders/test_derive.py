"""Models made of others: means of views, joined vectors, folders that are whole, and use as any other model."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.tiny_model import noise, tiny_model

import semelha
from semelha.embedders import Model, derive, load_embedder
from semelha.embedders.card import Card
from semelha.errors import ModelAltered, ModelError, ModelIncomplete, UsageError
from semelha.images import View, standard_views

PICTURES = [noise(number) for number in range(5)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[Model]:
    """Of other sizes, channels and dimensions."""
    folder = tmp_path_factory.mktemp("pair")
    return [
        tiny_model(folder / "grey", classes=("a", "b"), content_hashes=("1",)),
        tiny_model(folder / "color", seed=1, dim=5, size=12, channels=3, classes=("b", "c"), content_hashes=("2",)),
    ]


@pytest.fixture
def joined(pair: list[Model], tmp_path: Path) -> Model:
    return derive(pair, out=tmp_path / "joined", views=3, weights=[1, 3])


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Features, and a distance that was learned."""
    with pytest.warns():
        return semelha.train(things(), out=tmp_path_factory.mktemp("linear") / "m", method="gmml")


def things(classes: int = 4) -> semelha.Dataset:
    pictures = [
        semelha.Picture(noise(label) // (1 + turn), str(label), f"{label}-{turn}")
        for label in range(classes)
        for turn in range(3)
    ]
    return semelha.Dataset("things", tuple(pictures))


def test_the_mean_of_views_by_hand(pair: list[Model], tmp_path: Path) -> None:
    """A view is of what fits the network; vectors of length 1 have a mean of length 1."""
    views = [View(), View(turn=10, mirror=True), View(scale=1.2, right=0.1)]
    model = derive([pair[1]], out=tmp_path / "views", views=views)
    fitted = [pair[1].extractor.prepare(picture).transpose(1, 2, 0) for picture in PICTURES]
    seen = [np.stack([view(each).transpose(2, 0, 1) for each in fitted]) for view in views]
    mean = np.mean([pair[1].extractor.vectors(each) for each in seen], axis=0)
    found = model.embed(PICTURES)
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-6)
    assert found.dtype == np.float32


def test_the_similarity_of_what_is_joined_is_the_weighted_mean(pair: list[Model], tmp_path: Path) -> None:
    model = derive(pair, out=tmp_path / "joined", weights=[1, 3])
    alone = [part.metric.pairwise(part.embed(PICTURES), part.embed(PICTURES)) for part in pair]
    vectors = model.embed(PICTURES)
    assert vectors.shape == (5, 13)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(model.metric.pairwise(vectors, vectors), (alone[0] + 3 * alone[1]) / 4, atol=1e-6)


def test_one_model_and_one_view_change_nothing(pair: list[Model], linear: Model, tmp_path: Path) -> None:
    for number, part in enumerate([pair[0], linear]):
        model = derive([part], out=tmp_path / str(number))
        np.testing.assert_array_equal(model.embed(PICTURES), part.embed(PICTURES))
        vectors = model.embed(PICTURES)
        np.testing.assert_array_equal(model.metric.pairwise(vectors, vectors), part.metric.pairwise(vectors, vectors))


def test_the_folder_is_whole_by_itself(joined: Model, pair: list[Model], tmp_path: Path) -> None:
    moved = load_embedder(shutil.copytree(joined.folder, tmp_path / "elsewhere"))
    np.testing.assert_array_equal(moved.embed(PICTURES), joined.embed(PICTURES))
    assert moved.fingerprint == joined.fingerprint
    assert [part.fingerprint for part in moved.parts] == [part.fingerprint for part in pair]
    assert moved.card.classes == ["a", "b", "c"]
    assert moved.card.content_hashes == ["1", "2"]
    assert moved.card.format == 3


def test_what_is_made_otherwise_is_another_space(joined: Model, pair: list[Model], tmp_path: Path) -> None:
    others = [
        derive(pair, out=tmp_path / "views", views=2, weights=[1, 3]),
        derive(pair, out=tmp_path / "weights", views=3),
        derive(pair[::-1], out=tmp_path / "order", views=3, weights=[3, 1]),
        derive(pair, out=tmp_path / "mirror", views=3, weights=[1, 3], mirror=True),
    ]
    assert len({joined.fingerprint, *(other.fingerprint for other in others)}) == 5
    same = derive(pair, out=tmp_path / "same", views=standard_views(3, mirror=False), weights=[1, 3])
    assert same.fingerprint == joined.fingerprint


def test_derived_from_derived(joined: Model, pair: list[Model], tmp_path: Path) -> None:
    model = derive([joined, pair[0]], out=tmp_path / "deep", views=2)
    assert model.embed(PICTURES).shape == (5, 21)
    np.testing.assert_array_equal(load_embedder(model.folder).embed(PICTURES), model.embed(PICTURES))


def test_features_are_seen_several_ways_too(linear: Model, tmp_path: Path) -> None:
    """The views are of the picture itself; the mean keeps the mean length, which the learned distance rests on."""
    model = derive([linear], out=tmp_path / "views", views=[View(), View(turn=20.0)])
    views = [linear.embed(PICTURES), linear.embed([View(turn=20.0)(picture) for picture in PICTURES])]
    mean = np.mean(views, axis=0)
    found = model.embed(PICTURES)
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    np.testing.assert_allclose(unit, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-6)
    lengths = np.mean([np.linalg.norm(each, axis=1) for each in views], axis=0)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), lengths, rtol=1e-5)
    assert model.metric.name == "mahalanobis"


def test_a_gallery_serves_it(joined: Model, tmp_path: Path) -> None:
    with semelha.Gallery.create(tmp_path / "gallery", joined) as gallery:
        for number, picture in enumerate(PICTURES):
            gallery.enroll(f"thing {number}", [picture])
    with semelha.Gallery.open(tmp_path / "gallery") as gallery:
        found = gallery.identify(PICTURES[3])
    assert found.subject == "thing 3"
    assert found.distance == pytest.approx(0, abs=1e-6)


def test_a_distance_is_learned_on_it(joined: Model, tmp_path: Path) -> None:
    """Whitening, or any learner, composes: the model keeps its parts, and can be derived from in turn."""
    with pytest.warns():
        white = semelha.train(things(), out=tmp_path / "white", method="pca-whitening", on=joined)
    again = load_embedder(white.folder)
    assert again.metric.name == "mahalanobis"
    np.testing.assert_array_equal(again.embed(PICTURES), joined.embed(PICTURES))
    assert {"a", "c", "3"} <= set(again.card.classes)
    twice = derive([white], out=tmp_path / "twice", views=2)
    np.testing.assert_allclose(twice.metric.arrays()["L"], white.metric.arrays()["L"])


def test_mirrors_are_of_those_who_learned_them(tmp_path: Path) -> None:
    def trained(flip: bool) -> Model:
        model = tiny_model(tmp_path / f"model-{flip}")
        card = model.card.model_copy(update={"training": {"augmentation": {"flip": flip}}})
        sealed = card.with_checksums(card.files)
        (model.folder / "model.json").write_text(sealed.model_dump_json(), encoding="utf-8")
        return load_embedder(model.folder)

    for flip in (False, True):
        first = derive([trained(flip)], out=tmp_path / f"first-{flip}", views=2)
        second = derive([first], out=tmp_path / f"second-{flip}", views=2)
        for model in (first, second):
            assert model.card.derived is not None
            assert model.card.derived.views[1].mirror == flip
    straight = derive([first], out=tmp_path / "straight", views=2, mirror=False)
    assert straight.card.derived is not None
    assert not straight.card.derived.views[1].mirror


def test_an_altered_part_is_refused(joined: Model, pair: list[Model], tmp_path: Path) -> None:
    graph = joined.folder / "parts" / "1" / "embedder.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelAltered, match=r"parts/1/embedder\.onnx is not the file"):
        load_embedder(joined.folder)
    shutil.rmtree(joined.folder / "parts" / "1")
    with pytest.raises(ModelIncomplete, match=r"it has no parts/1/model\.json"):
        load_embedder(joined.folder)
    shutil.copytree(pair[0].folder, joined.folder / "parts" / "1")  # a whole model, but another
    with pytest.raises(ModelAltered, match=r"parts/1/model\.json is not the file"):
        load_embedder(joined.folder)


def test_a_card_names_no_file_outside_its_folder(pair: list[Model], tmp_path: Path) -> None:
    """Else a model that is derived from would have files copied to anywhere."""
    folder = Path(shutil.copytree(pair[0].folder, tmp_path / "bad"))
    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    content["files"]["parts/0/../../../outside"] = "0" * 64
    card = Card.model_validate(content)
    (folder / "model.json").write_text(card.with_checksums(card.files).model_dump_json(), encoding="utf-8")
    with pytest.raises(ModelAltered, match="no model has a file parts/0/"):
        derive([folder], out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_card_whose_views_show_nothing_is_damaged(joined: Model) -> None:
    content = json.loads((joined.folder / "model.json").read_text(encoding="utf-8"))
    content["derived"]["views"][1]["scale"] = 0
    (joined.folder / "model.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelAltered, match=r"is damaged: derived\.views\.1: View\(.* is out of range"):
        load_embedder(joined.folder)


def test_what_cannot_be_derived(pair: list[Model], linear: Model, joined: Model, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="compared by cosine, and here is one compared by mahalanobis"):
        derive([pair[0], linear], out=out)
    with pytest.raises(UsageError, match="there must be one above 0 for each of the 2 models"):
        derive(pair, out=out, weights=[1, 0])
    with pytest.raises(UsageError, match="one above 0 for each"):
        derive(pair, out=out, weights=[1])
    with pytest.raises(UsageError, match=r"^models is .*: it must be a sequence"):
        derive(str(pair[0].folder), out=out)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"^models is empty"):
        derive([], out=out)
    with pytest.raises(UsageError, match="mirror cannot be set"):
        derive(pair, out=out, views=[View()], mirror=True)
    with pytest.raises(ModelError, match="exists already"):
        derive(pair, out=joined.folder)
    with pytest.raises(UsageError, match="the model takes"):
        joined.extractor.vectors(np.zeros((1, 3), np.uint8))
    assert joined.embed([]).shape == (0, 13)
    assert not out.exists()


@pytest.mark.parametrize("format", [1, 2, 3])
def test_a_card_of_each_format_has_the_checksum_of_its_fields(pair: list[Model], tmp_path: Path, format: int) -> None:
    """Format 1 had neither `derived` nor `content_bases`, format 2 no `content_bases`."""
    model = tiny_model(tmp_path / "one") if format == 1 else derive(pair, out=tmp_path / "joined")
    sealed = model.card.model_copy(update={"format": format, "content_bases": ["pixels"]}).with_checksums(
        model.card.files
    )
    content = json.loads(sealed.text())
    assert ("derived" in content, "content_bases" in content) == (format > 1, format > 2)
    checksum = content.pop("checksum")
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == checksum
    (model.folder / "model.json").write_text(sealed.text(), encoding="utf-8")
    assert load_embedder(model.folder).card == sealed
