"""A calibration that somebody edited in the database: unusable in one sentence, or worked out again."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tests.gallery.made import enroll, vectors
from tests.tiny_model import tiny_model

from semelha.embedders import Model
from semelha.errors import GalleryError
from semelha.gallery import Gallery
from semelha.recognition import Calibration, Scoring
from semelha.store.database import connect

COHORT = Scoring("mean", "cohort")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return tiny_model(tmp_path_factory.mktemp("m") / "model")


def calibrated(model: Model, path: Path, scoring: Scoring) -> Calibration:
    with Gallery.create(path, model) as gallery:
        for number in range(24):
            enroll(gallery, f"s{number}", 2 * number, 2)
        return gallery.calibrate(fpir=0.2, scoring=scoring)


def edit(path: Path, *statement: object) -> None:
    database = connect(path / "gallery.sqlite")
    database.execute(*statement)
    database.close()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "friends"),
        ("fpir", "x"),
        ("fpir", 7),
        ("fpir", None),
        ("fpir", float("nan")),
        ("uncertain", 0.1),
        ("uncertain", "x"),
        ("seed", -3),
        ("seed", 1.5),
        ("change", None),
        ("scoring", "fast"),
        ("scoring", 3),
        ("choosers", 9),
        ("more", 1),
    ],
)
def test_a_wish_that_cannot_be(model: Model, tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "gallery"
    calibrated(model, path, Scoring())
    with closing(sqlite3.connect(path / "gallery.sqlite")) as database:
        found = json.loads(database.execute("SELECT value FROM meta WHERE key = 'calibration'").fetchone()[0])
    edit(path, "UPDATE meta SET value = ? WHERE key = 'calibration'", (json.dumps({**found, key: value}),))
    with Gallery.open(path) as gallery, pytest.raises(GalleryError, match="damaged"):
        gallery.identify_vectors(vectors(1, 1, 8))


@pytest.mark.parametrize("wish", ["{", "[1]", "3"])
def test_a_wish_that_is_none(model: Model, tmp_path: Path, wish: str) -> None:
    calibrated(model, tmp_path / "gallery", Scoring())
    edit(tmp_path / "gallery", "UPDATE meta SET value = ? WHERE key = 'calibration'", (wish,))
    with Gallery.open(tmp_path / "gallery") as gallery, pytest.raises(GalleryError, match="damaged"):
        gallery.identify_vectors(vectors(1, 1, 8))


@pytest.mark.parametrize("column", ["subjects", "examples", "nearest", "distances", "own", "further"])
@pytest.mark.parametrize("blob", [b"123", b"12345678", np.full(24, np.nan).tobytes()[:-8], None])
def test_scores_that_do_not_fit_are_worked_out_again(
    model: Model, tmp_path: Path, column: str, blob: bytes | None
) -> None:
    path = tmp_path / "gallery"
    before = calibrated(model, path, COHORT)
    if blob is None and column not in ("own", "further"):
        pytest.skip("the database itself demands it")
    edit(path, f"UPDATE scores SET {column} = ?", (blob,))
    with Gallery.open(path) as gallery:
        assert gallery.calibration is not None
        assert gallery.calibration.non_mated.tolist() == before.non_mated.tolist()
        assert gallery.calibration.mated is not None


def test_a_wish_that_goes_while_the_gallery_is_open(model: Model, tmp_path: Path) -> None:
    calibrated(model, tmp_path / "gallery", Scoring())
    with Gallery.open(tmp_path / "gallery") as gallery:
        enroll(gallery, "late", 90, 2)
        before = gallery.identify_vectors(vectors(1, 1, 8))
        assert before[0].p_value is not None
        edit(tmp_path / "gallery", "DELETE FROM meta WHERE key = 'calibration'")
        assert gallery.identify_vectors(vectors(1, 1, 8)) == before, "no change is recorded"
        enroll(gallery, "later", 92, 2)
        assert gallery.identify_vectors(vectors(1, 1, 8))[0].p_value is None
    with Gallery.open(tmp_path / "gallery") as gallery:
        assert gallery.calibration is None
