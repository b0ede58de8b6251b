"""Try graphs of unknown origin in a child process with limits on memory and time, before this process loads them.

A graph is a program: one of a kilobyte can ask for gigabytes, or never return. Models that this user has tried or
written before are remembered by their fingerprint, which is a digest of their files, in the user's cache folder.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.embedders.card import Card, InputSpec
from semelha.errors import ModelAltered, ModelError
from semelha.text import shown
from semelha.untrusted import parse_json

SECONDS = 30.0
"""Processor time for loading a graph and embedding two pictures; a second more for each 20 MB of the graph."""
CHECK_RUNS = 5
"""Times as much of it for four pictures, together and alone."""
MEGABYTES = 1024
"""Memory for the same; six times the size of the graph more."""

RUNNER = Path(__file__).with_name("trial_runner.py")
ORIGIN = re.compile(r"^\w+: \[ONNXRuntimeError\] : \d+ : \w+ : |(?<=: )/onnxruntime_src/.*\) (?=\S)")
"""Parts of a message of ONNX Runtime that tell the reader nothing: its code, and its line of source."""


@dataclass(frozen=True)
class Port:
    """An input or output of a graph: its name, ONNX Runtime's name of its type, and its axes, free ones by name."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]

    @property
    def label(self) -> str:
        """The name, shortened and on one line."""
        return shown(self.name[:40])

    def __str__(self) -> str:
        axes = ", ".join("?" if axis is None else shown(str(axis)[:20]) for axis in self.shape)
        return f"{self.label} {self.type.removeprefix('tensor')[:30]} [{axes[:80]}]"


