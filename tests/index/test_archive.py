"""A file of arrays is whole or refused, and what had its name stays until the new one is safe."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.index.folders import rewritten
from tests.index.steps import Steps, full

from semelha import files
from semelha.errors import IndexFileError
from semelha.index import archive
from semelha.index.archive import BLOCK, MAGIC, PREFIX, checksum, read_archive, write_archive

random = np.random.default_rng(0)
CONTENT = {"generation": 3, "name": "mañana", "list": [1, 2.5, None]}
ARRAYS: dict[str, np.ndarray] = {
    "ids": np.arange(5),
    "vectors": random.normal(size=(5, 3)).astype(np.float32),
    "codes": random.integers(0, 255, 70).astype(np.uint8),
    "none": np.empty(0, np.int64),
    "strided": np.arange(40, dtype=np.int32)[::2],
}


def same(arrays: dict[str, np.ndarray]) -> bool:
    return arrays.keys() == ARRAYS.keys() and all(
        np.array_equal(arrays[name], array) and arrays[name].dtype == array.dtype for name, array in ARRAYS.items()
    )


def test_reads_what_was_written(tmp_path: Path) -> None:
    own = write_archive(tmp_path / "a", CONTENT, ARRAYS)
    content, arrays, read = read_archive(tmp_path / "a", threads=2)
    assert content == CONTENT
    assert same(arrays)
    assert read == own
    assert not any(array.flags.writeable for array in arrays.values() if array.size)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_reads_blocks_by_the_dozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "BLOCK", 128)
    long = random.integers(0, 255, 128 * 12 + 1).astype(np.uint8)
    write_archive(tmp_path / "a", {}, {"long": long})
    assert np.array_equal(read_archive(tmp_path / "a", threads=4)[1]["long"], long)
    monkeypatch.setattr(archive, "BLOCK", BLOCK)
    with pytest.raises(IndexFileError, match="places its array"):
        read_archive(tmp_path / "a")


def test_the_checksum_of_the_header_tells_files_apart(tmp_path: Path) -> None:
    """So that a manifest knows its segments by it: one number of one array is enough."""
    other = {**ARRAYS, "vectors": ARRAYS["vectors"] * np.float32(1.0000001)}
    assert write_archive(tmp_path / "a", CONTENT, ARRAYS) != write_archive(tmp_path / "b", CONTENT, other)


def test_every_byte_counts(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_archive(path, CONTENT, ARRAYS)
    whole, padding = path.read_bytes(), 0
    for position in range(len(whole)):
        rewritten(path, whole[:position] + bytes([whole[position] ^ random.integers(1, 256)]) + whole[position + 1 :])
        try:
            content, arrays, _ = read_archive(path)
        except IndexFileError:
            continue
        assert content == CONTENT
        assert same(arrays)
        padding += 1
    assert padding <= 64 * len(ARRAYS), "bytes beside the padding are not looked at"


def test_every_length_counts(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_archive(path, CONTENT, ARRAYS)
    whole = path.read_bytes()
    for data in (*(whole[:length] for length in range(len(whole))), whole + b"\0", whole + whole):
        rewritten(path, data)
        with pytest.raises(IndexFileError):
            read_archive(path)


@pytest.mark.parametrize("what", ["nothing", "a folder", "another file", "a loop"])
def test_what_is_no_file_of_arrays(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    if what == "a folder":
        path.mkdir()
    elif what == "another file":
        path.write_bytes(b"SQLite format 3\0" * 100)
    elif what == "a loop":
        path.symlink_to(path)
    with pytest.raises(IndexFileError, match=str(path)):
        read_archive(path)


def forged(path: Path, change: Callable[[dict[str, Any]], None] | bytes) -> None:
    """A file whose header says something else, under a checksum that is right."""
    write_archive(path, CONTENT, ARRAYS)
    whole = path.read_bytes()
    length = int.from_bytes(whole[len(MAGIC) : len(MAGIC) + 8], "little")
    body = whole[-(-(PREFIX + length) // 64) * 64 :]
    if isinstance(change, bytes):
        header = change
    else:
        read = json.loads(whole[PREFIX : PREFIX + length])
        change(read)
        header = json.dumps(read).encode()
    prefix = MAGIC + len(header).to_bytes(8, "little")
    head = prefix + bytes.fromhex(checksum(prefix + header)) + header
    rewritten(path, head.ljust(-(-len(head) // 64) * 64, b"\0") + body)


def test_a_forgery_that_changes_nothing_is_read(tmp_path: Path) -> None:
    """Otherwise the next test would show nothing."""
    forged(tmp_path / "a", lambda header: None)
    assert same(read_archive(tmp_path / "a")[1])


def array(name: str, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda header: header["arrays"][name].__setitem__(key, value)


HOSTILE: dict[str, Callable[[dict[str, Any]], None] | bytes] = {
    "no JSON": b"{",
    "no text": b"\xff\xfe\xfd",
    "no object": b"[1, 2]",
    "a number": b"7",
    "deep JSON": b"[" * 100_000,
    "deep objects": b'{"content":' * 50_000,
    "a long number": b'{"content": {}, "arrays": {}, "bytes": ' + b"9" * 5000 + b"}",
    "a number that cannot be printed": b'{"content": {}, "arrays": {}, "bytes": ' + b"9" * 4300 + b"}",
    "endless bytes": b'{"content": {}, "arrays": {}, "bytes": Infinity}',
    "no bytes": lambda header: header.pop("bytes"),
    "bytes in words": lambda header: header.update(bytes="all"),
    "bytes in a fraction": lambda header: header.update(bytes=float(header["bytes"])),
    "fewer bytes": lambda header: header.update(bytes=header["bytes"] - 1),
    "negative bytes": lambda header: header.update(bytes=-1),
    "content is a list": lambda header: header.update(content=[]),
    "arrays are a list": lambda header: header.update(arrays=[]),
    "no arrays": lambda header: header.update(arrays={}),
    "an array less": lambda header: header["arrays"].pop("strided"),
    "an array that is a number": lambda header: header["arrays"].update(ids=1),
    "an array that is a list": lambda header: header["arrays"].update(ids=[1]),
    "an array that is text": lambda header: header["arrays"].update(ids="ids"),
    "objects": array("ids", "type", "|O8"),
    "no type": array("ids", "type", ""),
    "a type that is a list": array("ids", "type", ["<i8"]),
    "a wider type": array("codes", "type", "<i8"),
    "a negative shape": array("ids", "shape", [-5]),
    "a huge shape": array("ids", "shape", [1 << 62]),
    "a shape whose size wraps around": array("ids", "shape", [1 << 32, 1 << 32]),
    "nothing of much": array("none", "shape", [0, 1 << 70]),
    "many dimensions": array("none", "shape", [0] * 100),
    "no dimensions": array("codes", "shape", []),
    "a shape that is text": array("none", "shape", "0"),
    "a shape that is an object": array("none", "shape", {}),
    "a shape of fractions": array("ids", "shape", [5.0]),
    "a shape of truths": array("ids", "shape", [True]),
    "another shape": array("vectors", "shape", [3, 4]),
    "overlapping arrays": array("vectors", "start", 0),
    "a start that is not aligned": array("vectors", "start", 65),
    "a start before the file": array("vectors", "start", -64),
    "a start behind the file": array("vectors", "start", 1 << 40),
    "a start in a fraction": array("vectors", "start", 64.0),
    "no start": lambda header: header["arrays"]["ids"].pop("start"),
    "no blocks": array("ids", "blocks", []),
    "blocks that are text": array("ids", "blocks", "a"),
    "blocks too many": array("ids", "blocks", ["0" * 16] * 2),
    "blocks that are numbers": array("ids", "blocks", [7]),
    "a block of another sum": array("ids", "blocks", ["0" * 16]),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_header_that_lies_is_refused(change: Callable[[dict[str, Any]], None] | bytes, tmp_path: Path) -> None:
    forged(tmp_path / "a", change)
    with pytest.raises(IndexFileError, match=str(tmp_path / "a")):
        read_archive(tmp_path / "a")


@pytest.mark.parametrize("length", [0, 1, (1 << 24) + 1, 1 << 40, (1 << 64) - 1])
def test_a_header_that_is_not_as_long_as_it_says(length: int, tmp_path: Path) -> None:
    prefix = MAGIC + length.to_bytes(8, "little")
    header = b"{}"[:length]
    (tmp_path / "a").write_bytes(prefix + bytes.fromhex(checksum(prefix + header)) + header)
    with pytest.raises(IndexFileError):
        read_archive(tmp_path / "a")


def test_durable_before_it_has_its_name(tmp_path: Path) -> None:
    """All is written, then synced, then named, then the name is synced: as a power failure asks for."""
    steps = Steps()
    with steps.watched():
        write_archive(tmp_path / "a", CONTENT, ARRAYS)
    order = [what for what in steps.taken if not what.startswith("write")]
    assert order == ["open", "open", "fsync", "replace", "open", "fsync"]  # the first is the opener of the second
    assert steps.taken.index("fsync") > max(i for i, what in enumerate(steps.taken) if what.startswith("write"))


def test_a_disk_that_is_full_at_any_step(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_archive(path, {"old": True}, {})
    for at in range(1, 1000):
        steps = Steps(at, full)
        try:
            with steps.watched():
                write_archive(path, CONTENT, ARRAYS)
        except IndexFileError as error:
            assert str(error) == f"{path} cannot be written: No space left on device"  # noqa: PT017
        else:
            break
        assert [entry.name for entry in tmp_path.iterdir()] == ["a"], steps.taken
        named = "replace" in steps.taken[: at - 1]
        assert read_archive(path)[0] == (CONTENT if named else {"old": True})
    assert at == len(steps.taken) + 1 > 10
    assert read_archive(path)[0] == CONTENT


def test_no_right_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even to clear away."""

    def refused(*arguments: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "open", refused, raising=False)
    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(IndexFileError, match="Permission denied"):
        write_archive(tmp_path / "a", {}, {})


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IndexFileError, match="cannot be written: Not a directory"):
        write_archive(tmp_path / "file" / "a", {}, {})
