"""A gallery, and the model that it is moved to. The tests of `CONTRACT` run on a folder and on Milvus."""

import inspect
import os
import re
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.gallery.made import photo
from tests.milvus_server import MilvusServer
from tests.tiny_model import noise, tiny_model

from semelha.embedders import Model
from semelha.gallery import Gallery, gallery
from semelha.gallery.opened import OpenedGallery
from semelha.gallery.places import Creation
from semelha.store import database

CONTRACT = {"test_contents", "test_enrollment", "test_examples", "test_gallery", "test_merging", "test_rejections"}
SLOW_CONTRACT = {
    "test_accuracy", "test_audit", "test_curation", "test_det", "test_evidence", "test_mapping", "test_probes",
    "test_reviews", "test_rule", "test_screened", "test_state",
}  # fmt: skip
"""Modules whose tests hold wherever a gallery is kept; those of the second on Milvus with `-m slow` alone."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    module = metafunc.module.__name__.rpartition(".")[2]
    has_gallery = "gallery" in metafunc.fixturenames or "Gallery" in inspect.getsource(metafunc.function)
    if module not in CONTRACT | SLOW_CONTRACT or not has_gallery or find_spec("milvus_lite") is None:
        return
    if metafunc.definition.get_closest_marker("folder_only") is None:
        marks = [pytest.mark.slow] if module in SLOW_CONTRACT else []
        metafunc.parametrize("kept_in", ["folder", pytest.param("milvus", marks=marks)], indirect=True)


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """A server for all tests that do not harm it."""
    with MilvusServer(tmp_path_factory.mktemp("milvus")) as server:
        yield server


@pytest.fixture(autouse=True)
def kept_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where galleries are kept: with "milvus", that of a path is a collection with a name made of the path."""
    kind = getattr(request, "param", "folder")
    if kind == "milvus":
        server: MilvusServer = request.getfixturevalue("milvus")
        create, open_ = gallery.create_gallery, gallery.open_gallery

        def address(path: str | os.PathLike[str]) -> str:
            text = os.fspath(path)
            if text.startswith("milvus:"):
                return text
            return server.address(re.sub(r"\W", "_", f"g{zlib.crc32(text.encode())}_{Path(text).name}"))

        def create_there(path: str | os.PathLike[str], model: Model, options: Creation) -> None:
            pictures = f"{os.fspath(path)}.pictures" if options.keep_pictures else None
            create(address(path), model, Creation(options.keep_pictures, pictures, threads=options.threads))

        def open_there(path: str | os.PathLike[str], recall: float | None, threads: int | None) -> OpenedGallery:
            return open_(address(path), None, threads)

        monkeypatch.setattr(gallery, "create_gallery", create_there)
        monkeypatch.setattr(gallery, "open_gallery", open_there)
    return str(kind)


@pytest.fixture(scope="session")
def new(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Another space, of another length."""
    return tiny_model(tmp_path_factory.mktemp("new") / "model", seed=1, dim=12)


@pytest.fixture
def path(tiny: Model, tmp_path: Path) -> Path:
    """Of a gallery of 12 subjects with two pictures each, of which one is larger than the copies that are kept."""
    with Gallery.create(tmp_path / "gallery", tiny) as gallery:
        for number in range(12):
            gallery.enroll(f"s{number}", [noise(2 * number), noise(2 * number + 1)])
        gallery.enroll("s0", photo(0))
    return tmp_path / "gallery"


@pytest.fixture(autouse=True)
def changes_by_one(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Changes are counted one by one, so that tests can name them."""
    if "random_changes" not in request.fixturenames:
        monkeypatch.setattr(database, "STEP", 1)


@pytest.fixture
def random_changes() -> None:
    """Changes are numbered at random, as they are for users."""


@pytest.fixture
def place(milvus: MilvusServer, request: pytest.FixtureRequest) -> str:
    """An address that no other test has."""
    return milvus.address(f"t{abs(hash(request.node.nodeid))}")
