"""Try graphs of unknown origin in a child process with limits on memory and time, before this process loads them.

A graph is a program: one of a kilobyte can ask for gigabytes, or never return. Models that this user has tried or
written before are remembered by their fingerprint, which is a digest of their files, in the user's cache folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semelha.embedders.card import Card, InputSpec
from semelha.errors import ModelAltered, ModelError
from semelha.untrusted import parse_json

SECONDS = 30.0
"""Processor time for loading a graph and embedding two pictures; a second more for each 20 MB of the graph."""
MEGABYTES = 1024
"""Memory for the same; six times the size of the graph more."""

RUNNER = Path(__file__).with_name("trial_runner.py")
NO_MEMORY = ("bad_alloc", "bad allocation", "allocat", "MemoryError", "out of memory")
ORIGIN = re.compile(r"^\w+: \[ONNXRuntimeError\] : \d+ : \w+ : |(?<=: )/onnxruntime_src/.*\) (?=\S)")
"""Parts of a message of ONNX Runtime that tell the reader nothing: its code, and its line of source."""


@dataclass(frozen=True)
class Port:
    """An input or output of a graph: its name, ONNX Runtime's name of its type, and its axes, free ones by name."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        axes = ", ".join("?" if axis is None else str(axis)[:20] for axis in self.shape)
        return f"{self.name[:40]} {self.type.removeprefix('tensor')[:30]} [{axes[:80]}]"


@dataclass(frozen=True)
class Tried:
    """What a graph takes and gives; if it was run, the shapes that its outputs had, otherwise its file's metadata."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: dict[str, str]
    given: tuple[tuple[int, ...], ...]


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


def try_graph(graph: bytes, spec: InputSpec | None, name: str, *, advice: str = "") -> Tried:
    """Load a graph in a child process and, with a `spec`, run it on a black picture and on noise.

    Raises as `check_graph`; `advice` is appended if no child process can be started.
    """
    import subprocess

    seconds = SECONDS + len(graph) / 20e6
    megabytes = MEGABYTES + 6 * len(graph) // 2**20
    job = json.dumps({"feed": None if spec is None else _feed(spec), "seconds": seconds, "megabytes": megabytes})
    command = [sys.executable, "-P", "-c", RUNNER.read_text(encoding="utf-8"), job]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    what = "load" if spec is None else "load and to embed two pictures"
    try:
        # The clock allows three times as much, for machines that have other work.
        ended = subprocess.run(command, input=graph, capture_output=True, timeout=3 * seconds, env=environment)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{name} takes more than {seconds:.0f} s to {what}") from error
    except OSError as error:
        raise ModelError(f"{name} cannot be tried in a child process ({error.strerror}){advice}") from error
    if ended.returncode == 0:
        return _tried(parse_json(ended.stdout, f"the trial of {name}", error=ModelError))
    if ended.returncode in (-24, -9):  # SIGXCPU, SIGKILL
        raise ModelError(f"{name} takes more than {seconds:.0f} s to {what}")
    *_, last = ended.stderr.decode("utf-8", "replace").splitlines() or [""]
    stage, _, problem = last.partition(" ")
    if stage not in ("load", "run") or any(word in problem for word in NO_MEMORY):
        raise ModelError(f"{name} takes more than {megabytes:,} MB of memory to {what}, or ends the process")
    failed = "is no graph that ONNX Runtime can run" if stage == "load" else "cannot embed a blank picture"
    raise ModelAltered(f"{name} {failed}: {ORIGIN.sub('', problem)[:300].rstrip()}")


def _feed(spec: InputSpec) -> dict[str, Any]:
    """What the child process makes the input of: its shape and dtype, and the values of black and of white."""
    graph = spec.graph
    shape = [spec.channels, spec.height, spec.width]
    if graph is None:
        return {"shape": [2, *shape], "dtype": "uint8", "low": 0, "high": 255}
    if graph.layout == "nhwc":
        shape = [*shape[1:], shape[0]]
    feed = {"shape": [graph.batch or 2, *shape], "dtype": graph.dtype, "low": 0.0, "high": 255.0}
    if graph.mean:
        first = graph.mean[0], graph.std[0]
        feed |= {"low": -first[0] / first[1], "high": (1 - first[0]) / first[1]}
    return feed


def _tried(content: dict[str, Any]) -> Tried:
    inputs, outputs = (
        tuple(Port(str(name), str(kind), tuple(shape or ())) for name, kind, shape in content[key])
        for key in ("inputs", "outputs")
    )
    return Tried(inputs, outputs, content["metadata"], tuple(map(tuple, content["given"])))


def is_known(card: Card) -> bool:
    """Whether this user has tried or written a model with this fingerprint."""
    try:
        return (_folder() / card.fingerprint).exists()
    except OSError:  # the folder of another user
        return False


def remember(card: Card) -> None:
    """Record that the model of this card was tried or written. Where the cache cannot be written it is tried again."""
    with contextlib.suppress(OSError):
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
