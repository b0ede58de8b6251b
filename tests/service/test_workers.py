"""Several processes that serve one gallery: all see each write, none is lost with a process, and all stop together."""

import json
import multiprocessing
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.service.made import near, png, text
from tests.service.process import server
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.errors import GalleryError, SemelhaError, UsageError
from semelha.gallery import Gallery
from semelha.service import workers
from semelha.service.serving import listen
from semelha.service.settings import Settings
from semelha.service.workers import MAX_STARTS, Worker, Workers, serve_in_processes


def call(address: str, path: str, content: Any = None, *, method: str | None = None, **headers: str) -> Any:
    """The answer to a request on a connection of its own, which any of the processes may accept."""
    data = None if content is None else json.dumps(content).encode()
    headers = {"Content-Type": "application/json", "Connection": "close", **headers}
    request = urllib.request.Request(address + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or "null")


def enrolled(address: str, name: str, seed: int, **headers: str) -> Any:
    return call(address, "/api/v1/subjects", {"name": name, "pictures": [{"data": text(png(noise(seed)))}]}, **headers)


def identified(address: str, seed: int) -> str:
    found = call(address, "/api/v1/identify?k=1", {"pictures": [{"data": text(near(seed))}]})
    return str(found["answers"][0]["subject"])


def children(process: subprocess.Popen[str]) -> list[int]:
    """The processes that serve."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent, arguments = int(fields(place)[1]), (place / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if parent == process.pid and b"spawn_main" in arguments:
            found.append(int(place.name))
    return found


def fields(place: Path) -> list[str]:
    """The numbers of a process, from its state on."""
    return (place / "stat").read_text().rpartition(")")[2].split()


def at_work(pid: int) -> int:
    """What a process has computed so far, in ticks of the clock."""
    return sum(map(int, fields(Path("/proc", str(pid)))[11:13]))


def test_two_processes_serve_one_gallery(tiny: Model, tmp_path: Path) -> None:
    Gallery.create(tmp_path / "shop", tiny).close()
    with server(tmp_path / "shop", "--workers", 2, tmp_path=tmp_path) as (process, address):
        pids = children(process)
        assert len(pids) == 2
        before = [at_work(pid) for pid in pids]
        for seed in range(3):
            assert enrolled(address, f"s{seed}", seed)["added"] == 1
        assert {identified(address, 1) for _ in range(30)} == {"s1"}
        answers: list[Any] = []
        while not answers or any(at_work(pid) == ticks for pid, ticks in zip(pids, before, strict=True)):
            with ThreadCalls(8) as calls:
                calls.run(lambda: identified(address, 2), 40)
            answers += calls.answers
        assert set(answers) == {"s2"}

        key = {"Idempotency-Key": "k"}
        first, *others = [enrolled(address, "s3", 3, **key) for _ in range(10)]
        assert all(one == first for one in others)
        assert first["added"] == 1

        job = call(address, "/api/v1/check", {}, method="POST")["id"]
        assert {call(address, f"/api/v1/jobs/{job}")["state"] for _ in range(10)} == {"done"}

        numbers = urllib.request.urlopen(f"{address}/metrics", timeout=30).read().decode()
        (count,) = [line for line in numbers.splitlines() if 'route="/identify"' in line and "requests_total" in line]
        assert float(count.split()[-1]) == 30 + len(answers)

        os.kill(pids[0], signal.SIGKILL)
        names = []
        while len(children(process)) < 2 or pids[0] in children(process):
            names.append(f"new{len(names)}")
            try:
                enrolled(address, names[-1], 100 + len(names))
            except (urllib.error.URLError, ConnectionError):  # it was that one's
                names.pop()
            time.sleep(0.05)
        subjects = {one["name"] for one in call(address, "/api/v1/subjects?limit=1000")["subjects"]}
        assert subjects >= {"s0", "s1", "s2", "s3", *names}
        assert call(address, "/readyz")["status"] == "ready"

        process.kill()
        _, err = process.communicate(timeout=30)  # until the others have ended too
        assert "it is replaced" in err
        assert "Traceback" not in err
    with Gallery(tmp_path / "shop") as gallery:
        assert set(gallery) >= subjects


class ThreadCalls:
    """Calls in several threads, and their answers: of a call that fails the status or the kind of error."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.answers: list[Any] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "ThreadCalls":
        return self

    def __exit__(self, *error: object) -> None:
        for thread in self._threads:
            thread.join(timeout=30)

    def run(self, function: Any, most: int) -> None:
        """Call a function so many times, each thread until its call fails."""

        def work() -> None:
            while len(self.answers) < most:
                try:
                    self.answers.append(function())
                except urllib.error.HTTPError as error:
                    self.answers.append(error.code)
                    return
                except (urllib.error.URLError, ConnectionError) as error:
                    self.answers.append(type(error).__name__)
                    return

        self._threads = [threading.Thread(target=work) for _ in range(self.count)]
        for thread in self._threads:
            thread.start()


