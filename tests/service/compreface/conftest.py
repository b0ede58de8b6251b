"""Servers with CompreFace's API, called without a network."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient


@pytest.fixture
def client(new: Path, serving: Callable[..., TestClient]) -> TestClient:
    """A client of an empty gallery."""
    return serving(new, compreface=True)


@pytest.fixture
def reader(shop: Path, serving: Callable[..., TestClient]) -> TestClient:
    """A client of the gallery that is not written to."""
    return serving(shop, compreface=True)
