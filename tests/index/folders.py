"""An index whose folder has everything that a folder can have, before and after it changed; and what it answers."""

import os
import resource
import signal
import sys
import time
from itertools import count
from pathlib import Path
from shutil import copytree
from unittest.mock import patch

import numpy as np
from tests.index.steps import Steps

from semelha.errors import IndexFileError
from semelha.index import HNSWIndex, Index, LinearIndex, Neighbors
from semelha.index.settings import settings
from semelha.metrics import Cosine

D = 6
VECTORS = np.random.default_rng(0).normal(size=(400, D)).astype(np.float32)
QUERIES = np.random.default_rng(1).normal(size=(12, D)).astype(np.float32)
FINGERPRINT = "of a model"
Answers = tuple[list[list[int]], list[list[float]]]


def empty(kind: str = "linear") -> Index:
    """An index that holds nothing yet."""
    make = HNSWIndex if kind == "hnsw" else LinearIndex
    return make(Cosine(), threads=1)


def old(kind: str = "linear") -> Index:
    """A made segment, one that waits, a delta, and some of each removed. For a `max_delta_size` of 48."""
    index = empty(kind)
    index.build(np.arange(300), VECTORS[:300])
    index.add(np.arange(300, 350), VECTORS[300:350])
    index.add(np.arange(350, 356), VECTORS[350:356])
    index.remove(np.array([7, 301, 352]))
    return index


def change(index: Index) -> None:
    """The old one becomes the new one: more vectors, fewer, a merged segment."""
    index.remove(np.arange(0, 40, 2))
    index.merge()
    index.add(np.arange(356, 399), VECTORS[356:399])
    index.add(np.array([399]), VECTORS[399:])


def answers(index: Index) -> Answers:
    """To queries, among all and among some."""
    found = [index.search(QUERIES, 8), index.search(QUERIES, 5, within=np.arange(0, 400, 7))]
    return _listed(found[0]), _listed(found[1])


def _listed(found: Neighbors) -> list[list[float]]:
    return [*found.ids.tolist(), *found.distances.tolist()]


def loaded(folder: Path, kind: str = "linear") -> Index:
    """Raises `IndexFileError`."""
    index = empty(kind)
    index.load(folder, fingerprint=FINGERPRINT)
    return index


def segments(folder: Path) -> list[Path]:
    """The files of its segments."""
    return sorted(folder.glob("*.segment"))


def rewritten(path: Path, data: bytes) -> None:
    """Another file under the name: one that is mapped is never shortened."""
    path.unlink()
    path.write_bytes(data)


def refused(folder: Path, kind: str = "linear") -> bool:
    """Nothing is loaded, the error names the folder, and what was held is held."""
    index = empty(kind)
    index.build(np.arange(9), VECTORS[:9])
    before = answers(index)
    try:
        index.load(folder, fingerprint=FINGERPRINT)
    except IndexFileError as error:
        return str(folder) in str(error) and answers(index) == before
    return False


def save_killed(folder: Path) -> None:
    """Kill a save at each of its steps, and print which index the folder then has and what else is in it.

    A child is forked for every step, from a process that has no other thread.
    """
    index = old()
    index.save(folder / "old", fingerprint=FINGERPRINT)
    before = answers(index)
    change(index)
    after = answers(index)
    for at in count(1):
        copy = copytree(folder / "old", folder / str(at))
        index = loaded(copy)
        change(index)
        while len(os.listdir("/proc/self/task")) > 1:  # a thread that was joined may take a moment to end
            time.sleep(0.001)
        child = os.fork()
        if not child:
            with Steps(at, lambda: os.kill(os.getpid(), signal.SIGKILL)).watched():
                index.save(copy, fingerprint=FINGERPRINT)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        found = loaded(copy)
        print("old" * (answers(found) == before) + "new" * (answers(found) == after), end=" ")
        found.save(copy, fingerprint=FINGERPRINT)
        print(len([path for path in copy.iterdir() if path.name.startswith(".")]), flush=True)
        if not status:
            return
        assert os.WTERMSIG(status) == signal.SIGKILL


def save_too_large(folder: Path) -> None:
    """Save where no file may be larger than a limit: a disk that is really full, as far as a process can have one."""
    index = old()
    index.save(folder, fingerprint=FINGERPRINT)
    before, files = answers(index), sorted(folder.iterdir())
    change(index)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (0, 100, 1000, 3000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
        try:
            index.save(folder, fingerprint=FINGERPRINT)
        except IndexFileError as error:
            print(error)
        assert answers(loaded(folder)) == before
        assert sorted(folder.iterdir()) == files
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    index.save(folder, fingerprint=FINGERPRINT)
    assert answers(loaded(folder)) == answers(index) != before


if __name__ == "__main__":
    # What a killed process has written is there, synced or not.
    with patch.object(settings, "max_delta_size", 48), patch.object(os, "fsync", lambda descriptor: None):
        {"killed": save_killed, "too large": save_too_large}[sys.argv[1]](Path(sys.argv[2]))
