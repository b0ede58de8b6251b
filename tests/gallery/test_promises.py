"""Galleries where the surroundings change: the working folder, a place that cannot be written, vectors of any kind."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.errors import GalleryError, PictureError, UsageError
from semelha.gallery import Gallery
from semelha.images import Dataset, Picture


def test_a_change_of_the_working_folder_changes_nothing(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("a", "b"):
        with Gallery.create(tmp_path / place / "shop", tiny) as made:
            made.enroll(f"of {place}", noise(1))
    monkeypatch.chdir(tmp_path / "a")
    with Gallery("shop") as gallery:
        monkeypatch.chdir(tmp_path / "b")
        assert gallery.identify(noise(1)).candidates[0].subject == "of a"
        gallery.enroll("new", noise(2))
        gallery.flush(rebuild=True)
    assert "new" in Gallery(tmp_path / "a" / "shop")
    assert "new" not in Gallery(tmp_path / "b" / "shop")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_a_picture_whose_vector_cannot_be_compared_is_not_enrolled(
    path: Path, bad: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gallery(path) as gallery:
        kind, true = type(gallery.model.extractor), type(gallery.model.extractor).vectors

        def some_bad(self: object, prepared: np.ndarray) -> np.ndarray:
            vectors = true(self, prepared)
            vectors[prepared.reshape(len(prepared), -1).mean(axis=1) == 0] = bad
            return vectors

        monkeypatch.setattr(kind, "vectors", some_bad)
        black = np.zeros((16, 16, 3), np.uint8)
        with pytest.raises(PictureError, match="cannot be compared"):
            gallery.enroll("s1", [noise(40), black])
        pictures = (Picture(noise(41), "x", "good"), Picture(black, "x", "black"))
        (done,) = gallery.enroll_dataset(Dataset("d", pictures))
        assert done.added == 1
        assert "black cannot be compared" in done.warnings[-1]
        vectors = np.full((1, gallery.model.dim), bad, np.float32)
        with pytest.raises(UsageError):
            gallery.enroll_vectors("s1", vectors, ["a"], fingerprint=gallery.model.fingerprint)
        assert gallery.identify(noise(2)).candidates[0].subject == "s1"


READ = """
import os, sys, warnings
import semelha.gallery, semelha.embedders
from semelha.errors import GalleryError
from semelha.gallery import Gallery
import tests.tiny_model, numpy
path, probe = sys.argv[1], tests.tiny_model.noise(2)
with Gallery(sys.argv[2]) as other:  # imports everything
    other.identify(probe)
if os.getuid() == 0:
    os.setuid(65534)
with Gallery(path) as gallery:
    print(gallery.identify(probe).candidates[0].subject, len(gallery))
    for change in (lambda: gallery.enroll("x", probe), lambda: gallery.remove("s1")):
        try:
            change()
        except GalleryError as error:
            print(error)
"""


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """A folder that other users may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for place, _, _ in os.walk(folder):
        Path(place).chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("log", [False, True])
def test_a_gallery_that_cannot_be_written_can_be_read(path: Path, readable_folder: Path, log: bool) -> None:
    gallery = readable_folder / "shop"
    if log:  # it was not closed: its last changes are in the log alone
        with Gallery(path) as opened:
            opened.enroll("last", noise(60))
            shutil.copytree(path, gallery)
        (gallery / "gallery.sqlite-shm").unlink()
    else:
        shutil.copytree(path, gallery)
    for place, _, files in os.walk(gallery):
        for file in files:
            Path(place, file).chmod(0o444)
        Path(place).chmod(0o555)
    places = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "SEMELHA_CACHE": str(readable_folder / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-c", READ, str(gallery), str(path)],
        capture_output=True, text=True, env=os.environ | places, check=False,
    )  # fmt: skip
    if log:
        assert done.returncode
        assert "GalleryError" in done.stderr
        assert "was not closed, and its last changes can be read only where it can be written" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "s1 12"
    assert len(lines) == 3
    assert all("can only be read here" in line for line in lines[1:])


def test_a_full_disk_is_named(path: Path) -> None:
    with Gallery(path) as gallery:
        (pages,) = gallery._store._db.execute("PRAGMA page_count").fetchone()
        gallery._store._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(GalleryError, match="the disk is full"):
            gallery.enroll("large", [noise(number, 200) for number in range(40)])
        assert gallery.identify(noise(2)).candidates[0].subject == "s1"
        assert gallery.remove("s2") == 2, "removing takes no room"
