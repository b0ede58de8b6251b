"""Imported models: the graph gets what its authors gave it, what is assumed is said, and they work everywhere."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image
from tests.foreign_graph import FEATURES, network, run_by_hand
from tests.tiny_model import noise

import semelha
from semelha import Dataset, Gallery, Picture, import_model, load_embedder
from semelha.embedders import Card, InputSpec, Model, trial
from semelha.embedders.graph_guess import choose_input
from semelha.embedders.import_settings import ImportSettings
from semelha.errors import ModelError, UsageError

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pictures(side: int, count: int = 3) -> np.ndarray:
    """(count, side, side, 3) uint8: already of the size of the input, so that resizing changes nothing."""
    return np.stack([noise(seed, side) for seed in range(count)])


def channels_first(pixels: np.ndarray, mean: Any, std: Any) -> np.ndarray:
    scaled = (pixels.astype(np.float64) / 255 - mean) / std
    return scaled.transpose(0, 3, 1, 2).astype(np.float32)


def assumed(model: Model) -> list[str]:
    found: list[str] = model.card.training["imported"]["assumed"]
    return found


def check_same(model: Model, pixels: np.ndarray, expected: np.ndarray) -> None:
    """The vectors are those of ONNX Runtime, in one batch, in several, and after loading the folder again."""
    scale = np.abs(expected).max()
    for one in (model, load_embedder(model.folder)):
        assert one.embed(list(pixels)).dtype == np.float32
        assert np.abs(one.embed(list(pixels)) - expected).max() < 1e-5 * scale
        assert np.abs(one.embed(list(pixels), batch_size=2) - expected).max() < 1e-5 * scale


@pytest.mark.parametrize("bgr", [None, False, True])
def test_arcface(bgr: bool | None, tmp_path: Path) -> None:
    """NCHW floats, (x - 127.5) / 127.5, any number of faces at a time, RGB or BGR."""
    path = network(tmp_path / "faces.onnx", size=(112, 112), dim=512)
    model = import_model(path, out=tmp_path / "model", preset="arcface", bgr=bgr)
    pixels = pictures(112)
    ordered = pixels[..., ::-1] if bgr else pixels
    expected = run_by_hand(path, ((ordered.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2))
    assert model.dim == 512
    check_same(model, pixels, expected)
    assert "mean: 0.5, 0.5, 0.5, from the preset arcface" in assumed(model)
    assert ("order of the channels: RGB, assumed" in assumed(model)) is (bgr is None)


def test_clip(tmp_path: Path) -> None:
    """The shorter side is resized and the center cropped; of several outputs the embedding is taken by its name."""
    gives = {"last_hidden_state": "tokens", "feature_map": "map", "image_embeds": "vectors"}
    path = network(tmp_path / "clip.onnx", size=("height", "width"), gives=gives)
    model = import_model(path, out=tmp_path / "model", preset="clip")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 300, 3), np.uint8)
    feed = channels_first(pixels[:, :, 38:262], CLIP_MEAN, CLIP_STD)
    check_same(model, pixels, run_by_hand(path, feed, "image_embeds"))
    assert "output: image_embeds, of last_hidden_state, feature_map, image_embeds" in assumed(model)
    assert (model.card.input.fit, model.card.input.height) == ("crop", 224)


@pytest.mark.parametrize("how", ["preset", "first_token", "output"])
def test_dinov2_tokens(how: str, tmp_path: Path) -> None:
    """The first token, which is refused unless asked for: tokens of patches are no embedding."""
    path = network(tmp_path / "dino.onnx", size=(28, 28), axis="num_channels", gives={"last_hidden_state": "tokens"})
    chosen: dict[str, Any] = {
        "preset": {"preset": "dinov2"},
        "first_token": {"first_token": True},
        "output": {"first_token": True, "output": "last_hidden_state"},
    }[how]
    with pytest.raises(ModelError, match=r"gives tokens, last_hidden_state \(2, 50, 6\).*: set first_token"):
        import_model(path, out=tmp_path / "model")
    model = import_model(path, out=tmp_path / "model", **chosen)
    pixels = pictures(28)
    expected = run_by_hand(path, channels_first(pixels, IMAGENET_MEAN, IMAGENET_STD), "last_hidden_state")
    assert model.dim == FEATURES
    check_same(model, pixels, expected[:, 0])
    assert "layout: nchw, by the name of its axis of channels" in assumed(model)


def test_dinov2_pooled(tmp_path: Path) -> None:
    """A vector for each picture is preferred to tokens; the mean and std of ImageNet are assumed, and said so."""
    gives = {"last_hidden_state": "tokens", "pooler_output": "vectors"}
    path = network(tmp_path / "dino.onnx", size=(28, 28), gives=gives)
    model = import_model(path, out=tmp_path / "model")
    feed = channels_first(pictures(28), IMAGENET_MEAN, IMAGENET_STD)
    check_same(model, pictures(28), run_by_hand(path, feed, "pooler_output"))
    assert "std: 0.229, 0.224, 0.225, those of ImageNet, assumed" in assumed(model)
    tokens = import_model(path, out=tmp_path / "tokens", first_token=True)
    check_same(tokens, pictures(28), run_by_hand(path, feed, "last_hidden_state")[:, 0])
    assert tokens.fingerprint != model.fingerprint


def test_a_tensorflow_export(tmp_path: Path) -> None:
    """Channels last, floats from 0 to 255, and one picture at a time, whatever the size of the batch."""
    path = network(tmp_path / "keras.onnx", layout="nhwc", batch=1, size=(16, 24))
    model = import_model(path, out=tmp_path / "model", preset="raw")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 16, 24, 3), np.uint8)
    expected = np.concatenate([run_by_hand(path, pixels[at : at + 1].astype(np.float32)) for at in range(5)])
    check_same(model, pixels, expected)
    assert model.card.input.graph.batch == 1


@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_uint8_channels_last(batch: Any, tmp_path: Path) -> None:
    """Pixels are passed unchanged; the last of the batches of a fixed size is filled up and cut."""
    path = network(tmp_path / "mobile.onnx", layout="nhwc", dtype="uint8", batch=batch)
    model = import_model(path, out=tmp_path / "model")
    pixels = pictures(16, 6)
    size = 6 if batch == "n" else batch
    padded = np.concatenate([pixels, pixels[:2]])
    expected = [run_by_hand(path, padded[at : at + size]) for at in range(0, 6, size)]
    check_same(model, pixels, np.concatenate(expected)[:6])
    assert "mean, std: none, because the graph takes uint8" in assumed(model)
    assert model.embed([]).shape == (0, 8)


def test_half_precision(tmp_path: Path) -> None:
    """Vectors are float32 whatever the graph computes in."""
    path = network(tmp_path / "half.onnx", dtype="float16", gives={"embedding": "half"})
    model = import_model(path, out=tmp_path / "model", mean=0.25, std=[0.5, 0.25, 0.125])
    feed = channels_first(pictures(16), 0.25, (0.5, 0.25, 0.125)).astype(np.float16)
    expected = run_by_hand(path, feed).astype(np.float32)
    found = model.embed(list(pictures(16)))
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()


def test_grey_and_pooled_maps(tmp_path: Path) -> None:
    """One channel gets the luma, and the mean of the three numbers; (n, d, 1, 1) is a vector for each picture."""
    path = network(tmp_path / "grey.onnx", channels=1, gives={"features": "pooled"})
    model = import_model(path, out=tmp_path / "model", preset="clip")
    grey = np.stack([np.asarray(Image.fromarray(each).convert("L")) for each in pictures(16)])[..., None]
    feed = channels_first(grey, np.mean(CLIP_MEAN), np.mean(CLIP_STD))
    check_same(model, pictures(16), run_by_hand(path, feed, "features").reshape(3, FEATURES))


def test_normalized(tmp_path: Path) -> None:
    path = network(tmp_path / "x.onnx")
    plain = import_model(path, out=tmp_path / "plain").embed(list(pictures(16)))
    unit = import_model(path, out=tmp_path / "unit", normalize=True).embed(list(pictures(16)))
    assert np.allclose(unit, plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-6)


def test_what_the_metadata_says_is_used(tmp_path: Path) -> None:
    """Of any scale; what the caller says comes first, and what cannot be read is not used."""
    metadata = {"mean": "[123.675, 116.28, 103.53]", "std": "[58.395, 57.12, 57.375]", "imgsz": "[32, 48]",
                "color_order": "BGR"}  # fmt: skip
    path = network(tmp_path / "a.onnx", size=("h", "w"), metadata=metadata)
    model = import_model(path, out=tmp_path / "a")
    spec = model.card.input
    assert (spec.height, spec.width, spec.graph.bgr) == (32, 48, True)
    assert np.allclose([spec.graph.mean, spec.graph.std], [IMAGENET_MEAN, IMAGENET_STD], atol=1e-6)
    assert sum("from the metadata of the file" in line for line in assumed(model)) == 4
    said = import_model(path, out=tmp_path / "b", size=(20, 24), mean=0.5, std=0.5, bgr=False, fit="pad", layout="nchw")
    assert (said.card.input.height, said.card.input.width) == (20, 24)
    assert assumed(said) == []


@pytest.mark.parametrize("bad", ['{"a": 1}', "[" * 5000, "[NaN, 1, 1]", "[1e999]", "nonsense", "[]", "[true]", "[-1]"])
def test_metadata_that_cannot_be_used_is_ignored(bad: str) -> None:
    metadata = {"mean": bad, "std": bad, "size": bad, "color_order": bad}
    port = trial.Port("x", "tensor(float)", ("n", 3, "h", "w"))
    spec, _ = choose_input(trial.TrialResult((port,), (), metadata, ()), ImportSettings(), "x.onnx")
    assert spec.graph is not None
    assert (spec.height, spec.graph.bgr, spec.graph.std) == (224, False, [0.229, 0.224, 0.225])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (("n", 3, 8, 9), ("nchw", 3, 8, 9)),
        (("n", 8, 9, 3), ("nhwc", 3, 8, 9)),
        (("n", 1, 8, 9), ("nchw", 1, 8, 9)),
        (("n", 8, 9, 1), ("nhwc", 1, 8, 9)),
        (("n", 1, 9, 3), ("nhwc", 3, 1, 9)),
        (("n", 3, 9, 3), ("nchw", 3, 9, 3)),
        ((None, None, None, None), ("nchw", 3, 224, 224)),
        ((), ("nchw", 3, 224, 224)),
        (("n", "h", "w", "channels"), ("nhwc", 3, 224, 224)),
        ((-1, 0, 9, 7), ("nchw", 3, 9, 7)),
        ((1, 7, 9, None), ("nhwc", 3, 7, 9)),
    ],
)
def test_the_layout_is_found_by_the_axis_of_channels(shape: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    """Three channels before one, channels first before channels last, and a free axis if none is of 1 or 3."""
    port = trial.Port("x", "tensor(float)", shape)
    spec, _ = choose_input(trial.TrialResult((port,), (), {}, ()), ImportSettings(), "x.onnx")
    assert spec.graph is not None
    assert (spec.graph.layout, spec.channels, spec.height, spec.width) == expected


def test_the_size_of_a_free_input(tmp_path: Path) -> None:
    path = network(tmp_path / "x.onnx", size=("h", "w"), channels=3)
    model = import_model(path, out=tmp_path / "a", size=40)
    check_same(model, pictures(40), run_by_hand(path, channels_first(pictures(40), IMAGENET_MEAN, IMAGENET_STD)))
    half = network(tmp_path / "half.onnx", size=(32, "w"))
    assert import_model(half, out=tmp_path / "b").card.input.width == 32
    assert "size: 224 × 224, assumed" in assumed(import_model(path, out=tmp_path / "c"))


def test_a_batch_that_the_graph_mixes_or_refuses_is_one_picture(tmp_path: Path) -> None:
    """Exports often have a free axis and a graph that was traced for one picture."""
    fixed = [helper.make_node("Reshape", ["projected", "one row"], ["row"])]
    refusing = network(tmp_path / "a.onnx", gives={"row": ""}, more=fixed, constants={"one row": np.array([1, 8])})
    centered = [
        helper.make_node("ReduceMean", ["projected"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Mul", ["mean", "w2"], ["scaled"]),
        helper.make_node("Add", ["projected", "scaled"], ["mixed"]),
    ]
    mixing = network(tmp_path / "b.onnx", gives={"mixed": ""}, more=centered,
                     constants={"w2": np.array(0.5, np.float32)})  # fmt: skip
    for path, output in ((refusing, "row"), (mixing, "mixed")):
        model = import_model(path, out=tmp_path / output)
        feed = channels_first(pictures(16), IMAGENET_MEAN, IMAGENET_STD)
        expected = np.concatenate([run_by_hand(path, feed[at : at + 1], output) for at in range(3)])
        check_same(model, pictures(16), expected)
        assert any(line.startswith("batch: 1") for line in assumed(model))


def test_settings_that_contradict_the_graph(tmp_path: Path) -> None:
    """A usage error that names the argument, and nothing is written."""
    floats, bytes_ = network(tmp_path / "f.onnx"), network(tmp_path / "u.onnx", dtype="uint8")
    grey = network(tmp_path / "g.onnx", channels=1)
    cases: list[tuple[Path, dict[str, Any], str]] = [
        (floats, {"size": 17}, r"size is \(17, 17\): the graph takes 16 × 16"),
        (floats, {"size": (16, 8)}, r"size is \(16, 8\)"),
        (floats, {"output": "x"}, "output is 'x': it must be one of embedding"),
        (bytes_, {"mean": 0.5}, r"mean is \(0.5,\): the graph takes uint8"),
        (bytes_, {"std": (1, 1, 1)}, "std is"),
        (grey, {"bgr": True}, "bgr is True: the graph takes one channel"),
        (grey, {"mean": (0, 0, 0)}, "mean is .* must be one number"),
        (floats, {"preset": "clop"}, "preset is 'clop': it must be one of arcface, clip"),
        (floats, {"layout": "chwn"}, "layout is 'chwn': it must be one of nchw, nhwc"),
        (floats, {"fit": "squeeze"}, "fit is 'squeeze': it must be one of pad, stretch, crop"),
        (floats, {"std": 0}, "std is 0: it must be one number from 1e-06"),
        (floats, {"std": (1, 1)}, "std is"),
        (floats, {"mean": ()}, r"mean is \(\)"),
        (floats, {"mean": float("nan")}, "mean is nan"),
        (floats, {"size": 0}, "size is 0"),
        (floats, {"size": 10**9}, "size is 1000000000"),
    ]
    for path, arguments, match in cases:
        with pytest.raises(UsageError, match=match):
            import_model(path, out=tmp_path / "model", **arguments)
    assert not (tmp_path / "model").exists()


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with what no other has: channels last, BGR, four pictures at a time, cropped."""
    folder = tmp_path_factory.mktemp("imported")
    path = network(folder / "x.onnx", layout="nhwc", batch=4, dim=5)
    return import_model(path, out=folder / "model", bgr=True)


