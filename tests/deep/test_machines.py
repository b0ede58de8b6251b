"""A training on two machines is one training: without a common disk, and if one of them is lost and replaced."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.tiny_model import noise

from semelha.embedders import load_embedder

ROOT = Path(__file__).parents[2]
STEPS = 60
VARIABLES = {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
"""The second as docs/devices.md says: without it a new machine waits for an address that only the others were told."""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for label in range(12):
        folder = tmp_path / "photos" / f"thing {label}"
        folder.mkdir(parents=True)
        for number in range(3):
            pixels = noise(label).astype(np.int16) + noise(100 + 10 * label + number) // 16
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "photos"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Node:
    """One machine, as far as torchrun can tell: its agent, with one process, on the loopback address."""

    def __init__(self, port: int, nodes: str, *words: object, pause: float = 0.0) -> None:
        agent = ["-m", "torch.distributed.run", "--nnodes", nodes, "--nproc-per-node", "1", "--max-restarts", "3"]
        agent += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "test"]
        agent += ["--rdzv-conf", "last_call_timeout=5,keep_alive_interval=2,keep_alive_max_attempt=5"]
        agent += ["--local-addr", "127.0.0.1", "--monitor-interval", "0.1"]
        self.process = subprocess.Popen(
            [sys.executable, *agent, "-m", "tests.deep.node", *map(str, words)],
            env={**os.environ, **VARIABLES, "PAUSE": str(pause)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def kill(self) -> None:
        """Agent and process at once, as when a machine loses its power."""
        workers = [int(name) for name in self._children()]
        for process in (self.process.pid, *workers):
            os.kill(process, signal.SIGKILL)
        self.process.communicate()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def end(self, seconds: float = 240) -> tuple[str, str]:
        """Wait for it: output and errors."""
        out, err = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, err[-4000:]
        return out, err

    def _children(self) -> list[str]:
        return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()


@contextmanager
def machines() -> Iterator[list[Node]]:
    """A list of machines, whose processes end with the test."""
    with ExitStack() as stack:
        started: list[Node] = []
        stack.callback(lambda: [node.close() for node in started])
        yield started


def words(photos: Path, out: Path) -> list[object]:
    small = ["--size", 16, "--dim", 8, "--batch", 16, "--steps", STEPS, "--device", "cpu", "--json"]
    return ["train", photos, "--out", out, *small]


@pytest.mark.slow
def test_two_machines_without_a_common_disk(photos: Path, tmp_path: Path) -> None:
    """Both have the same model at the end; one alone prints, and has the log."""
    port, outs = free_port(), [tmp_path / name / "model" for name in "ab"]
    with machines() as started:
        start(started, port, *(words(photos, out) for out in outs))
        printed = [node.end()[0] for node in started]
    (shown,) = filter(None, printed)
    assert json.loads(shown)["steps_taken"] == STEPS
    first, second = (load_embedder(out) for out in outs)
    assert first.fingerprint == second.fingerprint
    left = [sorted(file.name for file in (out.parent / "model.training").glob("*")) for out in outs]
    assert sorted(left) == [[], ["log.jsonl"]]


@pytest.mark.slow
def test_a_machine_is_killed_and_replaced(photos: Path, tmp_path: Path) -> None:
    """Training goes on from the last checkpoint, whichever machine had it, and ends with a model on both."""
    port, outs = free_port(), [tmp_path / name / "model" for name in "abc"]
    with machines() as started:
        start(started, port, *([*words(photos, out), "--resume"] for out in outs[:2]), pause=0.1)
        wait_for_checkpoint(outs[:2], started)
        started[1].kill()
        start(started, port, [*words(photos, outs[2]), "--resume"])
        printed = [started[place].end()[0] for place in (0, 2)]
    (shown,) = filter(None, printed)
    assert json.loads(shown)["steps_taken"] == STEPS
    assert load_embedder(outs[0]).fingerprint == load_embedder(outs[2]).fingerprint
    steps = [
        json.loads(line)["step"]
        for out in outs
        if (log := out.parent / "model.training" / "log.jsonl").exists()
        for line in log.read_text().splitlines()
    ]
    assert max(steps) == STEPS


@pytest.mark.slow
def test_the_machines_that_are_left_go_on(photos: Path, tmp_path: Path) -> None:
    """With `--nnodes 1:2` nobody waits for another machine."""
    port, outs = free_port(), [tmp_path / name / "model" for name in "ab"]
    with machines() as started:
        commands = ([*words(photos, out), "--resume"] for out in outs)
        start(started, port, *commands, pause=0.1, nodes="1:2")
        wait_for_checkpoint(outs, started)
        started[1].kill()
        shown, _ = started[0].end()
    assert json.loads(shown)["steps_taken"] == STEPS
    assert load_embedder(outs[0]).dim == 8


def start(started: list[Node], port: int, *commands: list[object], pause: float = 0.0, nodes: str = "2") -> None:
    """Start machines with the same rendezvous; the first of all hosts it."""
    for command in commands:
        started.append(Node(port, nodes, *command, pause=pause))
        while not is_open(port):
            assert started[0].process.poll() is None
            time.sleep(0.05)


def is_open(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def wait_for_checkpoint(outs: list[Path], started: list[Node]) -> None:
    while not any((out.parent / "model.training" / "checkpoint.pt").exists() for out in outs):
        assert all(node.process.poll() is None for node in started)
        time.sleep(0.05)
