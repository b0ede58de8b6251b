"""What `scale_model.py` measures in a process of its own: with one thread, but for builds.

    python _scale_child.py build KIND VECTORS.npy N FOLDER THREADS
    python _scale_child.py merge KIND VECTORS.npy N
    python _scale_child.py open KIND FOLDER QUERIES.npy
    python _scale_child.py ask KIND QUERIES.npy FOLDER …
    python _scale_child.py arrive KIND ROUNDS QUERIES.npy FOLDER …

Imports come first and count for nothing. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from _scale_queue import arrivals, batched
from _search_data import K, Vectors
from semelha.index import HNSWIndex, Index, IVFIndex, LinearIndex
from semelha.metrics import Euclidean

DELTA = 4096  # vectors of an enrollment: the size at which the delta is closed
SECONDS, FEWEST = 0.25, 5  # of a round: seconds of searches, and how many at least
LOADS, ARRIVALS, LARGEST_BATCH = (0.5, 0.8), 4000, 64
BATCHES = (1, 2, 4, 8, 16, 32, LARGEST_BATCH)

Json = dict[str, Any]

INDEXES: dict[str, Callable[[int], Index]] = {
    "scan": lambda threads: LinearIndex(Euclidean(), threads=threads),
    "cells, 8 bits": lambda threads: IVFIndex(Euclidean(), quantize="8bit", threads=threads),
    "graph, float32": lambda threads: HNSWIndex(Euclidean(), threads=threads),
    "graph, 8 bits": lambda threads: HNSWIndex(Euclidean(), quantize="8bit", threads=threads),
}


def main() -> None:
    what, kind, *arguments = sys.argv[1:]
    faiss.omp_set_num_threads(1)
    with threadpool_limits(1):
        found = {"build": build, "merge": merge, "open": open_files, "ask": ask, "arrive": arrive}[what](
            kind, *arguments
        )
    print(json.dumps(found))


def build(kind: str, vectors: str, n: str, folder: str, threads: str) -> Json:
    """CPU seconds of a build; bytes of its peak over the vectors handed in, and of its file; what it became."""
    index = INDEXES[kind](int(threads))
    stored = np.array(np.load(vectors, mmap_mode="r")[: int(n)])
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    base, wall, start = memory("VmRSS"), time.perf_counter(), time.process_time()
    index.build(np.arange(len(stored)), stored)
    cpu, wall = time.process_time() - start, time.perf_counter() - wall
    peak = memory("VmHWM") - base
    start = time.process_time()
    index.save(folder)
    (segment,) = index.stats()["segments"]
    return {
        "threads": int(threads),
        "cpu": cpu,
        "wall": wall,
        "save_cpu": time.process_time() - start,
        "peak": peak,
        "bytes": sum(file.stat().st_size for file in Path(folder).iterdir()),
        "kind": segment["kind"],
        "depth": segment.get("depth"),
        "recall": segment.get("recall"),
    }


def merge(kind: str, vectors: str, n: str) -> Json:
    """CPU seconds to enroll n vectors, `DELTA` at a time, with each merge that becomes due."""
    index = INDEXES[kind](1)
    stored = np.load(vectors, mmap_mode="r")
    adding = merging = 0.0
    for first in range(0, int(n), DELTA):
        some = np.array(stored[first : min(first + DELTA, int(n))])
        start = time.process_time()
        index.add(np.arange(first, first + len(some)), some)
        added = time.process_time()
        index.merge()
        adding, merging = adding + added - start, merging + time.process_time() - added
    return {"adding": adding, "merging": merging, "segments": len(index.stats()["segments"])}


def open_files(kind: str, folder: str, queries: str) -> Json:
    """CPU seconds from files in the page cache to the first answer, and bytes then resident: all, and not of files."""
    index, query = INDEXES[kind](1), np.load(queries)[:1]
    base, base_own, start = memory("VmRSS"), memory("RssAnon"), time.process_time()
    index.load(folder)
    index.search(query, K)
    seconds = time.process_time() - start
    return {"seconds": seconds, "resident": memory("VmRSS") - base, "own": memory("RssAnon") - base_own}


def opened(kind: str, folder: str) -> Callable[[Vectors], object]:
    """A search in the index of a folder."""
    index = INDEXES[kind](1)
    index.load(folder)
    return lambda queries: index.search(queries, K)


def ask(kind: str, queries: str, *folders: str) -> Json:
    """CPU seconds a query, alone and in batches, of indexes that take turns."""
    asked = np.load(queries)
    searches = {folder: opened(kind, folder) for folder in folders}
    found: Json = {}
    for folder, search in searches.items():
        search(asked[:LARGEST_BATCH])
        batch = median_seconds(search, asked, LARGEST_BATCH) / LARGEST_BATCH
        found[folder] = {"batch": batch, "alone": median_seconds(search, asked, 1)}
    return found


def median_seconds(search: Callable[[Vectors], object], asked: Vectors, size: int) -> float:
    """Median CPU seconds of searches for `size` queries, for about `SECONDS`."""
    return float(np.median(times(search, asked, size)))


def times(search: Callable[[Vectors], object], asked: Vectors, size: int) -> list[float]:
    """CPU seconds of searches for `size` queries, always others."""

    def search_some(turn: int) -> None:
        first = turn * size % (len(asked) - size)
        search(asked[first : first + size])

    return repeated(search_some)


def repeated(call: Callable[[int], object]) -> list[float]:
    """CPU seconds of calls with 0, 1, …, for about `SECONDS`."""
    found: list[float] = []
    while len(found) < FEWEST or sum(found) < SECONDS:
        start = time.thread_time()
        call(len(found))
        found.append(time.thread_time() - start)
    return found


def arrive(kind: str, rounds: str, queries: str, *folders: str) -> Json:
    """Latency of queries that arrive at random, at loads of what batches can answer; who waits is answered together."""
    asked = np.load(queries)
    found: Json = {}
    for folder in folders:
        search = opened(kind, folder)
        # A queue waits for the slow searches too: means of rounds in which the sizes take turns.
        turns = [{size: np.mean(times(search, asked, size)) for size in BATCHES} for _ in range(int(rounds))]
        costs = {str(size): float(np.mean([turn[size] for turn in turns])) for size in BATCHES}
        most = LARGEST_BATCH / costs[str(LARGEST_BATCH)]
        found[folder] = {"costs": costs, "loads": {}}
        for load in LOADS:
            rate = load * most
            runs = [latencies(search, asked, arrivals(rate, ARRIVALS, number)) for number in range(int(rounds))]
            found[folder]["loads"][str(load)] = {
                "rate": rate,
                "quantiles": np.median([np.quantile(run, (0.5, 0.99)) for run in runs], axis=0).tolist(),
            }
    return found


def latencies(search: Callable[[Vectors], object], asked: Vectors, due: np.ndarray) -> np.ndarray:
    """Seconds from arrival to answer of one worker that takes all that wait; its clock is the CPU time of searches."""
    done = 0

    def seconds(size: int) -> float:
        nonlocal done
        first = done % (len(asked) - LARGEST_BATCH)
        done += size
        start = time.thread_time()
        search(asked[first : first + size])
        return time.thread_time() - start

    return batched(due, seconds, LARGEST_BATCH)


def memory(name: str) -> int:
    """VmRSS, RssAnon or VmHWM of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


if __name__ == "__main__":
    main()