def things(count: int = 6) -> Dataset:
    rng = np.random.default_rng(0)
    return Dataset("things", tuple(
        Picture((noise(10 * n, 20) // 2 + rng.integers(0, 60, (20, 20, 3))).astype(np.uint8), f"{n}", f"{n}-{turn}")
        for n in range(count) for turn in range(4)
    ))  # fmt: skip


def test_it_works_in_a_gallery(imported: Model, tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "shop", imported) as gallery:
        gallery.enroll_dataset(things())
    with Gallery(tmp_path / "shop") as gallery:
        assert gallery.identify(things().pictures[5].source).candidates[0].subject == "1"
        assert gallery.model.fingerprint == imported.fingerprint


def test_it_is_a_part_of_derived_models(imported: Model, tmp_path: Path, tiny: Model) -> None:
    joined = semelha.derive([imported, tiny], out=tmp_path / "joined", views=2)
    found = load_embedder(tmp_path / "joined").embed([noise(1), noise(2)])
    assert found.shape == (2, imported.dim + tiny.dim)
    assert np.array_equal(found, joined.embed([noise(1), noise(2)]))
    one = semelha.derive([imported], out=tmp_path / "one")
    assert np.allclose(one.embed(noise(1)), imported.embed(noise(1)), atol=1e-5)


def test_a_metric_is_learned_on_it(imported: Model, tmp_path: Path) -> None:
    """The graph and all that its input says are copied."""
    model = semelha.train(things(), out=tmp_path / "lda", method="lda", on=imported)
    assert model.card.input == imported.card.input
    assert np.array_equal(load_embedder(model.folder).embed(noise(1)), imported.embed(noise(1)))
    assert (model.metric.name, model.card.format) == ("mahalanobis", 4)


def test_it_is_evaluated_and_has_no_untrained_network(imported: Model) -> None:
    evaluation = semelha.evaluate(imported, things(), resamples=0)
    assert [*evaluation.baselines] == ["raw_pixels"]


def test_it_is_pickled_and_copied(imported: Model) -> None:
    expected = imported.embed(noise(3))
    for other in (pickle.loads(pickle.dumps(imported)), copy.deepcopy(imported)):
        assert np.array_equal(other.embed(noise(3)), expected)


def test_its_training_cannot_go_on(imported: Model, tmp_path: Path) -> None:
    """There is no network that torch could train, and no layers that could be read."""
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match="from_model is model, which has no network"):
        semelha.train(things(), out=tmp_path / "new", from_model=imported)
    with pytest.raises(UsageError, match="model has no layers to read"):
        semelha.train(things(), out=tmp_path / "new", method="readout", on=imported)
    from semelha.deep.network import Network

    with pytest.raises(ModelError, match="model has no network that can be trained"):
        Network.of_card(imported.card)
    assert not (tmp_path / "new").exists()


def test_an_imported_model_is_not_tried_again(imported: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "RUNNER", None)
    load_embedder(imported.folder)


def test_one_from_a_stranger_is_tried_with_its_own_input(imported: Model, monkeypatch: pytest.MonkeyPatch,
                                                         tmp_path: Path) -> None:  # fmt: skip
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path / "empty"))
    assert load_embedder(imported.folder).dim == 5
    assert (tmp_path / "empty" / "tried-models" / imported.fingerprint).exists()


