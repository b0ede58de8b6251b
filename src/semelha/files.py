"""Atomic and durable writes, folders that appear whole, and locks between processes.

A file is written beside its target, synced, and renamed; then the folder is synced, so that the new name survives a
power failure. A process that is killed, or a full disk, leaves the old file. Folders are created the same way. Each
writer raises the error type that its caller passes, with one sentence that names the path.

Permissions are those of the umask. What contains pictures is written with `private`: without rights for others than the
owner and the group.
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
PRIVATE_FILE, PRIVATE_FOLDER = 0o660, 0o770
"""Permissions of what contains pictures; the umask takes its part of them."""


def check_writable(path: Path, *, is_folder: bool = False, error: type[SemelhaError] = SemelhaError) -> None:
    """Raise `error` if a file, or a folder that must be new, cannot be written: before the work whose result it gets.

    A file may replace another. Missing folders above are no problem; writers create them.
    """
    try:
        if is_folder and (path.exists() or path.is_symlink()):
            raise error(f"{path} exists already: choose another place, or remove it")
        if not is_folder and path.is_dir():
            raise error(f"{path} is a folder: name a file to write")
        with tempfile.TemporaryFile(dir=next(each for each in path.absolute().parents if each.exists())):
            pass
    except OSError as problem:
        raise error(f"{path} cannot be written: {problem.strerror or problem}") from problem


@contextmanager
def atomic_write(path: Path, *, private: bool = False, error: type[SemelhaError] = SemelhaError) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` when the block ends, and is durable then.

    If the block raises, `path` stays as it was. Any number of processes may write the same path: the last one wins.
    Missing folders are created. Raises `error` if the file cannot be written.
    """
    partial = path.parent / f".{path.name}.{secrets.token_hex(4)}{PARTIAL}"
    try:
        make_folder(path.parent)
        rights = PRIVATE_FILE if private else 0o666
        with open(partial, "xb", opener=lambda name, flags: os.open(name, flags, rights)) as file:
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


def write_file(
    path: Path, pieces: Iterable[Any], *, private: bool = False, error: type[SemelhaError] = SemelhaError
) -> None:
    """Replace `path` by a file of these pieces: bytes, or text that is encoded as UTF-8. See `atomic_write`."""
    with atomic_write(path, private=private, error=error) as file:
        for piece in pieces:
            file.write(piece.encode() if isinstance(piece, str) else piece)


@contextmanager
def atomic_folder(folder: Path, *, private: bool = False, error: type[SemelhaError] = SemelhaError) -> Iterator[Path]:
    """Make a temporary folder that becomes `folder` when the block ends: complete, synced, or not there at all.

    Raises `error` if `folder` exists, or cannot be written.
    """
    if folder.exists() or folder.is_symlink():
        raise error(f"{folder} exists already: choose another path")
    partial = None
    try:
        make_folder(folder.parent)
        partial = folder.parent / f".{folder.name}-{secrets.token_hex(4)}"
        partial.mkdir(PRIVATE_FOLDER if private else 0o777)
        yield partial
        sync_tree(partial)
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


def sync_tree(folder: Path) -> None:
    """Make a folder with all that is in it survive a power failure. Raises `OSError`."""
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
