"""Folders for archives: those of processes that were killed are removed, and no others."""

import time
from collections.abc import Callable
from pathlib import Path

from fastapi.testclient import TestClient
from filelock import FileLock

from semelha.service.temporary import TemporaryFolder, remove_abandoned


def abandoned(parent: Path, name: str) -> Path:
    """A folder as a process leaves it that is killed during an import."""
    folder = parent / name
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "1.png").write_bytes(b"a picture")
    (folder / "lock").touch()
    return folder


def test_a_folder_is_removed_by_its_process_or_after_it_was_killed(tmp_path: Path) -> None:
    lost, used = abandoned(tmp_path, "semelha-import-1"), TemporaryFolder(tmp_path)
    (used.path / "archive.zip").touch()
    remove_abandoned(tmp_path)
    assert not lost.exists()
    assert (used.path / "archive.zip").exists()
    used.remove()
    assert not any(tmp_path.iterdir())
    remove_abandoned(tmp_path / "none")


def test_what_is_of_another_use_stays(tmp_path: Path) -> None:
    others = abandoned(tmp_path, "photographs"), abandoned(tmp_path / "elsewhere", "real")
    (tmp_path / "semelha-import-link").symlink_to(others[1])
    (tmp_path / "semelha-import-file").touch()
    (tmp_path / "semelha-import-new").mkdir()
    with FileLock(abandoned(tmp_path, "semelha-import-2") / "lock"):
        remove_abandoned(tmp_path)
        assert len(list(tmp_path.iterdir())) == 6
    assert all((one / "files" / "1.png").exists() for one in others)


def test_a_start_removes_them(tmp_path: Path, new: Path, serving: Callable[..., TestClient]) -> None:
    lost = abandoned(tmp_path / "temporary", "semelha-import-1")
    serving(new, temporary=tmp_path / "temporary")
    end = time.monotonic() + 10
    while lost.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not lost.exists()
