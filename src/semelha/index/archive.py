"""A file of named arrays with checksums, which is read by memory mapping. An index consists of such files.

    magic │ length of the header │ checksum │ header: JSON │ array │ array │ …

The header contains the caller's content, the place of each array, and a checksum for every block of four megabytes.
All checksums are verified when the file is opened, on several threads; then the arrays are views of the mapped file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from semelha.errors import IndexFileError
from semelha.files import write_file
from semelha.untrusted import parse_json

MAGIC = b"semelha arrays 1\n"
PREFIX = len(MAGIC) + 16  # magic, length, checksum
BLOCK = 1 << 22
ALIGN = 64
TYPES = ("<i8", "<u8", "<i4", "<f4", "|u1")
MAX_HEADER_BYTES = 1 << 24
MAX_NUMBER = 1 << 40  # rows, numbers of a row, or bytes
SEED = 0

Arrays = Mapping[str, NDArray[Any]]


def write_archive(path: Path, content: Mapping[str, Any], arrays: Arrays) -> str:
    """Write content for JSON and arrays, atomically and durably. Returns the checksum of the header.

    Raises `IndexFileError` if the file cannot be written; an older file of this name is then unchanged.
    """
    bodies = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    table, end = {}, 0
    for name, body in bodies.items():
        start = _aligned(end)
        table[name] = {
            "type": body.dtype.str,
            "shape": list(body.shape),
            "start": start,
            "blocks": [checksum(block) for block in _blocks(_bytes(body))],
        }
        end = start + body.nbytes
    header = json.dumps({"content": dict(content), "arrays": table, "bytes": end}).encode()
    prefix = MAGIC + len(header).to_bytes(8, "little")
    own = checksum(prefix + header)
    write_file(path, _pieces(prefix + bytes.fromhex(own) + header, table, bodies), error=IndexFileError)
    return own


def read_archive(path: Path, *, threads: int = 1) -> tuple[dict[str, Any], dict[str, NDArray[Any]], str]:
    """Read the content, the arrays as views of the mapped file, and the checksum of the header.

    Raises `IndexFileError` if the file is missing, damaged, or of another format.
    """
    try:
        whole = np.asarray(np.memmap(path, np.uint8, "r")) if path.stat().st_size else np.empty(0, np.uint8)
    except OSError as error:
        raise IndexFileError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise IndexFileError(f"{path} cannot be mapped: {error}") from error
    content, table, start, end, own = _header(path, whole)
    if len(whole) != start + end:
        raise IndexFileError(f"{path} has {len(whole)} bytes and must have {start + end}: it was truncated or extended")
    bodies = _bodies(path, table, whole[start:])
    _verify(path, table, bodies, threads)
    views = {name: body.view(table[name]["type"]).reshape(table[name]["shape"]) for name, body in bodies.items()}
    return content, views, own


def _header(path: Path, whole: NDArray[np.uint8]) -> tuple[dict[str, Any], dict[str, Any], int, int, str]:
    """Content, table of arrays, their start, their size in bytes, and the checksum of the header."""
    prefix = whole[:PREFIX].tobytes()
    if len(prefix) < PREFIX or not prefix.startswith(MAGIC):
        raise IndexFileError(f"{path} is not a file of an index, or of another version")
    length = int.from_bytes(prefix[len(MAGIC) : len(MAGIC) + 8], "little")
    header = whole[PREFIX : PREFIX + min(length, MAX_HEADER_BYTES)].tobytes()
    own = checksum(prefix[: len(MAGIC) + 8] + header)
    if own != prefix[-8:].hex():
        raise IndexFileError(f"{path} is damaged: its header does not match its checksum")
    try:
        read = parse_json(header, str(path), max_bytes=MAX_HEADER_BYTES, error=IndexFileError)
        content, table, end = read["content"], read["arrays"], read["bytes"]
        if (
            not isinstance(content, dict)
            or not isinstance(table, dict)
            or type(end) is not int
            or not 0 <= end <= MAX_NUMBER
        ):
            raise TypeError("wrong types")
    except (KeyError, TypeError) as error:
        raise IndexFileError(f"{path} is damaged: its header is invalid: {error}") from error
    return content, table, _aligned(PREFIX + length), end, own


def _bodies(path: Path, table: Mapping[str, Any], space: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """The bytes of each array; the header must place the arrays one after the other."""
    bodies, end = {}, 0
    for name, spec in table.items():
        start = _aligned(end)
        size = _size(path, name, spec)
        if spec["start"] != start or start + size > len(space) or len(spec["blocks"]) != -(-size // BLOCK):
            raise IndexFileError(f"{path} is damaged: the header places its array {name} wrongly")
        end = start + size
        bodies[name] = space[start:end]
    if end != len(space):
        raise IndexFileError(f"{path} is damaged: its arrays do not fill it")
    return bodies


def _size(path: Path, name: str, spec: Mapping[str, Any]) -> int:
    """Size in bytes of an array of one or two dimensions."""
    try:
        kind, shape, blocks = spec["type"], spec["shape"], spec["blocks"]
        if kind not in TYPES or not isinstance(shape, list) or not isinstance(blocks, list) or len(shape) not in (1, 2):
            raise TypeError("wrong types")
        if not all(type(n) is int and 0 <= n <= MAX_NUMBER for n in shape) or type(spec["start"]) is not int:
            raise TypeError("wrong types")
    except (KeyError, TypeError) as error:
        raise IndexFileError(f"{path} is damaged: the header describes its array {name} wrongly") from error
    size: int = np.dtype(kind).itemsize * math.prod(shape)
    return size


def _verify(path: Path, table: Mapping[str, Any], bodies: Mapping[str, NDArray[np.uint8]], threads: int) -> None:
    pairs = [
        (block.data, wanted)
        for name, body in bodies.items()
        for block, wanted in zip(_blocks(body), table[name]["blocks"], strict=True)
    ]
    with ThreadPoolExecutor(max(1, threads)) as pool:
        right = pool.map(lambda pair: checksum(pair[0]) == pair[1], pairs)
        if not all(right):
            raise IndexFileError(f"{path} is damaged: a block does not match its checksum")


def _pieces(head: bytes, table: Mapping[str, Any], bodies: Arrays) -> Iterable[memoryview]:
    """Header and arrays in the order of the file, padded with zeros."""
    start = _aligned(len(head))
    yield memoryview(head.ljust(start, b"\0"))
    ends = [0, *(table[name]["start"] + body.nbytes for name, body in bodies.items())]
    for (end, _), (name, body) in zip(pairwise(ends), bodies.items(), strict=True):
        yield memoryview(bytes(table[name]["start"] - end))
        yield from (block.data for block in _blocks(_bytes(body)))


def _blocks(body: NDArray[np.uint8]) -> Iterable[NDArray[np.uint8]]:
    return (body[start : start + BLOCK] for start in range(0, len(body), BLOCK))


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    return array.reshape(-1).view(np.uint8)


def checksum(data: Any) -> str:
    """XXH3 of bytes or of a contiguous array, 64 bits in hexadecimal. It detects accidents, not attacks."""
    return xxhash.xxh3_64_hexdigest(data, SEED)


def _aligned(position: int) -> int:
    return -(-position // ALIGN) * ALIGN
