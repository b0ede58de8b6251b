"""Try graphs of unknown origin in a child process with limits on memory and time, before this process loads them.

A graph is a program: one of a kilobyte can ask for gigabytes, or never return. Models that this user has tried or
written before are remembered by their fingerprint, which is a digest of their files, in the user's cache folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

from semelha.embedders.card import Card
from semelha.errors import ModelAltered, ModelError

SECONDS = 30.0
"""Processor time for loading a graph and embedding two pictures; a second more for each 20 MB of the graph."""
MEGABYTES = 1024
"""Memory for the same; six times the size of the graph more."""

RUNNER = Path(__file__).with_name("trial_runner.py")
NO_MEMORY = ("bad_alloc", "bad allocation", "allocat", "MemoryError", "out of memory")


def check_graph(graph: bytes, card: Card, name: str) -> None:
    """Try a graph in a child process, unless this user has tried or written the model before.

    Raises `ModelAltered` if ONNX Runtime cannot run it, `ModelError` if it takes too much memory or time, or if no
    child process can be started.
    """
    if is_known(card):
        return
    assert card.input is not None
    import subprocess

    seconds = SECONDS + len(graph) / 20e6
    megabytes = MEGABYTES + 6 * len(graph) // 2**20
    shape = [2, card.input.channels, card.input.height, card.input.width]
    command = [sys.executable, "-P", "-c", RUNNER.read_text(encoding="utf-8"), json.dumps([shape, seconds, megabytes])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        # The clock allows three times as much, for machines that have other work.
        ended = subprocess.run(command, input=graph, capture_output=True, timeout=3 * seconds, env=environment)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{name} takes more than {seconds:.0f} s to load and to embed two pictures") from error
    except OSError as error:
        raise ModelError(
            f"{name} cannot be tried in a child process ({error.strerror}): to load it anyway, call "
            "load_embedder(…, trusted=True)"
        ) from error
    if ended.returncode == 0:
        remember(card)
        return
    if ended.returncode in (-24, -9):  # SIGXCPU, SIGKILL
        raise ModelError(f"{name} takes more than {seconds:.0f} s to load and to embed two pictures")
    *_, last = ended.stderr.decode("utf-8", "replace").splitlines() or [""]
    stage, _, problem = last.partition(" ")
    if stage not in ("load", "run") or any(word in problem for word in NO_MEMORY):
        raise ModelError(
            f"{name} takes more than {megabytes:,} MB of memory to load and to embed two pictures, or ends the process"
        )
    what = "is no graph that ONNX Runtime can run" if stage == "load" else "cannot embed a blank picture"
    raise ModelAltered(f"{name} {what}: {problem}")


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
