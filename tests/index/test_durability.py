"""Killed, full, cut off or flipped: a folder answers as it was saved, before or after, or is refused."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from tests.index.folders import FINGERPRINT, answers, change, loaded, refused, rewritten, segments
from tests.index.steps import Steps, full

from semelha.errors import IndexFileError
from semelha.index.folder import MANIFEST

random = np.random.default_rng(0)


def apart(what: str, folder: Path) -> list[str]:
    """What a process of its own prints, which did without complaint what `tests.index.folders` has to offer."""
    command = [sys.executable, "-m", "tests.index.folders", what, str(folder)]
    ran = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


def test_killed_at_every_step_of_a_save(tmp_path: Path) -> None:
    """Old or new, never else; and the next save leaves nothing behind of the one that was killed."""
    lines = apart("killed", tmp_path)
    news = [line == "new 0" for line in lines]
    assert set(lines) == {"old 0", "new 0"}
    assert news == sorted(news)
    assert news[-1]
    assert len(lines) > 40


def test_a_disk_that_is_full_at_any_step_of_a_save(kind: str, saved: Path, tmp_path: Path) -> None:
    """One clear error, the old or the new index on the disk, nothing left of the rest, and the index goes on."""
    before = answers(loaded(saved, kind))
    for at in range(1, 1000):
        folder = copytree(saved, tmp_path / str(at))
        index = loaded(folder, kind)
        change(index)
        after, steps = answers(index), Steps(at, full)
        try:
            with steps.watched():
                index.save(folder, fingerprint=FINGERPRINT)
        except IndexFileError as error:
            assert "No space left on device" in str(error)  # noqa: PT017
            named = steps.taken[: at - 1].count("replace") == 3  # two segments, and the manifest
            assert answers(loaded(folder, kind)) == (after if named else before)
            assert len(segments(folder)) == (3 if named else 2)
        else:
            assert answers(loaded(folder, kind)) == after
        assert answers(index) == after
        index.save(folder, fingerprint=FINGERPRINT)
        assert answers(loaded(folder, kind)) == after
        assert not list(folder.glob(".*"))
        if at > len(steps.taken):
            break
    assert at > 30


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """As far as a limit on the size of files is one."""
    lines = apart("too large", tmp_path / "index")
    assert len(lines) == 4
    assert all(line.endswith("cannot be written: File too large") for line in lines)


def test_a_file_that_was_cut_off(kind: str, saved: Path, tmp_path: Path) -> None:
    for number, path in enumerate((saved / MANIFEST, *segments(saved))):
        whole = path.read_bytes()
        folder = copytree(saved, tmp_path / str(number))
        for length in sorted({0, 1, len(whole) - 1, *random.integers(0, len(whole), 60).tolist()}):
            rewritten(folder / path.name, whole[:length])
            assert refused(folder, kind), (path.name, length)
        rewritten(folder / path.name, whole + b"\0")
        assert refused(folder, kind)


def flipped(path: Path, positions: list[int]) -> Iterator[int]:
    """The file with one byte changed, one after the other, and in the end as it was."""
    whole = path.read_bytes()
    for position in positions:
        changed = bytearray(whole)
        changed[position] ^= int(random.integers(1, 256))
        rewritten(path, bytes(changed))
        yield position
    rewritten(path, whole)


def loads_as(folder: Path, kind: str, before: object) -> bool:
    """It loads, and answers as before; False where it is refused."""
    try:
        index = loaded(folder, kind)
    except IndexFileError:
        return False
    assert answers(index) == before
    return True


def test_every_byte_of_the_manifest(kind: str, saved: Path) -> None:
    before, size = answers(loaded(saved, kind)), (saved / MANIFEST).stat().st_size
    padding = sum(loads_as(saved, kind, before) for _ in flipped(saved / MANIFEST, list(range(size))))
    assert padding < 64 * 5  # between the header and four arrays
    assert answers(loaded(saved, kind)) == before


@pytest.mark.parametrize("count", [120, pytest.param(500, marks=pytest.mark.slow)])
def test_many_bytes_of_segments(count: int, kind: str, saved: Path) -> None:
    before = answers(loaded(saved, kind))
    for path in segments(saved):
        size = path.stat().st_size
        positions = random.integers(0, size, count).tolist()
        padding = sum(loads_as(saved, kind, before) for _ in flipped(path, positions))
        assert padding < count * 64 * 7 / size + 30
    assert answers(loaded(saved, kind)) == before
