"""A gallery, and the model that it is moved to."""

from pathlib import Path

import pytest
from tests.gallery.made import photo
from tests.tiny_model import noise, tiny_model

from semelha.embedders import Model
from semelha.gallery import Gallery
from semelha.store import database


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
