"""The model folder: written whole or not at all; refused with the reason when incomplete, altered or too new."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from safetensors.numpy import load_file
from tests.tiny_model import projection, tiny_model

from semelha.embedders import Card, Model, derive, load_embedder, write_model
from semelha.embedders.extractors import EXTERNAL_DATA
from semelha.embedders.folder import copy_folder, read_card
from semelha.errors import ModelAltered, ModelError, ModelIncomplete, ModelTooNew
from semelha.images import Picture, content_hash, content_hashes, decode

FILES = ["model.json", "embedder.onnx", "weights.safetensors"]


@pytest.fixture
def folder(tiny: Model, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(tiny.folder, tmp_path / "model"))


def rewrite(folder: Path, *, seal: bool, **changes: Any) -> None:
    """Change the card; sealed again, it is as if it had been written so."""
    content = json.loads((folder / "model.json").read_text(encoding="utf-8")) | changes
    if seal:
        content["checksum"] = Card.model_validate(content).content_checksum()
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")


def replace_graph(folder: Path, graph: bytes) -> None:
    """Another graph, with checksums that fit: only what it does can be wrong."""
    (folder / "embedder.onnx").write_bytes(graph)
    card = read_card(folder)
    sealed = card.with_checksums(card.files | {"embedder.onnx": hashlib.sha256(graph).hexdigest()})
    (folder / "model.json").write_text(sealed.model_dump_json(), encoding="utf-8")


def test_it_holds_card_graph_and_weights(tiny: Model) -> None:
    assert sorted(path.name for path in tiny.folder.iterdir()) == sorted(FILES)
    assert load_file(tiny.folder / "weights.safetensors")["w"].shape == (256, 8)
    card = json.loads((tiny.folder / "model.json").read_text(encoding="utf-8"))
    for name, digest in card["files"].items():
        assert hashlib.sha256((tiny.folder / name).read_bytes()).hexdigest() == digest


def test_written_and_loaded_it_is_the_same(tiny: Model) -> None:
    again = load_embedder(str(tiny.folder), threads=1)
    assert again.card == tiny.card
    assert (again.dim, again.fingerprint, again.metric.name) == (8, tiny.fingerprint, "cosine")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelIncomplete, match=f"it has no {name}"):
        load_embedder(folder)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelIncomplete, match="there is no model folder"):
        load_embedder(tmp_path / "nowhere")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_damage_to_any_file_is_found(folder: Path, name: str, damage: str) -> None:
    data = (folder / name).read_bytes()
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    (folder / name).write_bytes({"cut": data[:middle], "flipped": flipped, "empty": b""}[damage])
    with pytest.raises(ModelAltered, match=name):
        load_embedder(folder)


@pytest.mark.parametrize(
    "changes", [{"dim": 9}, {"metric": {"name": "euclidean"}}, {"classes": ["x"]}, {"results": {"r_at_1": 1.0}}]
)
def test_an_edited_card_is_found(folder: Path, changes: dict[str, Any]) -> None:
    rewrite(folder, seal=False, **changes)
    with pytest.raises(ModelAltered, match="altered"):
        load_embedder(folder)


def test_an_unknown_word_in_the_card_is_named(folder: Path) -> None:
    rewrite(folder, seal=False, dimension=8)
    with pytest.raises(ModelAltered, match="dimension"):
        load_embedder(folder)


@pytest.mark.parametrize(
    "text", ["[]", "{}", "null", '"card"', '{"format": "one"}', '{"format": null}', '{"format": 0}']
)
def test_a_card_that_is_none(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelAltered, match=r"model\.json"):
        load_embedder(folder)


def test_a_newer_format_asks_for_an_update_whatever_else_it_holds(folder: Path) -> None:
    (folder / "model.json").write_text('{"format": 5, "unheard": "of"}', encoding="utf-8")
    with pytest.raises(ModelTooNew, match="model format 5, this semelha reads up to 4: update semelha"):
        load_embedder(folder)


def make_old(folder: Path, content_hashes: list[str]) -> None:
    """Rewrite the card as semelha 0.1 wrote it: format 1, without bases of content hashes."""
    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    content |= {"format": 1, "content_hashes": content_hashes}
    for name in ("checksum", "derived", "content_bases"):
        del content[name]
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    content["checksum"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")


def test_the_pictures_of_an_old_card_are_recognized(folder: Path, tmp_path: Path) -> None:
    """Old cards hashed the pixels of JPEGs; new ones hash their data. A model made of both has both."""
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    for name in ("seen.jpg", "unseen.jpg", "seen.png"):
        Image.fromarray(pixels + np.uint8(len(name))).save(tmp_path / name)
    seen, unseen, lossless = (Picture(tmp_path / name, "", name) for name in ("seen.jpg", "unseen.jpg", "seen.png"))
    make_old(folder, [content_hash(decode(tmp_path / name)) for name in ("seen.jpg", "seen.png")])
    old = load_embedder(folder)
    new = tiny_model(tmp_path / "new", seed=1, content_hashes=content_hashes(unseen))
    both = derive([old, new], out=tmp_path / "both")
    assert (old.card.content_bases, new.card.content_bases) == (["pixels"], ["encoded"])
    assert both.card.content_bases == ["encoded", "pixels"]
    for model, expected in ((old, (True, False, True)), (new, (False, True, False)), (both, (True, True, True))):
        assert tuple(model.card.was_trained_on(picture) for picture in (seen, unseen, lossless)) == expected
    assert load_embedder(tmp_path / "both").card == both.card
    assert derive([old], out=tmp_path / "again").card.content_bases == ["pixels"]


def test_the_fingerprint_is_of_the_space_alone(tmp_path: Path) -> None:
    """Same graph, preprocessing and metric: same space, whatever is told about its training."""
    first = tiny_model(tmp_path / "a")
    assert tiny_model(tmp_path / "b", classes=("x",)).fingerprint == first.fingerprint
    others = [
        tiny_model(tmp_path / "c", seed=1),
        tiny_model(tmp_path / "d", size=17),
        tiny_model(tmp_path / "e", channels=3),
        tiny_model(tmp_path / "f", dim=9),
    ]
    assert len({first.fingerprint, *(each.fingerprint for each in others)}) == 5


def test_the_fingerprint_knows_the_preprocessing(tiny: Model) -> None:
    files = tiny.card.files
    for changes in ({"fit": "stretch"}, {"background": 0}):
        card = tiny.card.model_copy(update={"input": tiny.card.input.model_copy(update=changes)})
        assert card.with_checksums(files).fingerprint != tiny.fingerprint


def test_a_fingerprint_that_its_space_has_not_is_found(folder: Path) -> None:
    """A card may be sealed again by hand; vectors of two models must not meet for all that."""
    rewrite(folder, seal=True, fingerprint="0" * 64)
    with pytest.raises(ModelAltered, match="fingerprint"):
        load_embedder(folder)


def test_a_place_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "precious").touch()
    with pytest.raises(ModelError, match="exists already"):
        tiny_model(tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["precious"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot be written"):
        tiny_model(tmp_path / "file" / "model")


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_failed_write_leaves_nothing(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(ModelError, match="No space left on device"):
        tiny_model(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def graph(nodes: list[Any], *, input_type: int = TensorProto.UINT8, initializers: tuple[Any, ...] = ()) -> bytes:
    """A graph of one input and one output that no training wrote."""
    made = helper.make_graph(
        nodes,
        "other",
        [helper.make_tensor_value_info("pixels", input_type, ["n", 1, 16, 16])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, None)],
        list(initializers),
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (b"no graph", "no graph that ONNX Runtime can run"),
        (projection(np.ones((256, 9), np.float32), 16, 1), "its card says 8"),
        (projection(np.ones((289, 8), np.float32), 17, 1), "blank picture"),
        (
            graph([helper.make_node("Flatten", ["pixels"], ["embedding"])], input_type=TensorProto.FLOAT),
            "one uint8 array",
        ),
    ],
    ids=["bytes", "dimension", "size", "type"],
)
def test_a_graph_that_does_not_fit_its_card_is_refused(folder: Path, other: bytes, said: str) -> None:
    replace_graph(folder, other)
    with pytest.raises(ModelAltered, match=said):
        load_embedder(folder)


def test_external_data_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph must not read files: neither beside it, nor where the program runs, nor anywhere else."""
    monkeypatch.chdir(folder)
    for place in ("secret.bin", "../secret.bin", str(folder / "secret.bin")):
        (folder / place).write_bytes(np.ones((256, 8), np.float32).tobytes())
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[256, 8])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.append(onnx.StringStringEntryProto(key="location", value=place))
        nodes = [
            helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["float"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "w"], ["embedding"]),
        ]
        replace_graph(folder, graph(nodes, initializers=(tensor,)))
        with pytest.raises(ModelAltered, match="refers to other files"):
            load_embedder(folder)


