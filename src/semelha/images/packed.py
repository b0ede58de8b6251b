"""`Packed`: a picture inside an archive, which is read without the rest of it, from a disk or from object storage."""

from __future__ import annotations

import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from semelha.errors import DatasetError, MissingExtra, PictureError, PictureTooLarge
from semelha.files import PARTIAL
from semelha.text import as_unicode


@dataclass(frozen=True)
class Packed:
    """A part of an archive.

    Parameters
    ----------
    archive : str
        A local file, or a URL that fsspec reads, such as `s3://bucket/shards-0000.tar`.
    start, length : int
        Where the encoded picture lies, in bytes.
    digest : str
        XXH3-64 of these bytes, in hex.
    copy : str, optional
        A local copy of the archive, which is read instead.
    """

    archive: str
    start: int
    length: int
    digest: str
    copy: str | None = None

    def read(self, *, max_bytes: int) -> bytes:
        """The encoded picture.

        Raises
        ------
        PictureTooLarge
            It has more than `max_bytes`.
        PictureError
            The archive has other bytes there than when it was written.
        DatasetError
            The archive cannot be read, such as while its storage is away.
        """
        if self.length > max_bytes:
            raise PictureTooLarge(f"{self} has {self.length:,} bytes: max_bytes is {max_bytes:,}")
        data = _read_range(self.copy or self.archive, self.start, self.length)
        if len(data) != self.length or xxhash.xxh3_64_hexdigest(data) != self.digest:
            raise PictureError(f"{self} is damaged: it is not what was written")
        return data

    def __str__(self) -> str:
        return f"the picture at byte {self.start:,} of {as_unicode(self.archive)}"


def is_url(path: object) -> bool:
    """Whether a path is a URL, such as `s3://bucket/photos`."""
    return isinstance(path, str) and "://" in path


def _read_range(archive: str, start: int, length: int) -> bytes:
    try:
        if is_url(archive):
            system, path = file_system(archive)
            data: bytes = system.cat_file(path, start=start, end=start + length)
            return data
        file = Path(archive)
        if not stat.S_ISREG(file.stat().st_mode):  # opening a pipe would wait for a writer
            raise DatasetError(f"{as_unicode(archive)} cannot be read: it is no file")
        with file.open("rb") as opened:
            opened.seek(start)
            return opened.read(length)
    except (DatasetError, MissingExtra):
        raise
    except Exception as error:  # file systems of fsspec raise many kinds
        raise _unreadable(archive, error) from error


def read_object(path: str, *, max_bytes: int) -> bytes:
    """The content of a URL of at most `max_bytes`. Raises `DatasetError`, `MissingExtra`."""
    system, place = file_system(path)
    try:
        size = system.size(place)
        data: bytes | None = system.cat_file(place) if size is not None and size <= max_bytes else None
    except Exception as error:
        raise _unreadable(path, error) from error
    if data is None:
        raise DatasetError(f"{as_unicode(path)} has more than {max_bytes:,} bytes, and cannot be what it should be")
    return data


def file_system(url: str) -> tuple[Any, str]:
    """The file system of fsspec for a URL, and the path in it. Raises `DatasetError`, `MissingExtra`."""
    try:
        from fsspec.core import url_to_fs

        found: tuple[Any, str] = url_to_fs(url)
        return found
    except ImportError as error:  # fsspec itself, or what it needs for this kind of URL
        raise MissingExtra(f"{as_unicode(url)} cannot be read: {error}") from error
    except Exception as error:
        raise _unreadable(url, error) from error


@contextmanager
def local_copy(archive: str, folder: Path) -> Iterator[str]:
    """An archive as a local file: a URL is downloaded to `folder` until the block ends.

    Raises `DatasetError`, `MissingExtra`.
    """
    if not is_url(archive):
        yield archive
        return
    system, path = file_system(archive)
    copy = folder / f".{secrets.token_hex(4)}{PARTIAL}"
    try:
        try:
            system.get_file(path, str(copy))
        except Exception as error:
            raise _unreadable(archive, error) from error
        yield str(copy)
    finally:
        copy.unlink(missing_ok=True)


def _unreadable(path: str, error: Exception) -> DatasetError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DatasetError(f"{as_unicode(path)} cannot be read: {reason}")