def test_other_cards_and_fingerprints_do_not_change(tiny: Model, imported: Model) -> None:
    """Galleries keep the fingerprint, and older versions read the card: neither knows of imported graphs."""
    card = Card.draft(
        name="x", dim=8, metric={"name": "cosine"}, training={}, classes=(), content_hashes=(), results={},
        input=InputSpec(height=16, width=12, channels=3),
    ).with_checksums({"embedder.onnx": "0" * 64})  # fmt: skip
    assert card.fingerprint == "cc673adcc573553e4945b68607a31c13d437c396f9a76108b6a4050d96767ba0"
    content = json.loads(card.text())
    assert content["format"] == 3
    assert content["input"] == {"height": 16, "width": 12, "channels": 3, "fit": "pad", "background": 255}
    assert (tiny.card.format, imported.card.format) == (3, 4)


def test_a_fit_that_older_versions_do_not_know_raises_the_format() -> None:
    assert [InputSpec(height=8, width=8, channels=3, fit=fit).format for fit in ("pad", "stretch", "ink", "crop")] == [
        3, 3, 3, 4,
    ]  # fmt: skip


def test_every_part_of_the_input_is_in_the_fingerprint(imported: Model) -> None:
    graph = imported.card.input.graph
    changes = {"layout": "nchw", "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "bgr": False, "batch": None,
               "output": "x", "first_token": True, "normalize": True, "dtype": "float16"}  # fmt: skip
    assert set(changes) == set(type(graph).model_fields)
    found = set()
    for key, value in changes.items():
        spec = imported.card.input.model_copy(update={"graph": graph.model_copy(update={key: value})})
        found.add(imported.card.model_copy(update={"input": spec}).with_checksums(imported.card.files).fingerprint)
    assert len(found - {imported.fingerprint}) == len(changes)


