"""A quick look at the header of ordinary PNG and JPEG files, for data sets of many pictures."""

from __future__ import annotations

import os
import stat
import struct
import zlib

from semelha.images.formats import Limits

HEAD = 2**14  # bytes that are looked at
TAIL = 64
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_BASELINE = (0xC0, 0xC1)
_WITH_LENGTH = frozenset((0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)))  # segments before the frame of a JPEG


def peek(path: str, limits: Limits) -> tuple[int, bytes] | None:
    """Length and last bytes of a PNG or baseline JPEG whose header is intact and within the limits.

    None for every other file, also for one that cannot be read: Pillow takes a closer look, and says what is wrong.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for a writer
            return None
        descriptor = os.open(path, os.O_RDONLY)
        try:
            head = os.pread(descriptor, HEAD, 0)
            length = os.fstat(descriptor).st_size
            tail = head[-TAIL:] if length <= HEAD else os.pread(descriptor, TAIL, length - TAIL)
        finally:
            os.close(descriptor)
    except (OSError, ValueError, AttributeError):  # Windows has no pread
        return None
    width, height = _size(head)
    pixels = width * height
    if not pixels or length > limits.max_bytes or pixels > limits.max_pixels or 16 * pixels > limits.max_memory:
        return None
    return length, tail


def _size(head: bytes) -> tuple[int, int]:
    """Width and height; 0 if they are not certain."""
    if head.startswith(_PNG) and len(head) > 33:
        intact = zlib.crc32(head[12:29]) == int.from_bytes(head[29:33], "big")
        return struct.unpack(">II", head[16:24]) if intact else (0, 0)
    if not head.startswith(b"\xff\xd8\xff"):
        return 0, 0
    place = 2
    while place + 9 < len(head) and head[place] == 0xFF:
        marker = head[place + 1]
        if marker in _BASELINE:
            height, width = struct.unpack(">HH", head[place + 5 : place + 9])
            return width, height
        if marker not in _WITH_LENGTH:
            break
        place += 2 + int.from_bytes(head[place + 2 : place + 4], "big")
    return 0, 0
