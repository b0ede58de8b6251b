"""No more threads work than the index may use, however many callers; and none is idle while a caller waits."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import pytest

from semelha.errors import UsageError
from semelha.index import LinearIndex
from semelha.index.snapshot import SegmentView
from semelha.index.threads import MIN_SHARE, Threads, processors
from semelha.metrics import Euclidean

VECTORS = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)

BUSY = """
import json, os, sys, threading, time
import numpy as np
import sklearn.neighbors  # what a tree loads late: OpenBLAS, whose thread spins for a tenth of a second when it is made
from semelha.index import AutoIndex, IVFIndex, HNSWIndex, LinearIndex, TreeIndex
from semelha.metrics import Cosine, Euclidean, KullbackLeibler

count = int(sys.argv[1])
random = np.random.default_rng(0)

def spent():
    tasks = {task: open(f"/proc/self/task/{task}/schedstat") for task in os.listdir("/proc/self/task")}
    return {task: int(file.read().split()[0]) for task, file in tasks.items()}

def busy(call):
    for _ in range(3):  # a thread that still spins after earlier work counts once, one that works counts each time
        time.sleep(0.1)
        before = spent()
        call()
        times = sorted(now - before.get(task, 0) for task, now in spent().items())
        found = sum(time > max(2e6, times[-1] / 10) for time in times)
        if found <= count:
            break
    return found

found = {}
for kind in (LinearIndex, HNSWIndex, IVFIndex, TreeIndex, AutoIndex):
    for metric in (Euclidean(), Cosine(), KullbackLeibler()):
        n = 2000
        vectors = random.dirichlet(np.ones(6), n).astype(np.float32)
        index = kind(metric, threads=count)
        name = f"{kind.__name__} {metric.name}"
        found[f"build {name}"] = busy(lambda: index.build(np.arange(n), vectors))
        found[f"search {name}"] = busy(lambda: index.search(vectors, 10))
        found[f"singles {name}"] = busy(lambda: [index.search(vectors[i : i + 1], 10) for i in range(100)])
print(json.dumps(found))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="the kernel does not tell")
@pytest.mark.parametrize("count", [1, 2])
def test_no_more_threads_work_than_were_given(count: int) -> None:
    """None of the libraries' own, unless the environment asks for them, either."""
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command, root = [sys.executable, "-c", BUSY, str(count)], Path(__file__).parents[2]
    ran = subprocess.run(command, cwd=root, env=free, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert {name: busy for name, busy in found.items() if busy > count} == {}
    assert max(found.values()) == min(count, processors())


def test_callers_share_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight callers of an index of three threads: three at work, and every caller gets its answers."""
    working: list[int] = []
    most: list[int] = []
    lock, three_at_work = threading.Lock(), threading.Event()
    nearest = SegmentView.nearest

    def watched(part: SegmentView, *arguments: object) -> object:
        count = faiss.omp_get_max_threads()
        with lock:
            working.append(count)
            most.append(sum(working))
            if most[-1] == 3:
                three_at_work.set()
        three_at_work.wait(20)
        time.sleep(0.0005)  # a fourth would begin here
        try:
            return nearest(part, *arguments)  # type: ignore[arg-type]
        finally:
            with lock:
                working.remove(count)

    monkeypatch.setattr(SegmentView, "nearest", watched)
    index = LinearIndex(Euclidean(), threads=3)
    index.build(np.arange(100), VECTORS[:100])

    def search() -> None:
        for number in range(20):
            index.search(np.repeat(VECTORS[:1], 1 + MIN_SHARE * (number % 5), axis=0), 3)

    with ThreadPoolExecutor(8) as pool:
        for caller in [pool.submit(search) for _ in range(8)]:
            caller.result(timeout=60)
    assert len(most) >= 160
    assert max(most) == 3


def test_threads_that_are_given_back_serve_all_who_wait() -> None:
    threads, met = Threads(2), threading.Barrier(2)
    waiting: list[Future[list[object]]] = []

    with ThreadPoolExecutor(2) as pool:

        def work(part: slice) -> None:
            if part.start == 0:
                waiting.extend(pool.submit(threads.share, 1, lambda _: met.wait(timeout=20)) for _ in range(2))
                deadline = time.monotonic() + 20
                while threads._waiting < 2:
                    assert time.monotonic() < deadline
                    time.sleep(0.001)

        threads.share(1000, work)
        for one in waiting:  # the barrier lets them pass only if both have a thread
            one.result()


def test_threads_are_given_back_when_their_work_is_done() -> None:
    """Also where one part fails while another is still at work."""
    threads, at_work = Threads(2), threading.Event()

    def work(part: slice) -> None:
        if part.start == 0:
            at_work.wait(10)
            raise UsageError("of the first part")
        at_work.set()
        time.sleep(0.1)
        at_work.clear()

    with pytest.raises(UsageError, match="of the first part"):
        threads.share(2 * MIN_SHARE, work)
    assert not at_work.is_set()
