"""Recognize the format of an encoded picture, and refuse files that take long or much memory only to be opened.

Pillow reads headers step by step in Python and keeps every tag. A file may be made of millions of empty segments, or of
tags that all refer to the same bytes. Reading is therefore counted, tags are added up before Pillow reads them, and the
scans of a JPEG are counted before they are decoded.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, Literal, NoReturn

from semelha.errors import PictureTooLarge

SMALL_FILE = 2**16
"""Files of up to this many bytes are too short to hold enough segments to take long."""
MAX_READS = 1_000_000  # some seconds; a PNG of 64 MB in chunks of 8 KB takes 30,000
MAX_TAG_BYTES = 2**24  # in metadata
MAX_TAGS = 2**17  # that are added up
MAX_STRIPS = 200_000  # strips or tiles of a TIFF
MAX_SCANS = 100  # progressive JPEGs have about ten
MAX_SCANNED = 4_000_000_000  # pixels times scans of a JPEG: some 10 to 20 s

HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
AVIF_BRANDS = {b"avif", b"avis"}
_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"BM": "BMP",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
}
_NETPBM = re.compile(rb"P[1-6f][\s#]")
_TIFF_HEADER = re.compile(rb"II\*\0|MM\0\*")
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_STRIP_OFFSETS, _TILE_OFFSETS, _ORIENTATION = 273, 324, 274
_EXIF_DIRECTORY, _DATE_TIME_ORIGINAL = 34665, 36867
_START_OF_SCAN, _END_OF_IMAGE, _EXIF = 0xDA, 0xD9, b"Exif\0\0"
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)  # neither a stuffed byte nor a restart


class BoundedFile:
    """A file of which only so much can be read, in only so many steps: the time to parse it is bounded.

    Raises `PictureTooLarge` beyond. It has no `fileno`, so that nobody reads past it.
    """

    def __init__(self, file: BinaryIO, length: int, name: str) -> None:
        self._file, self._name = file, name
        self._reads, self._bytes = MAX_READS, 4 * length + MAX_TAG_BYTES
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._reads -= 1
        self._bytes -= len(data)
        if self._reads < 0 or self._bytes < 0:
            raise PictureTooLarge(f"{self._name} has too many segments: it would take too long to read")
        return data

    def seekable(self) -> bool:
        return True


def format_of(start: bytes) -> str | None:
    """The format of a file by its first 64 bytes, such as "JPEG"; None if it is unknown."""
    for magic, name in _STARTS.items():
        if start.startswith(magic):
            return name
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if _NETPBM.match(start):
        return "PPM"
    if start[4:8] == b"ftyp":
        length = min(int.from_bytes(start[:4], "big"), len(start))
        brands = {start[8:12], *(start[place : place + 4] for place in range(16, length - 3, 4))}
        if brands & AVIF_BRANDS:
            return "AVIF"
        if start[8:12] in HEIC_BRANDS or brands & HEIC_BRANDS:
            return "HEIC"
    return None


def check_before_opening(file: BinaryIO, length: int, kind: str, name: str) -> None:
    """Raise `PictureTooLarge` if the metadata of a file would unpack to much more than the file has."""
    if kind == "JPEG" and length > SMALL_FILE:
        exif = b""
        for marker, segment in _segments(file, name):
            if marker == 0xE1 and segment.startswith(_EXIF):
                exif += segment[len(_EXIF) :]
            if len(exif) > SMALL_FILE:
                check_exif(exif, name)
                if len(exif) > MAX_TAG_BYTES:
                    _refuse_tags(name)
    elif kind == "TIFF":
        tags = list(_tags(file, length))
        if sum(size for _, _, size, _ in tags) > length + MAX_TAG_BYTES:
            _refuse_tags(name)
        if any(tag in (_STRIP_OFFSETS, _TILE_OFFSETS) and count > MAX_STRIPS for tag, count, _, _ in tags):
            raise PictureTooLarge(f"{name} has more than {MAX_STRIPS:,} strips or tiles: that would take too long")
    elif kind in ("AVIF", "HEIC"):
        data = file.read()
        for start in _TIFF_HEADER.finditer(data):
            check_exif(data[start.start() :], name)
    file.seek(0)


def check_exif(exif: bytes, name: str) -> None:
    """Raise `PictureTooLarge` if tags of EXIF data refer to the same bytes again and again."""
    tags = _tags(io.BytesIO(exif), len(exif))
    if sum(size for _, _, size, _ in tags if size <= len(exif)) > MAX_TAG_BYTES:
        _refuse_tags(name)


def _refuse_tags(name: str) -> NoReturn:
    raise PictureTooLarge(f"{name} has metadata that would unpack to more than {MAX_TAG_BYTES // 2**20} MB")


def orientation_in(exif: bytes) -> int | None:
    """The orientation in EXIF data, with or without its prefix: 1 to 8; None if there is none."""
    exif = exif.removeprefix(_EXIF)
    order: Literal["little", "big"] = "little" if exif[:2] == b"II" else "big"
    for tag, _, size, value in _tags(io.BytesIO(exif), len(exif)):
        if tag == _ORIENTATION and size in (2, 4):
            orientation = int.from_bytes(value[:size], order)
            return orientation if 1 <= orientation <= 8 else 1
    return None


def capture_time_in(file: BinaryIO, length: int) -> str | None:
    """DateTimeOriginal in EXIF data without its prefix, or in a TIFF file, as it is written; None if it is absent."""
    file.seek(0)
    order: Literal["little", "big"] = "little" if file.read(2) == b"II" else "big"
    for tag, _, size, value in _tags(file, length):
        if tag == _EXIF_DIRECTORY:
            place = int.from_bytes(value[:size], order)
            for inner, _, _, offset in _tags(file, length, place):
                if inner == _DATE_TIME_ORIGINAL:
                    file.seek(min(int.from_bytes(offset, order), length))
                    return file.read(19).decode("ascii", "replace")
            return None
    return None


def significant_bits(file: BinaryIO) -> int | None:
    """Bits of grey that count, as the sBIT chunk of a PNG says; None if it does not."""
    file.seek(8)
    for _ in range(MAX_TAGS):
        size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if kind == b"sBIT":
            bits = file.read(1)
            return bits[0] if bits and 0 < bits[0] <= 16 else None
        if kind in (b"IDAT", b"IEND", b""):
            return None
        file.seek(size + 4, 1)
    return None


def check_scans(file: BinaryIO, pixels: int, layers: int, progressive: bool, name: str) -> bool:
    """Whether a JPEG, of which Pillow has read the header, is decoded in several passes over all of its pixels.

    Raises `PictureTooLarge` if it has so many scans that decoding takes long.
    """
    if not progressive:
        header = 8 + 2 * layers  # of a scan of all layers, behind which the file stands
        file.seek(max(0, file.tell() - header))
        start = file.read(5)
        if start[:2] == b"\xff\xda" and start[4] == layers:
            return False
    for _ in _segments(file, name):
        pass
    data = file.read()
    if not progressive and data[4:5] == bytes([layers]):
        return False
    scans = 0
    for marker in _NEXT_MARKER.finditer(data):
        kind = data[marker.start() + 1]
        if kind == _END_OF_IMAGE:
            break
        scans += kind == _START_OF_SCAN
        if scans > MAX_SCANS or scans * pixels > MAX_SCANNED:
            raise PictureTooLarge(f"{name} has {scans} scans or more of {pixels:,} pixels: that would take too long")
    return True


def _segments(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment of a JPEG up to its first scan."""
    file.seek(2)
    bounded = BoundedFile(file, 2**62, name)
    while len(head := bounded.read(2)) == 2:
        if head[0] != 0xFF or head[1] in (0, 0xFF):
            file.seek(-1, 1)  # junk and fill bytes, which Pillow skips too
            continue
        if head[1] == _START_OF_SCAN:
            file.seek(-2, 1)
            return
        if head[1] in (1, 0xD8, _END_OF_IMAGE) or 0xD0 <= head[1] <= 0xD7:
            continue
        size = int.from_bytes(bounded.read(2), "big")
        yield head[1], bounded.read(max(0, size - 2))


def _tags(file: BinaryIO, length: int, place: int | None = None) -> Iterator[tuple[int, int, int, bytes]]:
    """Tag, count, bytes and value or offset of each entry in a directory of a TIFF file or of EXIF data.

    It is the directory at `place`, by default the first one.
    """
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return
    big = 43 in head[2:4] and len(head) == 16
    number_format, entry_format = ("Q", "HHQ8s") if big else ("H", "HHI4s")
    first = struct.unpack_from(order + ("8xQ" if big else "4xI"), head)[0]
    file.seek(min(first if place is None else place, length))
    number = file.read(8 if big else 2)
    if len(number) < struct.calcsize(number_format):
        return
    size = struct.calcsize("=" + entry_format)
    entries = file.read(size * min(struct.unpack(order + number_format, number)[0], MAX_TAGS))
    for tag, kind, count, value in struct.iter_unpack(order + entry_format, entries[: len(entries) // size * size]):
        yield tag, count, count * _TYPE_BYTES.get(kind, 1), value
