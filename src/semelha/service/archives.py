"""ZIP archives from outside: unpacked file by file into an empty folder, within limits."""

from __future__ import annotations

import errno
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from semelha.errors import DatasetError, GalleryNotWritable, PictureTooLarge
from semelha.service.settings import Settings
from semelha.text import shown

CHUNK = 1 << 20
SMALL = 1 << 20  # bytes of a file from which its ratio is judged
MAX_PART = 255  # bytes of a part of a path
MAX_DEPTH = 32
ENTRY = 1024  # bytes of the table of contents for a file, at most
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ONE = b"PK\x01\x02"
"""Begins each file in the table of contents."""
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, LookupError, RuntimeError, struct.error)


def unpack(archive: Path, into: Path, settings: Settings, progress: Callable[[int, int], None]) -> None:
    """Unpack an archive into an empty folder; `progress` is called with (files done, files).

    Raises `DatasetError` if it is damaged or encrypted, has a link or a path that leads outside, or has more files than
    `max_import_files`; `PictureTooLarge` if it unpacks to more than `max_import_unpacked` bytes, or a file to more than
    `max_import_ratio` times its size in the archive; `GalleryNotWritable` if the disk is full.
    """
    try:
        with (
            open(archive, "rb") as file,
            zipfile.ZipFile(_Table(file, settings.max_import_files)) as opened,
        ):
            _unpack_all(opened, into, settings, progress)
    except DAMAGE as error:
        raise DatasetError(f"the archive is damaged, or no ZIP archive: {error}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise GalleryNotWritable("the disk for archives is full") from error
        raise DatasetError(f"the archive cannot be unpacked: {error.strerror}") from error


def _unpack_all(opened: zipfile.ZipFile, into: Path, settings: Settings, progress: Callable[[int, int], None]) -> None:
    members = [one for one in opened.infolist() if not one.filename.endswith("/")]
    if len(members) > settings.max_import_files:
        raise DatasetError(f"the archive has {len(members):,} files: at most {settings.max_import_files:,} are taken")
    unpacked = 0
    for number, member in enumerate(members):
        target = into.joinpath(*_checked_parts(member))
        target.parent.mkdir(parents=True, exist_ok=True)
        allowed = max(SMALL, int(member.compress_size * settings.max_import_ratio))
        size = 0
        with opened.open(member) as source, open(target, "xb") as out:
            while chunk := source.read(CHUNK):
                size += len(chunk)
                unpacked += len(chunk)
                if size > allowed:
                    ratio = settings.max_import_ratio
                    raise PictureTooLarge(f"{_name(member)} unpacks to more than {ratio:g} times its size")
                if unpacked > settings.max_import_unpacked:
                    most = settings.max_import_unpacked
                    raise PictureTooLarge(f"the archive unpacks to more than {most:,} bytes")
                out.write(chunk)
        progress(number + 1, len(members))


def _checked_parts(member: zipfile.ZipInfo) -> list[str]:
    """The parts of the path of a file. Raises `DatasetError` if it is no plain file below the folder."""
    name = _name(member)
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise DatasetError(f"{name} is a link or a device: an archive to import has plain files alone")
    if member.flag_bits & 1 or member.compress_type not in METHODS:
        raise DatasetError(f"{name} is encrypted, or compressed in another way than ZIP archives are as a rule")
    parts = member.filename.split("/")
    is_plain = all(part not in ("", ".", "..") and "\\" not in part and "\0" not in part for part in parts)
    if not is_plain or "\0" in member.orig_filename:
        raise DatasetError(f"{name} leads outside of the archive, or is no path")
    if len(parts) > MAX_DEPTH or any(len(part.encode("utf-8", "replace")) > MAX_PART for part in parts):
        raise DatasetError(f"{name} has a path that is too long")
    return parts


def _name(member: zipfile.ZipInfo) -> str:
    return shown(member.filename[:80])


class _Table:
    """An archive as `zipfile` reads it. Its table of contents, which is read at once, is refused if it is too large.

    What the archive says of its own size is not trusted: `zipfile` alone decides which of several ends it goes by.
    """

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._most = most
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """Read as a file. Raises `DatasetError`."""
        is_refused = size > max(CHUNK, self._most * ENTRY)
        data = b"" if is_refused else self._file.read(size)
        if is_refused or (size > CHUNK and data.count(ONE) > self._most):
            raise DatasetError(f"the archive has more than {self._most:,} files, or their names are too long")
        return data