def test_external_data_hides_in_no_longer_spelling() -> None:
    """Protocol Buffers let lengths and fields be written in more bytes than they need, and read them all the same."""
    for field in (b"\x0a", b"\x8a\x00", b"\x8a\x80\x00"):
        for length in (b"\x08", b"\x88\x00", b"\x88\x80\x80\x00"):
            spelled = field + length + b"location"
            entry = onnx.StringStringEntryProto.FromString(spelled)
            assert entry.key == "location"
            assert EXTERNAL_DATA.search(b"before" + spelled + b"after")
    assert not EXTERNAL_DATA.search(b"the relocation of a location")


def test_a_graph_that_does_not_fit_is_not_written(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(ModelAltered, match="the graph for"):
        write_model(tmp_path / "model", card=tiny.card, onnx=b"no graph", weights={})
    assert list(tmp_path.iterdir()) == []


def test_writing_returns_the_model_at_work(tiny: Model, tmp_path: Path) -> None:
    graph = (tiny.folder / "embedder.onnx").read_bytes()
    weights = load_file(tiny.folder / "weights.safetensors")
    model = write_model(tmp_path / "deep" / "copy", card=tiny.card, onnx=graph, weights=weights)
    assert model.fingerprint == tiny.fingerprint
    other = write_model(tmp_path / "other", card=tiny.card, onnx=graph, weights={"w": 2 * weights["w"]})
    assert other.fingerprint != tiny.fingerprint
    assert model.folder == tmp_path / "deep" / "copy"


def test_a_copy_is_the_same_and_comes_from_a_whole_folder_to_a_free_place(tiny: Model, folder: Path) -> None:
    derived = derive([tiny, folder], out=folder.parent / "derived")
    to = folder.parent / "copy"
    assert copy_folder(derived.folder, to).fingerprint == derived.fingerprint
    assert load_embedder(to).parts[1].fingerprint == tiny.fingerprint
    with pytest.raises(ModelError, match="exists already"):
        copy_folder(tiny.folder, to)
    (folder / "embedder.onnx").write_bytes(b"another")
    with pytest.raises(ModelAltered):
        copy_folder(folder, folder.parent / "other")
    assert not (folder.parent / "other").exists()