@dataclass(frozen=True)
class TrialResult:
    """What a graph takes and gives: its file's metadata or, if it was run, shapes of its outputs and chosen values."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: dict[str, str]
    output_shapes: tuple[tuple[int, ...], ...]
    values: tuple[NDArray[Any], ...] = ()


@dataclass(frozen=True)
class _Job:
    """What the child process does: its name in messages, runs for the limit of time, and the output to return."""

    task: str
    runs: int = 1
    output: str | None = None
    first_token: bool = False


def check_graph(graph: bytes, card: Card, name: str) -> None:
    """Try a graph in a child process, unless this user has tried or written the model before.

    Raises `ModelAltered` if ONNX Runtime cannot run it, `ModelError` if it takes too much memory or time, or if no
    child process can be started.
    """
    if is_known(card):
        return
    assert card.input is not None
    try_graph(graph, card.input, name, advice=": to load it anyway, call load_embedder(…, trusted=True)")
    remember(card)


def try_graph(graph: bytes, spec: InputSpec | None, name: str, *, advice: str = "") -> TrialResult:
    """Load a graph in a child process and, with a `spec`, run it on a black picture and on noise.

    Raises as `check_graph`; `advice` is appended if no child process can be started.
    """
    if spec is None:
        return _run_child(graph, name, _Job("load"), advice=advice)
    batches = [_pictures(spec)[::3]] if spec.graph is None else (a for a, _ in spec.graph.batches(_pictures(spec)[::3]))
    return _run_child(graph, name, _Job("load and to embed two pictures"), batches, advice=advice)


def try_vectors(graph: bytes, spec: InputSpec, name: str) -> NDArray[np.float32]:
    """Vectors of four pictures, computed in a child process: of all together, of each alone, of the last one again.

    Raises as `check_graph`, and `ValueError` if the output has other shapes than `spec` says.
    """
    assert spec.graph is not None
    imported, pictures = spec.graph, _pictures(spec)
    counts: list[int] = []

    def arrays() -> Iterator[NDArray[Any]]:
        for some in (pictures, *(pictures[at : at + 1] for at in (0, 1, 2, 3, 3))):
            for array, count in imported.batches(some):
                counts.append(count)
                yield array

    job = _Job("load and to embed four pictures", CHECK_RUNS, imported.output, imported.first_token)
    outputs = _run_child(graph, name, job, arrays()).values
    return np.concatenate([imported.vectors(*each) for each in zip(outputs, counts, strict=True)])


def _pictures(spec: InputSpec) -> NDArray[np.uint8]:
    """A black picture, a white one, a gradient and noise: (4, channels, height, width) uint8."""
    shape = (spec.channels, spec.height, spec.width)
    gradient = np.broadcast_to(np.linspace(0, 255, spec.width).astype(np.uint8), shape)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return np.stack([np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), gradient, noise])


def _run_child(
    graph: bytes, name: str, job: _Job, arrays: Iterable[NDArray[Any]] = (), *, advice: str = ""
) -> TrialResult:
    """What a child process reports of a graph. Raises as `check_graph`."""
    seconds = SECONDS * job.runs + len(graph) / 20e6
    megabytes = MEGABYTES + 6 * len(graph) // 2**20
    header = {"graph": len(graph), "seconds": seconds, "megabytes": megabytes, "output": job.output,
              "first_token": job.first_token}  # fmt: skip
    try:
        # The clock allows three times as much, for machines that have other work.
        ended = _communicate(header, graph, arrays, 3 * seconds)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{name} takes more than {seconds:.0f} s to {job.task}") from error
    except OSError as error:
        raise ModelError(f"{name} cannot be tried in a child process ({error.strerror}){advice}") from error
    if ended.returncode == 0:
        return _result(ended.stdout, name)
    if ended.returncode == -24:  # SIGXCPU
        raise ModelError(f"{name} takes more than {seconds:.0f} s to {job.task}")
    if ended.returncode == -9:  # SIGKILL, by the system
        raise ModelError(f"{name} takes more than {seconds:.0f} s or {megabytes:,} MB of memory to {job.task}")
    *_, last = ended.stderr.decode("utf-8", "replace").splitlines() or [""]
    stage, _, problem = last.partition(" ")
    if stage not in ("load", "run"):
        raise ModelError(f"{name} takes more than {megabytes:,} MB of memory to {job.task}, or ends the process")
    pictures = "a blank picture" if job.output is None else "four pictures"
    failed = "is no graph that ONNX Runtime can run" if stage == "load" else f"cannot embed {pictures}"
    raise ModelAltered(f"{name} {failed}: {ORIGIN.sub('', problem)[:300].rstrip()}")


def _communicate(
    header: dict[str, Any], graph: bytes, arrays: Iterable[NDArray[Any]], timeout: float
) -> subprocess.CompletedProcess[bytes]:
    """Run the child process, with this on its standard input: one array at a time, which may be large."""
    command = [sys.executable, "-P", "-c", RUNNER.read_text(encoding="utf-8")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    entry, end = os.pipe()
    writer = Thread(target=_write, args=(end, header, graph, arrays), daemon=True)
    writer.start()
    try:
        return subprocess.run(command, stdin=entry, capture_output=True, timeout=timeout, env=environment)
    finally:
        os.close(entry)  # then the writer ends, whatever was not read
        writer.join()


def _write(pipe: int, header: dict[str, Any], graph: bytes, arrays: Iterable[NDArray[Any]]) -> None:
    """Write the standard input of the child process, unless it ends before."""
    with suppress(OSError), open(pipe, "wb") as file, np.errstate(all="ignore"):
        file.write(json.dumps(header).encode() + b"\n")
        file.write(graph)
        for array in arrays:
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            file.write(b"+")
            file.write(content.getbuffer())
        file.write(b".")


def _result(written: bytes, name: str) -> TrialResult:
    """The standard output of the child process."""
    report, _, values = written.partition(b"\n")
    content = parse_json(report, f"the trial of {name}", error=ModelError)
    inputs, outputs = (
        tuple(Port(str(name), str(kind), tuple(shape or ())) for name, kind, shape in content[key])
        for key in ("inputs", "outputs")
    )
    shapes = tuple(map(tuple, content["output_shapes"]))
    return TrialResult(inputs, outputs, content["metadata"], shapes, tuple(_arrays(values)))


def _arrays(content: bytes) -> Iterator[NDArray[Any]]:
    file = io.BytesIO(content)
    while file.tell() < len(content):
        yield np.load(file, allow_pickle=False)


def is_known(card: Card) -> bool:
    """Whether this user has tried or written a model with this fingerprint."""
    try:
        return (_folder() / card.fingerprint).exists()
    except OSError:  # the folder of another user
        return False


def remember(card: Card) -> None:
    """Record that the model of this card was tried or written. Where the cache cannot be written it is tried again."""
    with suppress(OSError):
        _folder().mkdir(parents=True, exist_ok=True)
        (_folder() / card.fingerprint).touch()


def cache_folder() -> Path:
    """Where semelha keeps what it can make again: `SEMELHA_CACHE`, or a folder in the user's cache folder."""
    own = os.environ.get("SEMELHA_CACHE")
    place = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/.cache")
    return Path(own or Path(place, "semelha"))


def _folder() -> Path:
    """The folder with an empty file for each model that was tried or written."""
    return cache_folder() / "tried-models"
