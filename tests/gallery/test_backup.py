"""A backup is a gallery: whole, of one change, made while others write, and never of what is damaged."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.tiny_model import noise
from typer.testing import CliRunner

from semelha.cli.app import make_app
from semelha.embedders import Model
from semelha.errors import GalleryError, ModelError
from semelha.gallery import Gallery, backup, restore
from semelha.store.database import connect


def test_a_backup_answers_as_the_gallery_did(path: Path, tmp_path: Path) -> None:
    with Gallery(path) as gallery:
        gallery.calibrate(fpir=0.3)
        expected = gallery.identify_many([noise(number) for number in range(20, 40)])
        done = backup(path, tmp_path / "copies" / "monday")
        gallery.remove("s3")
    assert (done.subjects, done.examples) == (12, 25)
    again = restore(done.path, tmp_path / "again")
    for folder in (done.path, again.path):
        with Gallery(folder) as copy:
            assert copy.identify_many([noise(number) for number in range(20, 40)]) == expected
            assert copy.picture(1) is not None
            copy.enroll("new", noise(90))


def test_a_backup_is_of_one_change_while_others_write(path: Path, tiny: Model, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        with Gallery(path) as gallery:
            number = 0
            while not stop.is_set():
                vectors = np.eye(2, tiny.dim, dtype=np.float32) + number
                gallery.enroll_vectors(f"n{number}", vectors, ["a", "b"], fingerprint=tiny.fingerprint)
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            done = backup(path, tmp_path / f"b{number}")
            assert done.examples == 25 + 2 * (done.subjects - 12), "no subject is there in part"
    finally:
        stop.set()
        writer.join()


def test_what_cannot_be_backed_up(path: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(GalleryError, match="taken exists already"):
        backup(path, tmp_path / "taken")
    with pytest.raises(GalleryError, match="is no gallery"):
        backup(tmp_path / "taken", tmp_path / "x")
    shutil.copytree(path, tmp_path / "other")
    weights = tmp_path / "other" / "model" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="not the file that was written with this model"):
        backup(tmp_path / "other", tmp_path / "x")
    database = connect(path / "gallery.sqlite")
    database.execute("DROP TRIGGER pictures_updated")
    database.execute("UPDATE pictures SET data = x'00' WHERE example_id = 3")
    database.close()
    with pytest.raises(GalleryError, match="damaged: it is not copied"):
        backup(path, tmp_path / "x")
    assert not [each for each in tmp_path.iterdir() if each.name.lstrip(".").startswith("x")]


def test_from_the_command_line(path: Path, tmp_path: Path) -> None:
    program = make_app(["backup", "restore"])
    done = CliRunner().invoke(program, ["backup", str(path), str(tmp_path / "b")])
    assert (done.exit_code, "25 examples of 12 subjects backed up" in done.output) == (0, True)
    done = CliRunner().invoke(program, ["restore", str(tmp_path / "b"), str(tmp_path / "r"), "--json"])
    assert (done.exit_code, '"examples": 25' in done.output) == (0, True)
