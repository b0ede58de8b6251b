"""Atomic and durable writes, folders that appear whole, and locks between processes.

A file is written beside its target, synced, and renamed; then the folder is synced, so that the new name survives a
power failure. A process that is killed, or a full disk, leaves the old file. Folders are created the same way. Each
writer raises the error type that its caller passes, with one sentence that names the path.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from semelha.errors import SemelhaError

PARTIAL = ".partial"


@contextmanager
def atomic_write(path: Path, *, error: type[SemelhaError] = SemelhaError) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` when the block ends, and is durable then.

    If the block raises, `path` stays as it was. Any number of processes may write the same path: the last one wins.
    Missing folders are created. Raises `error` if the file cannot be written.
    """
    partial = path.parent / f".{path.name}.{secrets.token_hex(4)}{PARTIAL}"
    try:
        make_folder(path.parent)
        with open(partial, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync(path.parent)
    except BaseException as problem:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(problem, OSError):
            raise error(f"{path} cannot be written: {problem.strerror or problem}") from problem
        raise


def write_file(path: Path, pieces: Iterable[Any], *, error: type[SemelhaError] = SemelhaError) -> None:
    """Replace `path` by a file of these pieces: bytes, or text that is encoded as UTF-8. See `atomic_write`."""
    with atomic_write(path, error=error) as file:
        for piece in pieces:
            file.write(piece.encode() if isinstance(piece, str) else piece)


@contextmanager
def atomic_folder(folder: Path, *, error: type[SemelhaError] = SemelhaError) -> Iterator[Path]:
    """Make a temporary folder that becomes `folder` when the block ends: complete, synced, or not there at all.

    Raises `error` if `folder` exists, or cannot be written.
    """
    if folder.exists() or folder.is_symlink():
        raise error(f"{folder} exists already: choose another path")
    partial = None
    try:
        make_folder(folder.parent)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        yield partial
        partial.chmod(0o755)
        _sync_tree(partial)
        rename(partial, folder)
    except OSError as problem:
        raise error(f"{folder} cannot be written: {problem.strerror or problem}") from problem
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, durably. Raises `OSError`."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        _sync(each.parent)


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder, durably. Raises `OSError`."""
    os.rename(source, target)
    _sync(target.parent)
    if source.parent != target.parent:
        _sync(source.parent)


def remove_partial_files(folder: Path) -> None:
    """Remove what killed writers left in a folder to which nobody else writes now. Raises `OSError`."""
    for path in folder.glob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)


@contextmanager
def file_lock(path: Path, *, wait: bool, error: type[SemelhaError] = SemelhaError) -> Iterator[bool]:
    """Lock the file `path` until the block ends, against other threads and processes.

    Yields whether it is locked: always with `wait`, otherwise only if nobody else has locked it. Raises `error` if the
    file cannot be locked.
    """
    from filelock import FileLock, Timeout  # imports asyncio

    lock = FileLock(path, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        pass
    except OSError as problem:
        raise error(f"{path} cannot be locked: {problem.strerror or problem}") from problem
    try:
        yield lock.is_locked
    finally:
        lock.release()


def _sync_tree(folder: Path) -> None:
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            _sync(Path(place, name))
        _sync(Path(place))


def _sync(path: Path) -> None:
    """Make a file, or the names in a folder, survive a power failure, where the system can."""
    if os.name != "posix":
        return  # a folder cannot be opened, and a file that is open for reading cannot be synced
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
