"""Many at once: every answer is right for a moment between call and return, and a merge stops when it is to stop."""

import gc
import itertools
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.index.merger import Merger

from semelha.index import HNSWIndex, Index, LinearIndex
from semelha.index.base import MergeStopped
from semelha.index.exact import FlatBuilder
from semelha.index.settings import settings
from semelha.metrics import Euclidean

IDS, AGES, D, K = 150, 3, 4, 6
random = np.random.default_rng(0)
VECTORS = random.normal(size=(IDS * AGES, D)).astype(np.float32)  # an id that comes again has another vector
QUERIES = random.normal(size=(20, D)).astype(np.float32)
TRUE = np.stack([Euclidean().between(np.repeat(q[None], len(VECTORS), 0), VECTORS) for q in QUERIES.astype(float)])
Held = dict[int, int]
"""The row of `VECTORS` of each id."""


@dataclass
class History:
    """What an index held, each from the begin of the call that made it so; and until the end of the next."""

    states: list[Held] = field(default_factory=lambda: [{}])
    begins: list[float] = field(default_factory=lambda: [0.0])
    ends: list[float] = field(default_factory=list)

    def change(self, call: Callable[[], object], then: Held) -> None:
        self.states.append(then)
        self.begins.append(time.perf_counter())
        call()
        self.ends.append(time.perf_counter())

    def between(self, call: float, back: float) -> list[Held]:
        """All that it can have held at a moment between the two."""
        ends = [*self.ends, np.inf]
        return [s for s, b, e in zip(self.states, self.begins, ends, strict=True) if b <= back and e >= call]


@dataclass
class Answer:
    call: float
    back: float
    queries: np.ndarray
    ids: np.ndarray
    distances: np.ndarray

    def exact(self, held: Held) -> bool:
        """It is that of a sort of what was held."""
        ids, rows = np.array(list(held), np.int64), np.array(list(held.values()), np.int64)
        width = min(K, len(ids))
        for query, found, distances in zip(self.queries, self.ids, self.distances, strict=True):
            order = np.lexsort((ids, TRUE[query, rows]))[:width]
            if found[:width].tolist() != ids[order].tolist() or (found[width:] != -1).any():
                return False
            if distances[:width].tolist() != TRUE[query, rows[order]].tolist():
                return False
        return True

    def sound(self, held: Held) -> bool:
        """It has as many as there are, all of them held, at their distances, in order."""
        width = min(K, len(held))
        for query, found, distances in zip(self.queries, self.ids, self.distances, strict=True):
            if not set(found[:width].tolist()) <= held.keys() or len(set(found[:width].tolist())) < width:
                return False
            if distances[:width].tolist() != [TRUE[query, held[i]] for i in found[:width].tolist()]:
                return False
            if (found[width:] != -1).any() or (np.diff(distances[:width]) < 0).any():
                return False
        return True


def asked(index: Index, number: int) -> Answer:
    queries = np.random.default_rng(number).permutation(len(QUERIES))[: 1 + number % 3]
    call = time.perf_counter()
    found = index.search(QUERIES[queries], K)
    return Answer(call, time.perf_counter(), queries, found.ids, found.distances)


def written(index: Index, history: History, turns: int, enough: Callable[[], bool]) -> None:
    """Add and remove a few, at least `turns` times, and until those beside it have done `enough`."""
    chance = np.random.default_rng(1)
    for turn in itertools.takewhile(lambda turn: turn < turns or not enough(), itertools.count()):
        held = history.states[-1]
        if chance.random() < 0.6:
            new = [i for i in chance.permutation(IDS)[:12].tolist() if i not in held]
            rows = [i + IDS * int(chance.integers(AGES)) for i in new]
            call = partial(index.add, np.array(new, np.int64), VECTORS[rows])
            history.change(call, {**held, **dict(zip(new, rows, strict=True))})
        else:
            gone = [i for i in chance.permutation(IDS)[:20].tolist() if i in held]
            call = partial(index.remove, np.array(gone, np.int64))
            history.change(call, {i: row for i, row in held.items() if i not in gone})
        if turn % 25 == 24:
            index.merge(full=turn % 50 == 49)


def until(done: threading.Event, work: Callable[[int], Answer], answers: list[Answer]) -> None:
    while not done.is_set():
        answers.append(work(len(answers)))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "max_delta_size", 24)
    monkeypatch.setattr(settings, "min_rows", 32)
    monkeypatch.setattr(settings, "min_audit_queries", 8)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def crowd(index: Index, turns: int, readers: int) -> tuple[History, list[Answer]]:
    """Readers search while one thread writes and another merges."""
    history, done, merger = History(), threading.Event(), Merger(index)
    answers: list[Answer] = []
    with ThreadPoolExecutor(readers) as pool:
        asking = [pool.submit(until, done, partial(asked, index), answers) for _ in range(readers)]
        try:
            written(index, history, turns, lambda: len(answers) > turns or any(one.done() for one in asking))
        finally:
            done.set()
        for one in asking:
            one.result()
    merger.close()
    return history, answers


def check(make: Callable[..., Index], right: Callable[[Answer, Held], bool], turns: int, readers: int) -> None:
    history, answers = crowd(make(Euclidean(), threads=2), turns, readers)
    assert len(answers) > turns
    assert all(any(right(a, held) for held in history.between(a.call, a.back)) for a in answers)
    assert len({len(held) for held in history.states}) > 10


