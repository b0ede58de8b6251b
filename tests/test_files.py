"""Files and folders are written whole and durably or not at all; locks keep processes apart."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from semelha.errors import GalleryError, SemelhaError
from semelha.files import atomic_folder, atomic_write, file_lock, make_folder, remove_partial_files, rename, write_file


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what is synced or renamed, in order."""
    calls: list[str] = []
    fsync, whole_rename, replace = os.fsync, os.rename, os.replace

    def counted(descriptor: int) -> None:
        calls.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        fsync(descriptor)

    def renamed(call: Any) -> Any:
        def counted(source: Path, target: Path) -> None:
            calls.append(f"-> {Path(target).name}")
            call(source, target)

        return counted

    monkeypatch.setattr(os, "fsync", counted)
    monkeypatch.setattr(os, "rename", renamed(whole_rename))
    monkeypatch.setattr(os, "replace", renamed(replace))
    return calls


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_is_synced_before_it_has_its_name_and_its_folder_after(tmp_path: Path, synced: list[str]) -> None:
    write_file(tmp_path / "a.txt", ["é", b"\x00", memoryview(b"1")])
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\x001"
    assert synced[0].startswith(".a.txt.")
    assert synced[1:] == ["-> a.txt", tmp_path.name]


def test_missing_folders_are_created_and_synced(tmp_path: Path, synced: list[str]) -> None:
    write_file(tmp_path / "b" / "c" / "a.txt", [b"1"])
    assert synced[:2] == [tmp_path.name, "b"]
    assert synced[-1] == "c"
    synced.clear()
    make_folder(tmp_path / "b")
    assert synced == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(tmp_path / "a", [b"old"])
    monkeypatch.setattr(os, step, full)
    with pytest.raises(GalleryError, match=rf"^{tmp_path / 'a'} cannot be written: No space left on device$"):
        write_file(tmp_path / "a", [b"new"], error=GalleryError)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_a_block_that_raises_leaves_the_old_file_and_its_error(tmp_path: Path) -> None:
    write_file(tmp_path / "a", [b"old"])

    def interrupted() -> None:
        with atomic_write(tmp_path / "a") as file:
            file.write(b"half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_two_writers_do_not_mix(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a") as first:
        first.write(b"first")
        write_file(tmp_path / "a", [b"second"])
        assert (tmp_path / "a").read_bytes() == b"second"
    assert (tmp_path / "a").read_bytes() == b"first"


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    code = f"""
import os, pathlib
from semelha.files import atomic_write
with atomic_write(pathlib.Path({str(tmp_path)!r}, "a")) as file:
    file.write(b"1")
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    write_file(tmp_path / ".hidden", [b"1"])
    assert len(list(tmp_path.iterdir())) == 2
    remove_partial_files(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".hidden"]


def test_a_folder_is_synced_with_all_that_is_in_it_before_it_has_its_name(tmp_path: Path, synced: list[str]) -> None:
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "a").write_bytes(b"1")
        (folder / "b").write_bytes(b"2")
        assert not (tmp_path / "out").exists()
    assert synced[:3] == ["a", "inner", "b"]
    assert synced[3].startswith(".out-")
    assert synced[4:] == ["-> out", tmp_path.name]
    assert (tmp_path / "out" / "inner" / "a").read_bytes() == b"1"
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_folder_that_fails_leaves_nothing(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, step, full)
    with (
        pytest.raises(SemelhaError, match="out cannot be written: No space left"),
        atomic_folder(tmp_path / "out") as folder,
    ):
        (folder / "a").touch()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    with pytest.raises(GalleryError, match="exists already"), atomic_folder(tmp_path / "out", error=GalleryError):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_rename_is_synced_on_both_sides(tmp_path: Path, synced: list[str]) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a").touch()
    rename(tmp_path / "a", tmp_path / "b" / "c")
    assert synced == ["-> c", "b", tmp_path.name]


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with file_lock(tmp_path / "lock", wait=True) as is_held:
        assert is_held
        with file_lock(tmp_path / "lock", wait=False) as is_held_again:
            assert not is_held_again
    with file_lock(tmp_path / "lock", wait=False) as is_held:
        assert is_held


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with (
        pytest.raises(GalleryError, match="cannot be locked"),
        file_lock(tmp_path / "lock", wait=True, error=GalleryError),
    ):
        pass
