"""Enrolling many classes: what is reported is durable, small classes share a transaction, the same picture is known."""

import io
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.gallery.made import photo
from tests.tiny_model import noise, tiny_model

from semelha.embedders import Model
from semelha.errors import DatasetError, GalleryError
from semelha.gallery import Gallery
from semelha.gallery.enrollment import TRANSACTION_SIZE
from semelha.images import Dataset, Picture, content_hash, decode
from semelha.store.database import connect
from semelha.store.integrity import CHECKED


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Gallery:
    return Gallery.create(tmp_path / "gallery", tiny)


def small(number: int) -> np.ndarray:
    """Pixels that no other number gives."""
    return np.full((4, 4, 3), [number >> 8, number & 255, 7], np.uint8)


def dataset(*sizes: int) -> Dataset:
    """Classes of so many pictures each."""
    labels = [f"class {label:05}" for label, size in enumerate(sizes) for _ in range(size)]
    return Dataset("d", tuple(Picture(source=small(n), label=label, name=f"{n}") for n, label in enumerate(labels)))


def jpeg(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo(seed, 64)).save(file, "JPEG", quality=80)
    return file.getvalue()


@pytest.mark.folder_only
def test_small_classes_share_a_transaction_and_what_is_reported_is_durable(gallery: Gallery) -> None:
    reported = []

    def progress(done: int, total: int) -> None:
        with closing(sqlite3.connect(gallery.path / "gallery.sqlite")) as other:
            reported.append((done, total, other.execute("SELECT count(*) FROM examples").fetchone()[0]))

    sizes = [1] * (TRANSACTION_SIZE + 20) + [TRANSACTION_SIZE + 5, 3]
    done = gallery.enroll_dataset(dataset(*sizes), progress=progress)
    total = sum(sizes)
    assert [one.added for one in done] == sizes
    assert [one.subject for one in done] == [f"class {n:05}" for n in range(len(sizes))]
    assert reported == [
        (TRANSACTION_SIZE, total, TRANSACTION_SIZE),
        (total - 3, total, total - 3),
        (total, total, total),
    ]
    with gallery._store.reading() as view:
        assert view.change == 1 + len(reported)
    assert len(gallery) == len(sizes)


def test_classes_that_are_mixed_are_enrolled_whole_and_each_picture_under_its_label(gallery: Gallery) -> None:
    pictures = tuple(Picture(source=noise(n), label="ab"[n % 2], name=f"{n}") for n in range(10))
    bad = Picture(source=Path("missing.png"), label="a", name="missing.png")
    done = gallery.enroll_dataset(Dataset("d", (*pictures, bad, Picture(bad.source, "c", "missing.png"))))
    assert [(one.subject, one.added, len(one.warnings)) for one in done] == [("a", 5, 1), ("b", 5, 0), ("c", 0, 1)]
    for number in range(10):
        assert gallery.identify(noise(number)).candidates[0].subject == "ab"[number % 2]
    assert "c" not in gallery


def test_a_name_that_cannot_be_used_is_found_before_anything_is_enrolled(gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="cannot be printed"):
        gallery.enroll_dataset(Dataset("d", tuple(Picture(small(n), "a\0"[:n], f"{n}") for n in (1, 2))))
    assert len(gallery) == 0


def test_a_path_is_read_as_a_dataset(gallery: Gallery, tmp_path: Path) -> None:
    for name, number in (("a", 0), ("b", 1)):
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.fromarray(noise(number)).save(tmp_path / "set" / name / "x.png")
    manifest = tmp_path / "list.csv"
    manifest.write_text("path,label\nset/a/x.png,from a manifest\n")
    assert [one.subject for one in gallery.enroll_dataset(tmp_path / "set")] == ["a", "b"]
    (one,) = gallery.enroll_dataset(str(manifest))
    assert (one.subject, one.added, len(one.warnings)) == ("from a manifest", 1, 1)
    with pytest.raises(DatasetError):
        gallery.enroll_dataset(tmp_path / "nothing")


def test_a_new_gallery_hashes_jpegs_by_their_data(gallery: Gallery) -> None:
    assert gallery._store.hash_basis == "encoded"
    gallery.enroll("a", [jpeg(0)])
    assert gallery.enroll("a", [jpeg(0)]).duplicates == ("picture 0",)
    gallery.reject(jpeg(1), "a")
    assert gallery.identify(jpeg(1)).excluded == ("a",)
    gallery.calibrate(fpir=0.9, strangers=[jpeg(0), jpeg(2)])
    with gallery._store.reading() as view:
        assert len(view.strangers().vectors) == 1, "an enrolled picture is no stranger"


def test_a_gallery_of_a_model_that_knows_its_pictures_by_pixels_does_too(tmp_path: Path) -> None:
    seen = content_hash(decode(jpeg(5)))
    model = tiny_model(tmp_path / "model", content_hashes=(seen,), content_bases=("pixels",))
    with Gallery.create(tmp_path / "gallery", model) as gallery:
        assert gallery._store.hash_basis == "pixels"
        gallery.enroll("seen in training", [jpeg(5)])
        for number in range(9):
            gallery.enroll(f"{number}", [jpeg(number + 10)])
        assert gallery.calibrate(fpir=0.3).n == 9


@pytest.mark.folder_only
def test_a_gallery_from_before_hashes_had_a_basis_still_knows_its_pictures(gallery: Gallery) -> None:
    """Its hashes are of pixels, and stay so."""
    gallery.enroll("a", [jpeg(0), noise(0)])
    gallery.reject(jpeg(1), "a")
    gallery.close()
    with closing(connect(gallery.path / "gallery.sqlite")) as database:
        for table in CHECKED:
            for event in ("inserted", "updated", "deleted"):
                database.execute(f"DROP TRIGGER {table}_{event}")
        for table in ("checksums", "changes", "damaged", "audit", "reviews"):
            database.execute(f"DROP TABLE {table}")
        for table, seed in (("examples", 0), ("rejections", 1)):
            database.execute(
                f"UPDATE {table} SET content_hash = ? WHERE content_hash LIKE 'jpeg:%'",
                (content_hash(decode(jpeg(seed))),),
            )
        database.execute("DELETE FROM meta WHERE key = 'hash_basis'")
        database.execute("DROP INDEX screened_subjects")
        database.execute("DROP INDEX merges_by_source")
        database.execute("ALTER TABLE subjects DROP COLUMN screened")
        database.execute("ALTER TABLE merges DROP COLUMN source_screened")
        database.execute("PRAGMA user_version = 6")
    with Gallery(gallery.path) as old:
        assert old._store.hash_basis == "pixels"
        assert old.enroll("a", [jpeg(0), noise(0)]).added == 0
        assert old.identify(jpeg(1)).excluded == ("a",)
        assert old.enroll("b", [jpeg(0)]).warnings == ("picture 0 is an example of a too",)
