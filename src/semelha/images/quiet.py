"""Suppress Pillow's warnings in several threads."""

from __future__ import annotations

import threading
import warnings
from types import TracebackType


class QuietPillow:
    """A context manager that suppresses Pillow's warnings while any thread is inside.

    Pillow warns of damaged metadata beside intact pixels, and of its own limit of pixels; neither concerns the caller.
    `warnings.catch_warnings` replaces the filters of the whole process: if threads overlap, the last one to leave
    restores filters that another had set. Here the first thread to enter sets them, and the last one to leave restores
    them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(kind, error, trace)
