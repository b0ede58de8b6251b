"""A saved index, of two kinds."""

from pathlib import Path

import pytest
from tests.index.folders import FINGERPRINT, old

from semelha.index.settings import settings


@pytest.fixture(params=["linear", "hnsw"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few vectors wait to be merged that there are segments of every state."""
    monkeypatch.setattr(settings, "max_delta_size", 48)


@pytest.fixture
def saved(kind: str, small: None, tmp_path: Path) -> Path:
    """The folder of `old`."""
    old(kind).save(tmp_path / "index", fingerprint=FINGERPRINT, generation=7)
    return tmp_path / "index"
