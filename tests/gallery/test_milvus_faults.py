"""A gallery on Milvus: nothing is lost or half done when a process or the server dies, hangs, or has no space."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gallery.made import enroll, made, numbers, vectors
from tests.milvus_server import MilvusServer

from semelha.embedders import Model
from semelha.errors import (
    GalleryNotWritable,
    GalleryUnavailable,
)
from semelha.gallery import Gallery
from semelha.store.milvus.client import Collection

pytest.importorskip("milvus_lite")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MilvusServer]:
    """A server that a test may harm."""
    monkeypatch.setattr(Collection, "patience", 4.0)  # gRPC itself waits for a second or two
    with MilvusServer(tmp_path / "data") as server:
        yield server


def restart(server: MilvusServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start a server again that was killed. gRPC tries an address that failed more and more rarely: time for that."""
    server.start()
    monkeypatch.setattr(Collection, "patience", 30.0)


WRITES = 14


@pytest.mark.parametrize("writes", range(WRITES))
def test_a_process_that_dies_leaves_all_of_a_change_or_nothing(
    writes: int, place: str, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies after any of its writes. Another one sees its change whole or not at all, and goes on."""

    class Killed(BaseException):
        pass

    with made(place, tiny) as other:
        enroll(other, "before", 0, 2)
        dying = Gallery(place)
        left = [writes]

        def write(self: Collection, *arguments: object, **options: object) -> None:
            if self is dying._store._collection:  # type: ignore[attr-defined]
                if not left[0]:
                    raise Killed
                left[0] -= 1
            original(self, *arguments, **options)  # type: ignore[arg-type]

        original = Collection.write
        monkeypatch.setattr(Collection, "write", write)
        monkeypatch.setattr(Collection, "delete", lambda *arguments: None)  # which the dead do not do either
        acknowledged = 0
        try:
            for number in range(4):
                enroll(dying, f"new {number}", 10 * number + 10, 3)
                acknowledged += 1
        except Killed:
            pass
        seen = numbers(other)
        assert set(seen) >= {"before", *(f"new {number}" for number in range(acknowledged))}
        assert {name: len(each) for name, each in seen.items() if name != "before"}.keys() <= {
            f"new {number}" for number in range(acknowledged + 1)
        }
        assert all(len(each) == 3 for name, each in seen.items() if name != "before")
        enroll(other, "after", 100, 2)
        assert len(numbers(other)["after"]) == 2
        assert other.identify_vectors(vectors(100, 1, tiny.dim))[0].candidates[0].subject == "after"
        with Gallery(place) as third:
            assert numbers(third) == numbers(other)


def test_what_was_acknowledged_survives_a_killed_server(
    own: MilvusServer, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed while subjects are enrolled, and started again: of each subject all examples are there, or none."""
    acknowledged: list[str] = []
    with made(own.address("shop"), tiny) as gallery:

        def enroll_many() -> None:
            try:
                for number in range(1000):
                    enroll(gallery, f"s{number}", 3 * number, 3)
                    acknowledged.append(f"s{number}")
                    if len(acknowledged) == 8:
                        started.set()
            except GalleryUnavailable:
                pass

        started = threading.Event()
        thread = threading.Thread(target=enroll_many)
        thread.start()
        started.wait(30)
        own.kill()
        thread.join(30)
        restart(own, monkeypatch)
        assert acknowledged
        with Gallery(own.address("shop")) as again:
            seen = numbers(again)
            assert set(acknowledged) <= set(seen)
            assert len(seen) <= len(acknowledged) + 1
            assert {len(each) for each in seen.values()} == {3}
        enroll(gallery, "after", 9000, 2)  # the same process goes on
        assert "after" in gallery


def test_a_server_that_does_not_answer_is_named(
    own: MilvusServer, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Collection, "timeout", 1.0)
    monkeypatch.setattr(Collection, "patience", 0.1)
    with made(own.address("shop"), tiny) as gallery:
        enroll(gallery, "a", 0, 2)
        own.pause()
        with pytest.raises(GalleryUnavailable, match=rf"127.0.0.1:{own.port} cannot be reached or does not answer"):
            gallery.identify_vectors(vectors(0, 1, tiny.dim))
        with pytest.raises(GalleryUnavailable):
            enroll(gallery, "b", 10, 2)
        own.resume()
        monkeypatch.setattr(Collection, "timeout", 30.0)
        monkeypatch.setattr(Collection, "patience", 30.0)
        enroll(gallery, "b", 10, 2)  # whether or not it had been made
        assert len(gallery.examples("b")) == 2
        assert gallery.identify_vectors(vectors(0, 1, tiny.dim))[0].candidates[0].subject == "a"
    own.kill()
    monkeypatch.setattr(Collection, "patience", 0.1)
    with pytest.raises(GalleryUnavailable, match="start it"):
        Gallery(own.address("shop"))


def test_a_full_disk_is_named_and_loses_nothing(
    own: MilvusServer, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files of the server may not grow beyond some 100 kB."""
    own.kill()
    own.start(most_bytes=100_000)
    acknowledged = []
    gallery = made(own.address("shop"), tiny)
    with pytest.raises(GalleryNotWritable, match="no space"):  # noqa: PT012
        for number in range(1000):
            enroll(gallery, f"s{number}", 3 * number, 3)
            acknowledged.append(f"s{number}")
    assert acknowledged
    assert gallery.identify_vectors(vectors(0, 1, tiny.dim))[0].candidates[0].subject == "s0"
    own.kill()
    restart(own, monkeypatch)
    with gallery:
        seen = numbers(gallery)
        assert set(acknowledged) <= set(seen)
        assert {len(each) for each in seen.values()} == {3}
