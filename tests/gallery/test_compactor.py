"""Merging and saving goes on beside everything else; what is on the disk is of one change, and is what others read."""

import errno
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.gallery.made import DELTA, GRAPH, enroll, index_files, nearest
from tests.tiny_model import tiny_model

from semelha.embedders import Model
from semelha.errors import GalleryError, IndexFileError
from semelha.gallery import Gallery
from semelha.gallery.compactor import Compactor
from semelha.index import AutoIndex
from semelha.index.base import Index
from semelha.index.kinds import AutoBuilder
from semelha.index.rows import Rows
from semelha.index.settings import settings
from semelha.store import View

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model", dim=16)


@pytest.fixture
def gallery(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gallery]:
    monkeypatch.setattr(settings, "max_delta_size", DELTA)
    monkeypatch.setattr(settings, "min_graph_size", GRAPH)
    monkeypatch.setattr(Compactor, "poll_seconds", 0.05)
    made = Gallery.create(tmp_path / "gallery", model, recall=0.9, threads=1)
    yield made
    made.close()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many vectors were read from the database, each time."""
    counts: list[int] = []
    added_since = View.added_since

    def spied(view: View, change: int) -> tuple[np.ndarray, np.ndarray]:
        found = added_since(view, change)
        counts.append(len(found[0]))
        return found

    monkeypatch.setattr(View, "added_since", spied)
    return counts


def until(right: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + 60
    while not right():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kinds(gallery: Gallery) -> list[tuple[str, str]]:
    segments = gallery.index_stats()["segments"]
    assert isinstance(segments, list)
    return [(one["kind"], one["state"]) for one in segments]


def test_a_settled_gallery_opens_without_its_vectors(gallery: Gallery, read: list[int]) -> None:
    enroll(gallery, "a", 0, 700)
    gallery.flush()
    assert kinds(gallery) == [("hnsw", "built")]
    read.clear()
    with Gallery.open(gallery.path) as again:
        assert nearest(again, 3) == ("a", "3")
        assert kinds(again) == [("hnsw", "built")]
    assert sum(read) == 0
    enroll(gallery, "b", 1000, 3)
    gallery.remove("a")
    with Gallery.open(gallery.path) as again:
        assert nearest(again, 3)[0] == "b"
        assert nearest(again, 1001) == ("b", "1001")
    assert sum(read) == 3


def test_a_small_gallery_has_no_index_on_the_disk(gallery: Gallery, caplog: pytest.LogCaptureFixture) -> None:
    enroll(gallery, "a", 0, DELTA - 1)
    gallery.flush()
    gallery.flush(rebuild=True)
    assert index_files(gallery.path) == []
    with Gallery.open(gallery.path) as again:
        assert nearest(again, 3) == ("a", "3")
    assert caplog.records == []


def test_a_gallery_that_grows_is_merged_and_saved_by_itself(gallery: Gallery, read: list[int]) -> None:
    for number in range(30):
        enroll(gallery, f"s{number}", 30 * number, 30)
        assert nearest(gallery, 30 * number) == (f"s{number}", str(30 * number))
    until(lambda: not gallery.index_stats()["needs_merge"])
    gallery._compactor.close()
    assert "waiting" not in {state for _, state in kinds(gallery)}
    assert len(kinds(gallery)) < 6
    read.clear()
    with Gallery.open(gallery.path) as again:
        assert nearest(again, 100) == ("s3", "100")
    assert sum(read) <= 2 * DELTA, "what was merged is on the disk"


def test_many_vectors_are_scanned_while_their_graph_is_made(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    enroll(gallery, "a", 0, 700)
    check_stop, make = threading.Event(), AutoBuilder.build

    def slow(builder: AutoBuilder, rows: Rows, stop: Callable[[], None]) -> object:
        check_stop.wait(20)
        return make(builder, rows, stop)

    monkeypatch.setattr(AutoBuilder, "build", slow)
    assert nearest(gallery, 5) == ("a", "5")
    assert kinds(gallery) == [("linear", "waiting")]
    enroll(gallery, "b", 1000, 5)
    assert nearest(gallery, 1002) == ("b", "1002")
    check_stop.set()
    until(lambda: ("hnsw", "built") in kinds(gallery))
    assert nearest(gallery, 1002) == ("b", "1002")


def test_closing_ends_a_merge_where_it_next_checks(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    enroll(gallery, "a", 0, 700)
    has_begun, has_stopped = threading.Event(), threading.Event()
    close, checks = gallery._live.stop, []

    def long_build(builder: AutoBuilder, rows: Rows, stop: Callable[[], None]) -> None:
        stop()
        has_begun.set()
        assert has_stopped.wait(60)
        checks.append("before")
        stop()
        checks.append("after")

    def close_and_tell() -> None:
        close()
        has_stopped.set()

    monkeypatch.setattr(gallery._live, "stop", close_and_tell)
    with monkeypatch.context() as patch:
        patch.setattr(AutoBuilder, "build", long_build)
        assert nearest(gallery, 5) == ("a", "5")
        assert has_begun.wait(60)
        gallery.close()
        assert checks == ["before"]
    assert "semelha-compactor" not in {thread.name for thread in threading.enumerate()}
    with Gallery.open(gallery.path) as again:
        again.flush()
        assert kinds(again) == [("hnsw", "built")]


def test_who_settles_learns_that_the_gallery_was_closed(gallery: Gallery) -> None:
    enroll(gallery, "a", 0, 700)
    gallery._compactor.close()
    with pytest.raises(GalleryError, match="closed before its index"):
        gallery.flush()


def test_a_full_disk_does_not_stop_the_gallery(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    enroll(gallery, "a", 0, 100)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert nearest(gallery, 5) == ("a", "5")
        until(lambda: "the index is not saved" in caplog.text)
        assert "No space left on device" in caplog.text
        enroll(gallery, "b", 1000, 5)
        assert nearest(gallery, 1002) == ("b", "1002")
        with pytest.raises(IndexFileError, match="No space left"):
            gallery.flush()
        until(lambda: index_files(gallery.path) == [])  # also what the background thread just tries
    gallery.flush()
    assert len(index_files(gallery.path)) == 2


HOLD = """
import sys
from tests.gallery.made import small_segments
from semelha.gallery import Gallery
small_segments()
gallery = Gallery.open(sys.argv[1], threads=1)
upkeep = gallery._compactor
with upkeep._folder.lock() as ours:
    assert ours
    print("held", flush=True)
    sys.stdin.readline()
    with gallery._live.read(with_rule=False):
        pass
    upkeep._stop.clear()
    upkeep._round()
