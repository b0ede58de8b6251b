"""Changes are counted one by one, so that tests can name them."""

import pytest

from semelha.store import database


@pytest.fixture(autouse=True)
def changes_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "STEP", 1)