KINDS = [(LinearIndex, Answer.exact), (partial(HNSWIndex, M=4), Answer.sound)]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("make", "right"), KINDS, ids=["linear", "hnsw"])
def test_answers_are_right_for_a_moment(make: Callable[..., Index], right: Callable[[Answer, Held], bool]) -> None:
    check(make, right, turns=500, readers=4)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("make", "right"), KINDS, ids=["linear", "hnsw"])
def test_answers_are_right_for_a_moment_for_long(
    make: Callable[..., Index], right: Callable[[Answer, Held], bool]
) -> None:
    check(make, right, turns=3000, readers=8)


@pytest.mark.usefixtures("small")
def test_saved_and_loaded_while_it_changes(tmp_path: Path) -> None:
    """What is loaded was held at a moment after the begin of the last save that had ended."""
    index, history, done = LinearIndex(Euclidean(), threads=1), History(), threading.Event()
    index.save(tmp_path)
    merger = Merger(index)
    saves: list[tuple[float, float]] = [(0.0, 0.0)]

    def saving() -> None:
        while not done.is_set():
            begin = time.perf_counter()
            index.save(tmp_path, generation=len(saves))
            saves.append((begin, time.perf_counter()))

    def loading(number: int) -> Answer:
        before = max(begin for begin, end in list(saves) if end <= time.perf_counter())
        other = LinearIndex(Euclidean(), threads=1)
        other.load(tmp_path)
        found = other.search(QUERIES, K)
        return Answer(before, time.perf_counter(), np.arange(len(QUERIES)), found.ids, found.distances)

    answers: list[Answer] = []
    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(saving), *(pool.submit(until, done, loading, answers) for _ in range(2))]

        def enough() -> bool:
            return (len(answers) > 10 and len(saves) > 10) or any(one.done() for one in others)

        try:
            written(index, history, 150, enough)
        finally:
            done.set()
        for one in others:
            one.result()
    merger.close()
    assert len(answers) > 10
    assert len(saves) > 10
    assert all(any(a.exact(held) for held in history.between(a.call, a.back)) for a in answers)


@pytest.mark.usefixtures("small")
def test_what_is_added_while_a_merge_goes_on_is_merged_later() -> None:
    index = LinearIndex(Euclidean(), threads=1)
    merger = Merger(index)
    for turn in range(150):
        index.add(np.arange(24 * turn, 24 * turn + 24), VECTORS[:24])
        if turn % 3 == 0:
            merger.wait()
    merger.wait()
    merger.close()
    assert not index.needs_merge
    assert len(index) == 150 * 24


def test_a_merge_that_fails_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "max_delta_size", 24)

    def fail(*arguments: object) -> None:
        raise MemoryError

    index = LinearIndex(Euclidean(), threads=1)
    index.add(np.arange(30), VECTORS[:30])
    with monkeypatch.context() as patched:
        patched.setattr(FlatBuilder, "build", fail)
        with pytest.raises(MemoryError):
            index.merge()
    assert index.search(VECTORS[:1], 1).ids.tolist() == [[0]]
    index.add(np.array([30]), VECTORS[30:31])
    assert index.merge()
    assert not index.needs_merge
    assert index.search(VECTORS[:1], 1).ids.tolist() == [[0]]


def test_close_stops_a_merge_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge that would take minutes, after its first chunk."""
    monkeypatch.setattr(settings, "chunk", 64)
    index = HNSWIndex(Euclidean(), ef_construction=4000, M=64, threads=1)
    many = np.random.default_rng(0).normal(size=(30_000, 32)).astype(np.float32)
    index.add(np.arange(30_000), many)
    chunks, has_begun = index._raise_if_stopped, threading.Event()

    def stop() -> None:
        has_begun.set()
        chunks()

    monkeypatch.setattr(index, "_raise_if_stopped", stop)
    with ThreadPoolExecutor(1) as pool:
        merging = pool.submit(index.merge)
        assert has_begun.wait(30)
        index.close()
        with pytest.raises(MergeStopped):
            merging.result(timeout=30)
    assert index.needs_merge
    assert index.search(many[:1], 1).ids.tolist() == [[0]]
    index.add(np.array([30_000]), many[:1])
    with pytest.raises(MergeStopped):
        index.merge()


ENDLESS = """
import threading
import faiss
import numpy as np
from semelha.index import Index
from semelha.index.cells import empty_cells
from semelha.index.recall import walk
from semelha.metrics import Euclidean

begun = threading.Event()

class Endless:
    def check(self, space):
        pass
    def build(self, rows, stop):
        cells = empty_cells(rows.vectors[:100], "f32")
        cells.is_trained = True
        cells.add(rows.vectors)
        while True:
            stop()
            begun.set()
            walk(cells, rows.vectors[:1000], 10, faiss.SearchParametersIVF(nprobe=50))

index = Index(Euclidean(), Endless(), threads=1)
index.add(np.arange(5000), np.random.default_rng(0).normal(size=(5000, 8)))
threading.excepthook = lambda arguments: print(arguments.exc_type.__name__)
threading.Thread(target=index.merge, daemon=True).start()
begun.wait()
"""


def test_a_process_may_end_while_a_merge_goes_on() -> None:
    """A thread that returns from FAISS into an interpreter that is gone would abort it."""
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", ENDLESS], cwd=root, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_an_index_without_references_is_deleted() -> None:
    index = LinearIndex(Euclidean(), threads=1)
    index.add(np.arange(10), VECTORS[:10])
    seen = weakref.ref(index)
    del index
    gc.collect()
    assert seen() is None
