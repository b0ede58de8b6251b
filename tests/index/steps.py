"""A save seen step by step: everything that it asks of the disk is counted, and at one step something happens."""

import builtins
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from semelha import files

Happens = Callable[[], None]


class Steps:
    """What stands between a save and the disk.

    Parameters
    ----------
    at : int
        The step, from 1 on, before which it happens; 0 for never.
    happens : callable
        Raises, or kills.
    """

    def __init__(self, at: int = 0, happens: Happens = lambda: None) -> None:
        self.at = at
        self.happens = happens
        self.taken: list[str] = []

    def step(self, what: str) -> None:
        self.taken.append(what)
        if len(self.taken) == self.at:
            self.happens()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """In this context every step counts."""
        calls = [(os, "fsync"), (os, "open"), (os, "replace"), (Path, "mkdir"), (Path, "unlink")]
        with ExitStack() as patches:
            for owner, name in calls:
                patches.enter_context(patch.object(owner, name, self._counted(name, getattr(owner, name))))
            patches.enter_context(patch.object(files, "open", self._open, create=True))
            yield

    def _counted(self, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self.step(what)
            return call(*arguments, **named)

        return counted

    def _open(self, path: Path, mode: str, **more: Any) -> Any:
        self.step("open")
        return Watched(builtins.open(path, mode, **more), self)


class Watched:
    """A file whose writes are two steps each, so that one can be torn."""

    def __init__(self, file: Any, steps: Steps) -> None:
        self._file = file
        self._steps = steps

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, piece: memoryview) -> None:
        self._steps.step("write")
        self._file.write(piece[: len(piece) // 2])
        self._file.flush()
        self._steps.step("write the rest")
        self._file.write(piece[len(piece) // 2 :])


def full() -> None:
    """The disk has no more room."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
