"""Servers of small galleries, called without a network."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.contract import KINDS, opened
from tests.service.made import png
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.gallery import Gallery
from semelha.service.app import create_app
from semelha.service.settings import Settings
from semelha.service.state import State

SUBJECTS = 40


@pytest.fixture(scope="session")
def shop(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibrated gallery of forty subjects with one picture each, s1 with two; not to be written to."""
    with Gallery.create(tmp_path_factory.mktemp("shop") / "shop", tiny) as gallery:
        for number in range(SUBJECTS):
            gallery.enroll(f"s{number}", png(noise(number)))
        gallery.enroll("s1", png(noise(1001)))
        gallery.calibrate(fpir=0.1)
        gallery.flush()
    return gallery.path


@pytest.fixture
def new(tiny: Model, tmp_path: Path) -> Path:
    """An empty gallery."""
    Gallery.create(tmp_path / "new", tiny).close()
    return tmp_path / "new"


@pytest.fixture
def state() -> Iterator[State]:
    """What a server without a state file remembers."""
    with closing(State()) as made:
        yield made


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., TestClient]]:
    """`serving(path, …, setting=value)`: a client of a server that runs until the end of the test."""
    with ExitStack() as stack:

        def start(*galleries: Path, **settings: Any) -> TestClient:
            made = Settings(**{"galleries": galleries, "keys": tmp_path / "keys.json", **settings})
            app = create_app(made)
            client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
            return stack.enter_context(client)

        yield start


@pytest.fixture
def reader(shop: Path, serving: Callable[..., TestClient]) -> TestClient:
    """A client of the gallery that is not written to."""
    return serving(shop)


@pytest.fixture
def client(new: Path, serving: Callable[..., TestClient]) -> TestClient:
    """A client of an empty gallery."""
    return serving(new)


@pytest.fixture(params=KINDS)
def empty(request: pytest.FixtureRequest, new: Path) -> Iterator[Any]:
    """An empty gallery, opened as `Gallery`, `Client` and `AsyncClient`."""
    with opened(request.param, new) as one:
        yield one


@pytest.fixture(params=KINDS)
def known(request: pytest.FixtureRequest, shop: Path) -> Iterator[Any]:
    """The calibrated gallery of forty subjects, opened in the same three ways."""
    with opened(request.param, shop) as one:
        yield one
