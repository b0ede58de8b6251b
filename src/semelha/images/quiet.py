"""Silence for Pillow's warnings, safe in threads."""

from __future__ import annotations

import threading
import warnings
from types import TracebackType


class QuietPillow:
    """Pillow's warnings are off while any thread is inside.

    Its remarks on damaged metadata beside whole pixels, and its limit on pixels beside our own, are no news
    to the caller. `warnings.catch_warnings` alone swaps the filters of the whole process: where threads
    overlap, the one that leaves last restores what another had set. Here the first in sets them and the last
    out restores them.
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
