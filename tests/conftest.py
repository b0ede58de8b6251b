"""Fixtures that several parts share."""

import pytest

from semelha.embedders import Model
from tests.tiny_model import tiny_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model made in a moment; its folder is not to be written to."""
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model")