def test_a_signal_lets_every_process_finish_what_it_accepted(tiny: Model, tmp_path: Path) -> None:
    """And both open a gallery again that was replaced."""
    for name, subject in (("shop", "before"), ("other", "after")):
        with Gallery.create(tmp_path / name, tiny) as gallery:
            gallery.enroll(subject, png(noise(1)))
    with server(tmp_path / "shop", "--workers", 2, tmp_path=tmp_path) as (process, address):
        assert identified(address, 1) == "before"
        os.rename(tmp_path / "shop", tmp_path / "old")
        os.rename(tmp_path / "other", tmp_path / "shop")
        answers: list[Any] = []
        while answers.count("after") < 10:
            try:
                answers.append(identified(address, 1))
            except urllib.error.HTTPError as error:
                answers.append(error.code)
        assert set(answers) <= {"after", 503}
        assert answers.count(503) <= 4
        with ThreadCalls(4) as calls:
            calls.run(lambda: identified(address, 1), 10_000)
            while len(calls.answers) < 20:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert set(calls.answers) <= {"after", 503, "URLError", "ConnectionResetError", "RemoteDisconnected"}
    assert process.returncode == 0
    assert "Traceback" not in err


def test_a_worker_reports_why_it_cannot_start(tmp_path: Path) -> None:
    settings = Settings(galleries=(tmp_path / "missing",), port=0, workers=2, state=tmp_path / "state")
    with listen(settings) as listening:
        worker = Worker(settings, listening, tmp_path, 1, int)
        worker.process.join(timeout=60)
    worker.listen()
    assert not worker.is_ready
    with pytest.raises(GalleryError, match="missing is no gallery"):
        raise worker.failure()
    worker.close()
    with pytest.raises(UsageError, match="state"):
        serve_in_processes(settings.model_copy(update={"state": None}), on_ready=print)


class Process:
    """What `Workers` uses of a process."""

    pid, exitcode = 1 << 30, 1

    def __init__(self, is_alive: bool) -> None:
        self.sentinel, self._alive = multiprocessing.Pipe(duplex=False)
        if not is_alive:
            self.terminate()

    def is_alive(self) -> bool:
        return not self._alive.closed

    def terminate(self) -> None:
        self._alive.close()

    def join(self, seconds: float) -> None:
        assert not self.is_alive()


class Short:
    """A worker that is ready, and stays until it is stopped; or one that ends before."""

    def __init__(self, is_ready: bool) -> None:
        self.process = Process(is_ready)
        self.is_ready = is_ready

    def listen(self) -> None:
        pass

    def failure(self) -> SemelhaError:
        return SemelhaError("it cannot start")

    def close(self) -> None:
        self.process.sentinel.close()


@pytest.mark.parametrize(("stay", "starts"), [(0, 2), (2, 2 + MAX_STARTS)])
def test_workers_that_cannot_start_end_the_server(
    stay: int, starts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once if the server never was ready, and else after some tries."""
    monkeypatch.setattr(workers, "PAUSE", 0.001)
    made: list[Short] = []

    def make() -> Any:
        made.append(Short(len(made) < stay))
        return made[-1]

    def on_ready() -> None:
        made[0].process.terminate()

    with pytest.raises(SemelhaError, match="it cannot start"):
        Workers(make, Settings(workers=2), tmp_path).run(on_ready)
    assert len(made) == starts
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
