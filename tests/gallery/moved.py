"""What is in a gallery that was moved to another model."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from semelha.embedders import Model, load_embedder
from semelha.gallery.folder import DATABASE
from semelha.images import decode


def rows(path: Path, query: str) -> list[Any]:
    database = sqlite3.connect(path / DATABASE)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def kept(path: Path) -> dict[int, np.ndarray]:
    """The pictures that a gallery kept, by the number of their example."""
    return {number: decode(data) for number, data in rows(path, "SELECT * FROM pictures")}


def vectors(path: Path) -> dict[int, np.ndarray]:
    found = rows(path, "SELECT * FROM vectors ORDER BY example_id")
    return {number: np.frombuffer(blob, "<f4") for number, blob in found}


def check_of(path: Path, model: Model) -> None:
    """Every example has the vector of its kept picture by the model, which is the only one in the folder."""
    pictures, found = kept(path), vectors(path)
    assert list(found) == [number for (number,) in rows(path, "SELECT id FROM examples ORDER BY id")]
    expected = model.embed([pictures[number] for number in found])
    np.testing.assert_allclose(np.stack(list(found.values())), expected, atol=1e-6)
    assert load_embedder(path / "model").fingerprint == model.fingerprint
    left = {each.name for each in path.iterdir()} - {f"{DATABASE}-wal", f"{DATABASE}-shm"}
    assert left == {"gallery.json", "model", DATABASE, "index", "index.lock", "migration.lock"}


def during(act: Callable[[], None], title: str = "embedding") -> Callable[[str], Callable[[int, int], None]]:
    """A progress that does something once, in the first batch of a step."""
    waiting = [act]

    def step(name: str) -> Callable[[int, int], None]:
        def advance(done: int, total: int) -> None:
            assert 0 < done <= total
            if name == title and waiting:
                waiting.pop()()

        return advance

    return step
