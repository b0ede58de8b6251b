"""Folders for archives while they are imported. Those of processes that were killed are removed at the next start."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from filelock import FileLock

from semelha.errors import SemelhaError
from semelha.files import file_lock

PREFIX = "semelha-import-"
LOCK = "lock"


class TemporaryFolder:
    """A new folder below `parent`, by default that of the system, with a lock as long as it is in use.

    Raises `OSError`.
    """

    def __init__(self, parent: Path | None) -> None:
        self.path = Path(tempfile.mkdtemp("", PREFIX, parent)).resolve()
        self._lock = FileLock(self.path / LOCK, mode=0o600, thread_local=False)
        self._lock.acquire()

    def remove(self) -> None:
        """Remove it with all that is in it."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def remove_abandoned(parent: Path | None) -> None:
    """Remove the folders of this user that a process has made and not removed before it ended."""
    user = getattr(os, "getuid", int)()  # 0 on Windows, as in `st_uid`
    for folder in Path(parent or tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or not (folder / LOCK).exists():
                continue
            with file_lock(folder / LOCK, wait=False) as is_locked:
                pass
        except (OSError, SemelhaError):  # another process removes it
            continue
        if is_locked:
            shutil.rmtree(folder, ignore_errors=True)