gallery.close()
"""


def test_one_process_merges_and_the_other_loads(
    gallery: Gallery, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    enroll(gallery, "a", 0, 700)
    made: list[int] = []
    make = AutoBuilder.build

    def spied(builder: AutoBuilder, rows: Rows, stop: Callable[[], None]) -> object:
        made.append(len(rows))
        return make(builder, rows, stop)

    monkeypatch.setattr(AutoBuilder, "build", spied)
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(gallery.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert other.stdout is not None
    assert other.stdin is not None
    assert other.stdout.readline() == b"held\n"
    assert nearest(gallery, 5) == ("a", "5")
    time.sleep(0.3)
    assert kinds(gallery) == [("linear", "waiting")], "while another process has the lock"
    read.clear()
    other.communicate(b"\n", timeout=30)
    assert other.returncode == 0
    until(lambda: kinds(gallery) == [("hnsw", "built")])
    assert made == []
    assert sum(read) == 0
    assert nearest(gallery, 5) == ("a", "5")


def test_what_is_on_the_disk_is_of_the_change_that_it_names(gallery: Gallery, tmp_path: Path) -> None:
    """One thread enrolls and removes without a pause, until a third has saved often enough; another asks."""
    held: dict[int, set[int]] = {1: set()}
    seen: set[int] = set()
    done = threading.Event()
    problems: list[object] = []

    def write() -> None:
        chance, known = np.random.default_rng(0), dict[str, set[int]]()
        last = 0
        for number in range(2000):
            if number >= 120 and len(seen) > 3:
                break
            if known and chance.random() < 0.3:
                name = str(chance.choice(list(known)))
                del known[name]
                change = number + 2
                held[change] = set().union(*known.values())
                gallery.remove(name)
            else:
                count = int(chance.integers(1, 12))
                known[f"s{number}"] = set(range(last + 1, last + 1 + count))
                last += count
                held[number + 2] = set().union(*known.values())
                enroll(gallery, f"s{number}", 100 * number, count)
        done.set()

    def ask() -> None:
        while not done.is_set():
            gallery.identify_vectors(np.ones((1, 16), np.float32) / 4)

    def look() -> int:
        gallery.flush()
        index = AutoIndex(gallery.model.metric, recall=0.9)
        if not (gallery.path / "index" / "manifest").exists():
            return 0
        generation = index.load(gallery.path / "index", fingerprint=gallery.model.fingerprint)
        found = index.search(np.ones((1, 16), np.float32), max(1, len(index))).ids[0]
        if set(found[found >= 0].tolist()) != held[generation]:
            problems.append(generation)
        return generation

    threads = [threading.Thread(target=write), threading.Thread(target=ask)]
    for thread in threads:
        thread.start()
    while not done.is_set():
        seen.add(look())
    for thread in threads:
        thread.join()
    assert look() == max(held)
    assert problems == []
    assert len(seen) > 3


def test_the_log_is_trimmed_to_what_is_saved_and_who_is_behind_reads_that(gallery: Gallery, read: list[int]) -> None:
    enroll(gallery, "a", 0, 100)
    enroll(gallery, "b", 1000, 100)
    with Gallery.open(gallery.path) as behind:
        assert nearest(behind, 1000) == ("b", "1000")
        behind._compactor.close()
        gallery.remove("b")
        enroll(gallery, "c", 2000, 100)
        gallery.flush()
        with gallery._store.reading() as view:
            assert view.trimmed == view.change == 5
            assert not view.reaches(4)
        read.clear()
        assert nearest(behind, 1000)[0] != "b"
        assert nearest(behind, 2000) == ("c", "2000")
        assert sum(read) == 0


def test_the_log_is_kept_for_the_scores_of_a_calibration(gallery: Gallery) -> None:
    for number in range(30):
        enroll(gallery, f"s{number}", 10 * number, 4)
    gallery.calibrate(fpir=0.2)
    gallery.remove("s3")
    gallery.flush()
    with gallery._store.reading() as view:
        scores = view.scores()
        assert scores is not None
        assert view.trimmed == scores.change < view.change
    assert gallery.calibration is not None
    enroll(gallery, "late", 1000, 1)
    gallery.flush()
    with gallery._store.reading() as view:
        scores = view.scores()
        assert scores is not None
        assert view.trimmed == scores.change == view.change - 1


def test_rebuilt_is_one_segment(gallery: Gallery) -> None:
    for number in range(4):
        enroll(gallery, f"s{number}", 100 * number, 100 >> number)
        gallery.flush()
    gallery.remove("s1")
    assert len(kinds(gallery)) > 1
    gallery.flush(rebuild=True)
    assert kinds(gallery) == [("linear", "built")]
    assert nearest(gallery, 200) == ("s2", "200")
    with Gallery.open(gallery.path) as again:
        assert kinds(again) == [("linear", "built")]


def test_all_is_found_where_all_is_asked_for(gallery: Gallery, caplog: pytest.LogCaptureFixture) -> None:
    """The recall that an index was made for stays, until another is asked for."""
    enroll(gallery, "a", 0, 700)
    gallery.flush()
    with Gallery.open(gallery.path, recall=1) as exact:
        exact.flush()
        assert kinds(exact) == [("linear", "built")]
    assert "other settings" in caplog.text
    caplog.clear()
    with Gallery.open(gallery.path) as again:
        assert again.index_stats()["recall"] == 1
        assert kinds(again) == [("linear", "built")]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_merge_that_fails_is_told_and_the_gallery_goes_on(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(index: Index, *, whole: bool = False) -> bool:
        raise MemoryError("no room")

    enroll(gallery, "a", 0, 100)
    monkeypatch.setattr(Index, "merge", fails)
    assert nearest(gallery, 5) == ("a", "5")
    until(lambda: "searched as it is" in caplog.text)
    assert nearest(gallery, 6) == ("a", "6")
