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
END, END_64, LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, LookupError, RuntimeError, struct.error)


def unpack(archive: Path, into: Path, settings: Settings, progress: Callable[[int, int], None]) -> None:
    """Unpack an archive into an empty folder; `progress` is called with (files done, files).

    Raises `DatasetError` if it is damaged or encrypted, has a link or a path that leads outside, or has more files than
    `max_import_files`; `PictureTooLarge` if it unpacks to more than `max_import_unpacked` bytes, or a file to more than
    `max_import_ratio` times its size in the archive; `GalleryNotWritable` if the disk is full.
    """
    try:
        with open(archive, "rb") as file:
            _check_table(file, settings.max_import_files)
            with zipfile.ZipFile(file) as opened:
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


def _check_table(file: BinaryIO, most: int) -> None:
    """Raise `DatasetError` if the table of contents would fill the memory, before it is read."""
    length = file.seek(0, 2)
    file.seek(max(0, length - (1 << 16) - 22))
    tail = file.read()
    place = tail.rfind(END)
    size = struct.unpack_from("<L", tail, place + 12)[0] if 0 <= place <= len(tail) - 22 else 0
    locator = tail.rfind(LOCATOR_64, 0, max(0, place))
    if locator >= 0:
        file.seek(min(struct.unpack_from("<Q", tail, locator + 8)[0], length))
        record = file.read(56)
        if record.startswith(END_64) and len(record) == 56:
            size = max(size, struct.unpack_from("<Q", record, 40)[0])
    if size > most * ENTRY:
        raise DatasetError(f"the archive has more than {most:,} files, or their names are too long")
    file.seek(0)