@pytest.mark.parametrize(
    "changes",
    [{"batch": 4096}, {"mean": [0.0]}, {"std": [0.0, 1.0, 1.0]}, {"dtype": "uint8"}, {"batch": 0}, {"layout": "x"}],
)
def test_the_card_of_a_stranger_is_checked(changes: dict[str, Any], imported: Model) -> None:
    """It says how much memory an input takes before any graph is run."""
    content = imported.card.input.model_dump()
    content |= {"height": 400, "width": 400, "graph": content["graph"] | changes}
    with pytest.raises(ValueError, match="validation error"):
        InputSpec.model_validate(content)


def test_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    """It is written out in the card, which is UTF-8."""
    path = network(tmp_path / "x.onnx").rename(tmp_path / "caf\udce9.onnx")
    model = import_model(path, out=tmp_path / "out\udce9")
    assert model.card.training["imported"]["file"] == r"caf\xe9.onnx"
    assert load_embedder(tmp_path / "out\udce9").dim == 8


def test_double_precision_outputs(tmp_path: Path) -> None:
    more = [helper.make_node("Cast", ["projected"], ["wide"], to=TensorProto.DOUBLE)]
    path = network(tmp_path / "x.onnx", gives={"embedding": "vectors"}, more=more)
    assert import_model(path, out=tmp_path / "a").dim == 8
