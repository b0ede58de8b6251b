"""What `search.py` measures in a process of its own: memory, and how long it takes from a file to an answer.

    python _search_child.py open ENGINE FOLDER QUESTION.npy THREADS
    python _search_child.py grow KIND VECTORS.npy N FOLDER THREADS
    python _search_child.py ask KIND FOLDER QUERIES.npy THREADS

Imports come first and count for nothing. The last line is JSON.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from _search_curve import Asked, Grown, index_of
from _search_data import K
from _search_measure import Opened, batch, interleaved, said
from _search_ours import named

SINGLES = 300  # queries asked one by one


def main() -> None:
    what, *arguments = sys.argv[1:]
    {"open": open_file, "grow": grow, "ask": ask}[what](*arguments)


def open_file(name: str, folder: str, question: str, threads: str) -> None:
    engine, query = named(name), np.load(question)
    base, start = memory("VmRSS"), time.perf_counter()
    engine.load(Path(folder), int(threads))
    engine.search(query, engine.depths()[0], int(threads))
    milliseconds = 1000 * (time.perf_counter() - start)
    said(Opened(milliseconds, memory("VmRSS") - base))


def grow(kind: str, vectors: str, n: str, folder: str, threads: str) -> None:
    index = index_of(kind, int(threads))
    stored = np.array(np.load(vectors, mmap_mode="r")[: int(n)])
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew, from what imports and vectors take
    base, start = memory("VmRSS"), time.perf_counter()
    index.build(np.arange(len(stored)), stored)
    seconds = time.perf_counter() - start
    peak = memory("VmHWM") - base
    index.save(folder)
    (segment,) = index.stats()["segments"]
    said(Grown(seconds, peak, str(segment["kind"]), str(segment.get("why", "")), segment.get("recall")))


def ask(kind: str, folder: str, queries: str, threads: str) -> None:
    index, asked = index_of(kind, int(threads)), np.load(queries)
    base, start = memory("VmRSS"), time.perf_counter()
    index.load(folder)
    found = index.search(asked[:1], K)
    first = time.perf_counter() - start
    with threadpool_limits(int(threads)):
        step = batch(lambda some: index.search(some, K), asked)
        (seconds,) = interleaved({"batch": step}, 3).values()
        singles = []
        for query in asked[:SINGLES, None]:
            start = time.perf_counter()
            index.search(query, K)
            singles.append(time.perf_counter() - start)
            if sum(singles) > 20:
                break
    found = index.search(asked, K)
    said(
        Asked(
            first,
            float(np.median(singles)),
            float(np.median(seconds)),
            memory("VmRSS") - base,
            found.ids.tolist(),
        )
    )


def memory(name: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


if __name__ == "__main__":
    main()
