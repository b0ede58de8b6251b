"""Every reader of JSON, given documents that nobody should have to trust: one sentence, never a raw error."""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semelha.embedders import Card, FeatureExtractor, derive, load_embedder, write_model
from semelha.embedders.folder import CARD
from semelha.errors import GalleryError, IndexFileError, ModelError, SemelhaError
from semelha.features import RawPixels
from semelha.gallery import Gallery
from semelha.index.archive import MAGIC, checksum, read_archive, write_archive
from semelha.store.database import connect
from tests.cli.commands import run
from tests.test_untrusted import HOSTILE
from tests.tiny_model import noise, tiny_model


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, a derived model and a gallery."""
    folder = tmp_path_factory.mktemp("made")
    model = tiny_model(folder / "model")
    derive([model], out=folder / "derived", views=2)
    features = RawPixels()
    spec = FeatureExtractor(features).spec
    card = Card.draft(
        name="raw",
        features=spec,
        dim=features.dim,
        metric={"name": "euclidean"},
        training={},
        classes=(),
        content_hashes=(),
        results={},
    )
    write_model(folder / "features", card=card, weights={})
    with Gallery.create(folder / "shop", model, threads=1) as gallery:
        for number in range(4):
            gallery.enroll(f"s{number}", [noise(number), noise(10 + number)])
        gallery.calibrate(fpir=0.4)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def refused(action: Callable[[], object], kind: type[SemelhaError]) -> str:
    with pytest.raises(kind) as error:
        action()
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def check(action: Callable[[], object], case: object) -> None:
    """It works, or is refused in one sentence."""
    message = ""
    try:
        action()
    except SemelhaError as error:
        message = str(error)
    assert len(message) < 1000, case
    assert "\n" not in message, case


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE.keys())
def test_readers_refuse_a_hostile_document(document: bytes, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "model" / CARD).write_bytes(document)
    assert "model.json" in refused(lambda: load_embedder(copy / "model"), ModelError)
    status, out, err = run(capsys, "embed", copy / "model", "a.png", "--json")
    assert (status, out, err.count("\n")) == (1, "", 1)

    settings = (copy / "shop" / "gallery.json").read_bytes()
    (copy / "shop" / "gallery.json").write_bytes(document)
    assert "gallery.json" in refused(lambda: Gallery(copy / "shop"), GalleryError)
    assert run(capsys, "subjects", "list", copy / "shop")[0] == 1
    (copy / "shop" / "gallery.json").write_bytes(settings)

    (copy / "derived" / "parts" / "0" / CARD).write_bytes(document)
    refused(lambda: load_embedder(copy / "derived"), ModelError)


@pytest.mark.parametrize("key", ["calibration", "model", "hash_basis"])
def test_the_table_of_settings_in_the_database(key: str, copy: Path) -> None:
    for document in HOSTILE.values():
        connection = connect(copy / "shop" / "gallery.sqlite")  # with it the checksums are right
        connection.execute("UPDATE meta SET value = ? WHERE key = ?", (document.decode("latin-1"), key))
        connection.close()
        check(lambda: identify(copy / "shop"), document)


def test_the_header_of_an_index(tmp_path: Path) -> None:
    write_archive(tmp_path / "a", {"x": 1}, {"numbers": np.arange(3)})
    assert read_archive(tmp_path / "a")[0] == {"x": 1}
    for header in HOSTILE.values():
        start = MAGIC + len(header).to_bytes(8, "little")
        (tmp_path / "a").write_bytes(start + bytes.fromhex(checksum(start + header)) + header)
        refused(lambda: read_archive(tmp_path / "a"), IndexFileError)


def identify(shop: Path) -> None:
    with Gallery(shop) as gallery:
        gallery.identify(noise(0))


def use(folder: Path, new: Path | None) -> None:
    model = load_embedder(folder)
    model.embed(noise(0))
    if new is not None:
        derive([model], out=new, views=2)
        shutil.rmtree(new)


WRONG: list[Any] = [None, True, -1, 2**63, "x" * 100_000, {"a": [1]}]


def leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of everything in a document."""
    if place:
        yield place
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*place, key))


def replaced(content: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(content))
    inner: Any = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return copy


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """The card of somebody who computes checksums and fingerprint after changing it, if it is a card at all."""
    try:
        card = Card.model_validate(content)
        return json.loads(card.with_checksums(card.files).text())  # type: ignore[no-any-return]
    except Exception:
        return content


@pytest.mark.parametrize("name", ["model", "derived", "features"])
def test_a_card_of_wrong_kinds_under_right_checksums(name: str, copy: Path) -> None:
    card = copy / name / CARD
    content = json.loads(card.read_text())
    for place in leaves(content):
        action = partial(use, copy / name, copy / "new" if place[0] == "training" else None)
        for wrong in WRONG:
            card.write_text(json.dumps(sealed(replaced(content, place, wrong))))
            check(action, (place, wrong))


def test_settings_of_wrong_kinds(copy: Path) -> None:
    file = copy / "shop" / "gallery.json"
    content = json.loads(file.read_text())
    for place in leaves(content):
        for wrong in WRONG:
            file.write_text(json.dumps(replaced(content, place, wrong)))
            check(lambda: Gallery(copy / "shop").close(), (place, wrong))
