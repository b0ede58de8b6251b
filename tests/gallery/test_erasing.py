"""No file of a gallery keeps the vectors of removed examples for long, and erasing them takes little of the time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.gallery.made import DELTA, GRAPH, enroll, nearest, vectors
from tests.tiny_model import tiny_model

from semelha.gallery import Gallery
from semelha.gallery.compactor import Compactor
from semelha.index.kinds import AutoBuilder
from semelha.index.rows import Rows
from semelha.index.settings import settings


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gallery]:
    monkeypatch.setattr(settings, "max_delta_size", DELTA)
    monkeypatch.setattr(settings, "min_graph_size", GRAPH)
    monkeypatch.setattr(Compactor, "erase_seconds", 0.1)
    model = tiny_model(tmp_path / "model", dim=16)
    made = Gallery.create(tmp_path / "gallery", model, recall=0.9, threads=1)
    yield made
    made.close()


def until(right: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + 60
    while not right():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def bytes_of(folder: Path) -> bytes:
    """The content of every file of a folder, but of those that disappear meanwhile."""
    content = b""
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError, IsADirectoryError):
            content += path.read_bytes()
    return content


@pytest.mark.parametrize("enrolled", [200, 700], ids=["linear", "graph"])
def test_the_vectors_of_removed_examples_are_erased_by_themselves(gallery: Gallery, enrolled: int) -> None:
    """Few of a segment, which are no reason to merge it; of the delta, which is in the manifest; also by others."""
    removed = {name: vectors(first, 2).astype("<f4") for name, first in {"x": 5000, "y": 6000, "z": 7000}.items()}
    enroll(gallery, "x", 5000, 2)
    enroll(gallery, "a", 0, enrolled)
    gallery.flush()
    enroll(gallery, "y", 6000, 2)
    enroll(gallery, "z", 7000, 2)
    gallery.flush()
    segments = gallery.index_stats()["segments"]
    assert isinstance(segments, list)
    assert [one["state"] for one in segments] == ["built", "open"]

    def is_kept(name: str) -> bool:
        return any(row.tobytes() in bytes_of(gallery.path / "index") for row in removed[name])

    assert all(map(is_kept, removed))
    gallery.remove("x")
    gallery.remove("y")
    assert nearest(gallery, 5) == ("a", "5")
    until(lambda: not is_kept("x") and not is_kept("y"))
    assert is_kept("z")
    with Gallery.open(gallery.path) as other:
        other.remove("z")  # and closes it at once, as the command does
    assert is_kept("z")
    gallery.close()
    with Gallery.open(gallery.path) as again:
        assert nearest(again, 5) == ("a", "5")
        until(lambda: not is_kept("z"))
        until(lambda: "semelha-compactor" not in {thread.name for thread in threading.enumerate()})
        assert nearest(again, 6) == ("a", "6")
        content = bytes_of(again.path)
        assert not [name for name, rows in removed.items() for row in rows if row.tobytes() in content]


def test_erasing_takes_little_of_the_time(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph takes long to build: after it was built without the first, the next removals wait."""
    enroll(gallery, "a", 0, 700)
    for number in range(3):
        enroll(gallery, f"x{number}", 5000 + number, 1)
    gallery.flush(rebuild=True)
    built: list[int] = []
    make = AutoBuilder.build

    def slow(builder: AutoBuilder, rows: Rows, stop: Callable[[], None]) -> object:
        built.append(len(rows))
        time.sleep(0.2)
        return make(builder, rows, stop)

    monkeypatch.setattr(AutoBuilder, "build", slow)
    for number in range(3):
        gallery.remove(f"x{number}")
        assert nearest(gallery, 5) == ("a", "5")
        until(lambda: built != [])
        time.sleep(0.3)
    assert built == [702]
    enroll(gallery, "b", 1000, DELTA)  # other work does not wait
    assert nearest(gallery, 1002) == ("b", "1002")
    until(lambda: DELTA in built)
