"""What a gallery keeps in memory: it follows the store by the difference, and every answer is of one moment."""

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from semelha.embedders import Model
from semelha.errors import GalleryError
from semelha.gallery import Gallery, live_index
from semelha.gallery.compactor import Compactor
from semelha.index import AutoIndex, Snapshot
from semelha.index.settings import settings
from semelha.store import Store, View


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Gallery:
    return Gallery.create(tmp_path / "gallery", tiny)


def vector(seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(1, 8))
    return (made / np.linalg.norm(made)).astype(np.float32)


def enroll(gallery: Gallery, name: str, *seeds: int) -> None:
    vectors = np.concatenate([vector(seed) for seed in seeds])
    gallery.enroll_vectors(name, vectors, [str(seed) for seed in seeds], fingerprint=gallery.model.fingerprint)


def nearest(gallery: Gallery, seed: int) -> str | None:
    return gallery.identify_vectors(vector(seed))[0].subject


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Changes from which vectors were read."""
    changes: list[int] = []
    added_since = View.added_since

    def spied(view: View, change: int) -> tuple[np.ndarray, np.ndarray]:
        changes.append(change)
        return added_since(view, change)

    monkeypatch.setattr(View, "added_since", spied)
    return changes


@pytest.mark.folder_only
def test_only_what_changed_is_read(gallery: Gallery, asked: list[int]) -> None:
    enroll(gallery, "a", 1)
    enroll(gallery, "b", 2)
    for _ in range(3):
        assert nearest(gallery, 1) == "a"
    assert asked == [0]
    enroll(gallery, "c", 3)
    assert nearest(gallery, 3) == "c"
    gallery.remove("a")
    assert nearest(gallery, 1) != "a"
    assert asked == [0, 3, 4]


@pytest.mark.folder_only
def test_behind_a_trimmed_log_everything_is_read_anew(gallery: Gallery, asked: list[int]) -> None:
    enroll(gallery, "a", 1)
    enroll(gallery, "b", 2)
    assert nearest(gallery, 1) == "a"
    gallery.remove("a")
    gallery._store.trim(4)
    assert nearest(gallery, 1) == "b"
    assert asked == [0, 0]


def test_a_view_that_memory_is_ahead_of_becomes_a_later_one(gallery: Gallery) -> None:
    memory = gallery._live
    enroll(gallery, "a", 1)
    with gallery._store.reading() as late:
        enroll(gallery, "b", 2)
        assert nearest(gallery, 2) == "b"
        held = memory._synchronized(late, True)
        assert held.change == late.change == 3
        assert len(held.index) == len(late) == 2


def test_what_was_asked_before_a_change_is_answered_as_before_it(gallery: Gallery) -> None:
    enroll(gallery, "a", 1)
    enroll(gallery, "b", 2)
    with gallery._live.read() as before:
        gallery.rename("a", "A")
        gallery.remove("b")
        assert nearest(gallery, 2) == "A"
        names = [candidate.subject for candidate in before.candidates(vector(1), 5)[0]]
    assert names == ["a", "b"]


@pytest.mark.folder_only
def test_an_index_that_failed_halfway_is_made_anew(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    enroll(gallery, "a", 1)
    enroll(gallery, "b", 2)
    assert nearest(gallery, 1) == "a"
    gallery.remove("a")
    enroll(gallery, "c", 3)

    def full(index: AutoIndex, ids: np.ndarray, vectors: np.ndarray) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(AutoIndex, "add", full)
        with pytest.raises(MemoryError):
            nearest(gallery, 3)
    assert nearest(gallery, 3) == "c"
    assert nearest(gallery, 1) != "a"


def test_without_a_wish_nothing_is_worked_out(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_index, "scores_of", None)
    enroll(gallery, "a", 1)
    assert nearest(gallery, 1) == "a"
    assert gallery.calibration is None


@pytest.mark.parametrize("with_strangers", [False, True])
def test_a_calibrated_gallery_opens_with_its_scores(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, with_strangers: bool
) -> None:
    pictures = [np.random.default_rng(100 + i).integers(0, 256, (20, 20, 3), np.uint8) for i in range(20)]
    for number in range(20):
        enroll(gallery, f"s{number}", number)
    gallery.calibrate(fpir=0.2, strangers=pictures if with_strangers else None)
    enroll(gallery, "late", 50)
    calibration = gallery.calibration
    assert calibration is not None
    gallery.close()
    monkeypatch.setattr(Snapshot, "search", None)
    monkeypatch.setattr(Store, "save_scores", None)
    for _ in range(2):
        with Gallery.open(gallery.path) as again:
            assert again.calibration is not None
            assert again.calibration.scores.tolist() == calibration.scores.tolist()


@pytest.mark.folder_only
def test_scores_that_cannot_be_kept_are_said_and_worked_out_again(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(20):
        enroll(gallery, f"s{number}", number)
    gallery.calibrate(fpir=0.2)
    enroll(gallery, "late", 50)
    calibration = gallery.calibration
    assert calibration is not None

    def full(*_: object) -> None:
        raise GalleryError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "save_scores", full)
        gallery.close()
    assert "computed again: the disk is full" in caplog.text
    with Gallery.open(gallery.path) as again:
        assert again.calibration is not None
        assert again.calibration.scores.tolist() == calibration.scores.tolist()


def test_strangers_given_anew_by_another_process_count(gallery: Gallery) -> None:
    for number in range(20):
        enroll(gallery, f"s{number}", number)
    first, second = ([np.full((20, 20, 3), shade + i, np.uint8) for i in range(10)] for shade in (0, 100))
    gallery.calibrate(fpir=0.2, strangers=first)
    was = gallery.calibration
    with Gallery.open(gallery.path) as other:
        expected = other.calibrate(fpir=0.2, strangers=second)
    now = gallery.calibration
    assert was is not None
    assert now is not None
    assert now.scores.tolist() == expected.scores.tolist() != was.scores.tolist()


@pytest.mark.folder_only
def test_a_new_rate_needs_no_new_scores(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        enroll(gallery, f"s{number}", number)
    first = gallery.calibrate(fpir=0.2)
    assert nearest(gallery, 1) == "s1"
    monkeypatch.setattr(Snapshot, "search", None)
    second = gallery.calibrate(fpir=0.3)
    assert second.scores.tolist() == first.scores.tolist()
    with pytest.raises(TypeError):
        gallery.calibrate(fpir=0.3, seed=1)


class Truth:
    """What was enrolled after each change, and how many changes were begun and acknowledged."""

    def __init__(self) -> None:
        self.moments: list[dict[str, tuple[int, ...]]] = [{}]
        self.acknowledged = 0

    def answers(self, seed: int, first: int, last: int) -> set[tuple[str, ...]]:
        """The right three nearest subjects at each moment from the first to the last."""
        return {self._ranked(seed, moment) for moment in range(first, last + 1)}

    def _ranked(self, seed: int, moment: int) -> tuple[str, ...]:
        near = [
            (min(1 - float(vector(seed)[0] @ vector(one)[0]) for one in seeds), name)
            for name, seeds in self.moments[moment].items()
        ]
        return tuple(name for _, name in sorted(near)[:3])


@pytest.mark.parametrize("delta", [4096, 10])
def test_answers_are_right_for_a_moment_between_call_and_return(
    gallery: Gallery, delta: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread writes, by one object or another as two processes would; four read, by both.

    With small segments both merge and save all the while, and load what the other saved.
    """
    monkeypatch.setattr(settings, "max_delta_size", delta)
    monkeypatch.setattr(Compactor, "poll_seconds", 0.01)
    truth, stop = Truth(), threading.Event()
    other = Gallery.open(gallery.path)
    wrong: list[str] = []

    def write() -> None:
        chance = random.Random(0)
        for number in itertools.count():
            writer = chance.choice([gallery, other])
            known = dict(truth.moments[-1])
            name = f"s{chance.randrange(8)}"
            seeds = (2 * number, 2 * number + 1)
            what = chance.choice(["enroll", "remove", "rename"]) if name in known else "enroll"
            new = f"renamed {number}"
            if what == "enroll":
                known[name] = (*known.get(name, ()), *seeds)
            elif what == "remove":
                del known[name]
            else:
                known[new] = known.pop(name)
            truth.moments.append(known)
            if what == "enroll":
                enroll(writer, name, *seeds)
            elif what == "remove":
                writer.remove(name)
            else:
                writer.rename(name, new)
            truth.acknowledged = len(truth.moments) - 1
            if number > 80 and (min(counts) > 10 or any(one.done() for one in reading)):
                break

    def read(number: int) -> None:
        chance, reader = random.Random(number), (gallery, other)[number % 2]
        while not stop.is_set():
            seed = chance.randrange(100)
            first = truth.acknowledged
            found = reader.identify_vectors(vector(seed), k=3)[0]
            last = len(truth.moments) - 1
            answer = tuple(candidate.subject for candidate in found.candidates)
            if answer not in truth.answers(seed, first, last):
                wrong.append(f"{answer} between the changes {first} and {last}")
            counts[number] += 1

    counts = [0, 0, 0, 0]
    with ThreadPoolExecutor(4) as pool:
        reading = [pool.submit(read, number) for number in range(4)]
        try:
            write()
        finally:
            stop.set()
        for one in reading:
            one.result()
    other.close()
    assert not wrong
    assert min(counts) > 10
    assert truth.acknowledged > 10
