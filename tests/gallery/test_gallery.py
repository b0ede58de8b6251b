"""The gallery: what it keeps, refuses and answers."""

import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.tiny_model import noise, tiny_model

from semelha.embedders import Model
from semelha.errors import (
    CalibrationError,
    FingerprintMismatch,
    GalleryError,
    GalleryTooNew,
    PictureError,
    SubjectExists,
    SubjectNotFound,
    UsageError,
)
from semelha.gallery import Gallery
from semelha.images import Dataset, Picture, Skipped, content_hash


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Gallery:
    return Gallery.create(tmp_path / "gallery", tiny)


def filled(gallery: Gallery, subjects: int) -> Gallery:
    pictures = tuple(Picture(noise(i), f"subject {i}", str(i)) for i in range(subjects))
    gallery.enroll_dataset(Dataset("noise", pictures))
    return gallery


def near(seed: int) -> np.ndarray:
    """Nearly what `noise(seed)` is."""
    return (noise(seed).astype(int) + noise(seed + 10_000) // 32).clip(0, 255).astype(np.uint8)


def test_what_was_enrolled_is_found_again_also_after_reopening(gallery: Gallery) -> None:
    gallery.enroll("a", [noise(1), noise(2)])
    gallery.enroll("b", noise(3))
    gallery.close()
    with Gallery.open(gallery.path) as again:
        assert [(s.name, s.examples) for s in again.subjects()] == [("a", 2), ("b", 1)]
        found = again.identify(near(2))
        assert found.decision == "uncalibrated"
        assert found.subject == "a"
        assert [candidate.subject for candidate in found.candidates] == ["a", "b"]
        assert found.candidates[0].examples[0].distance < found.candidates[1].distance


def test_the_same_picture_is_one_example_of_a_subject_and_warns_under_another(gallery: Gallery) -> None:
    first = gallery.enroll("a", [noise(1), noise(1)])
    assert (first.added, len(first.duplicates)) == (1, 1)
    assert gallery.enroll("a", noise(1)).added == 0
    other = gallery.enroll("b", noise(1))
    assert other.added == 1
    assert "a" in other.warnings[0]


def test_a_small_copy_is_kept_unless_told_not_to(gallery: Gallery, tiny: Model, tmp_path: Path) -> None:
    gallery.enroll("a", noise(1))
    example = gallery.identify(noise(1)).candidates[0].examples[0].example
    assert (gallery.picture(example) or b"")[:4] == b"RIFF"
    with Gallery.create(tmp_path / "bare", tiny, keep_pictures=False) as bare:
        bare.enroll("a", noise(1))
        assert bare.picture(bare.identify(noise(1)).candidates[0].examples[0].example) is None


def test_a_bad_picture_among_good_ones_enrolls_nothing(gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    with pytest.raises(PictureError, match=r"bad\.png"):
        gallery.enroll("a", [noise(1), tmp_path / "bad.png"])
    assert gallery.subjects() == []


def test_a_data_set_is_enrolled_without_its_bad_pictures(gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    pictures = (Picture(noise(1), "a", "1"), Picture(tmp_path / "bad.png", "a", "bad"), Picture(noise(2), "b", "2"))
    done = gallery.enroll_dataset(Dataset("d", pictures))
    assert [(one.subject, one.added) for one in done] == [("a", 1), ("b", 1)]
    assert "bad.png" in done[0].warnings[0]


def test_rename_and_remove(gallery: Gallery) -> None:
    filled(gallery, 3)
    gallery.rename("subject 0", "Übermut 猫")
    assert gallery.identify(noise(0)).subject == "Übermut 猫"
    with pytest.raises(SubjectExists):
        gallery.rename("subject 1", "subject 2")
    assert gallery.remove("subject 1") == 1
    assert gallery.identify(noise(1)).subject != "subject 1"
    for call in (gallery.remove, lambda name: gallery.rename(name, "x")):
        with pytest.raises(SubjectNotFound):
            call("nobody")


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "x" * 201, "\x00"])
def test_names_that_cannot_be_used(gallery: Gallery, name: str) -> None:
    with pytest.raises(GalleryError):
        gallery.enroll(name, noise(1))


def test_names_that_differ_by_case_are_two_subjects_with_a_warning(gallery: Gallery) -> None:
    gallery.enroll("Apple", noise(1))
    assert "Apple" in gallery.enroll("apple", noise(2)).warnings[0]
    assert len(gallery.subjects()) == 2


def test_vectors_of_another_model_are_refused(gallery: Gallery, tmp_path: Path) -> None:
    other = tiny_model(tmp_path / "other", seed=5)
    vectors = other.embed([noise(1)])
    with pytest.raises(FingerprintMismatch):
        gallery.enroll_vectors("a", vectors, ["1"], fingerprint=other.fingerprint)
    gallery.enroll_vectors("a", gallery.model.embed([noise(1)]), ["1"], fingerprint=gallery.model.fingerprint)
    assert gallery.identify(noise(1)).subject == "a"


def test_vectors_that_are_none_are_refused(gallery: Gallery) -> None:
    for vectors in (np.empty((0, 8)), np.full((1, 8), np.nan), np.ones((1, 7))):
        with pytest.raises(UsageError, match=r"^vectors must be \(1, 8\) finite numbers|no vectors of a to enroll"):
            gallery.enroll_vectors("a", vectors, ["1"] * len(vectors), fingerprint=gallery.model.fingerprint)
    assert gallery.subjects() == []


@pytest.mark.folder_only
def test_a_swapped_model_is_refused(gallery: Gallery, tmp_path: Path) -> None:
    tiny_model(tmp_path / "other", seed=5)
    gallery.close()
    shutil.rmtree(gallery.path / "model")
    shutil.copytree(tmp_path / "other", gallery.path / "model")
    with pytest.raises(FingerprintMismatch):
        Gallery.open(gallery.path)


@pytest.mark.folder_only
def test_folders_that_are_no_gallery(gallery: Gallery, tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="no gallery"):
        Gallery.open(tmp_path)
    with pytest.raises(GalleryError, match="exists already"):
        Gallery.create(gallery.path, tiny)
    settings = gallery.path / "gallery.json"
    text = settings.read_text()
    settings.write_text(text.replace('"format": 1', '"format": 99'))
    with pytest.raises(GalleryTooNew):
        Gallery.open(gallery.path)
    settings.write_text("{")
    with pytest.raises(GalleryError, match="damaged"):
        Gallery.open(gallery.path)


def test_an_empty_gallery_knows_nothing(gallery: Gallery) -> None:
    assert gallery.identify(noise(1)).decision == "unknown"
    with pytest.raises(CalibrationError):
        gallery.calibrate(fpir=0.5)
    with pytest.raises(UsageError):
        gallery.enroll("a", [])


def test_calibrated_it_says_unknown(gallery: Gallery) -> None:
    filled(gallery, 60)
    with pytest.raises(CalibrationError, match="199 subjects and there are 60: enroll 139 more"):
        gallery.calibrate(fpir=0.01)
    gallery.calibrate(fpir=0.05)
    assert gallery.identify(near(7)).subject == "subject 7"
    strangers = [gallery.identify(noise(1000 + i)).decision for i in range(200)]
    assert strangers.count("known") / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200) + 2 / 61


def test_the_wish_outlives_changes_and_reopening(gallery: Gallery) -> None:
    filled(gallery, 45)
    gallery.calibrate(fpir=0.05)
    gallery.enroll("late", noise(900))
    assert gallery.calibration is not None
    assert gallery.calibration.n == 46
    gallery.close()
    with Gallery.open(gallery.path) as again:
        assert again.identify(near(900)).subject == "late"
        for i in range(10):
            again.remove(f"subject {i}")
        assert again.calibration is None
        assert again.identify(noise(20)).decision == "uncalibrated"


def test_with_strangers_one_of_each_counts_and_none_that_is_enrolled(gallery: Gallery) -> None:
    filled(gallery, 10)
    strangers = [Picture(noise(500 + i), f"stranger {i // 2}", str(i)) for i in range(80)]
    strangers += [Picture(noise(1), "somebody", "s"), Picture(noise(3000), "subject 3", "t")]
    found = gallery.calibrate(fpir=0.05, strangers=Dataset("strangers", tuple(strangers)))
    assert (found.kind, found.n) == ("strangers", 40)
    assert gallery.identify(near(4)).decision == "known"


def test_what_the_model_was_trained_on_does_not_stand_in_for_strangers(tmp_path: Path) -> None:
    model = tiny_model(
        tmp_path / "model", classes=("subject 0",), content_hashes=(content_hash(noise(1)), content_hash(noise(700)))
    )
    with filled(Gallery.create(tmp_path / "gallery", model), 30) as gallery:
        assert gallery.calibrate(fpir=0.1).n == 28
        strangers = tuple(Picture(noise(600 + i), f"s{i}", str(i)) for i in range(50))
        seen = (Picture(noise(700), "seen", "x"), Picture(noise(701), "subject 0", "y"))
        assert gallery.calibrate(fpir=0.1, strangers=Dataset("s", strangers + seen)).n == 50


def test_verify(gallery: Gallery) -> None:
    filled(gallery, 40)
    assert gallery.verify(near(3), noise(3)).same is None
    gallery.calibrate(fpir=0.1)
    assert gallery.verify(near(3), noise(3)).same is True
    assert gallery.verify_subject(near(3), "subject 3").same is True
    assert gallery.verify_subject(noise(4), "subject 3").same is False
    with pytest.raises(SubjectNotFound):
        gallery.verify_subject(noise(4), "nobody")


def test_a_subject_with_very_many_examples_leaves_room_for_others(gallery: Gallery) -> None:
    vectors = gallery.model.embed([near(1)])
    many = np.repeat(vectors, 100, axis=0) + np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32) / 1e3
    gallery.enroll_vectors("many", many, [str(i) for i in range(100)], fingerprint=gallery.model.fingerprint)
    gallery.enroll("other", noise(2))
    assert [c.subject for c in gallery.identify(noise(1), k=2).candidates] == ["many", "other"]


def test_many_threads_enroll_and_identify(gallery: Gallery) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: gallery.enroll(f"s{i}", noise(i)), range(40)))
        found = list(pool.map(lambda i: gallery.identify(noise(i)).subject, range(40)))
    assert found == [f"s{i}" for i in range(40)]


def test_another_process_sees_what_was_enrolled(gallery: Gallery) -> None:
    with Gallery.open(gallery.path) as other:
        assert other.identify(noise(1)).subject is None
        gallery.enroll("a", noise(1))
        assert other.identify(noise(1)).subject == "a"


def test_a_picture_file_and_its_bytes_are_the_same(gallery: Gallery, tmp_path: Path) -> None:
    Image.fromarray(noise(1)).save(tmp_path / "a.png")
    gallery.enroll("a", tmp_path / "a.png")
    assert gallery.enroll("a", (tmp_path / "a.png").read_bytes()).added == 0


def test_of_many_pictures_the_bad_ones_are_left_out_where_a_list_is_given(gallery: Gallery, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    gallery.enroll("a", near(1))
    skipped: list[Skipped] = []
    answers = gallery.identify_many([near(1), bad, b"neither", near(1), io.BytesIO(b"neither")], skipped=skipped)
    assert [one.subject for one in answers] == ["a", "a"]
    assert [one.name for one in skipped] == [str(bad), "picture 2", "picture 4"]
    assert "bad.jpg" in skipped[0].reason
    with pytest.raises(PictureError):
        gallery.identify_many([near(1), bad])


def test_it_is_a_collection_of_names(gallery: Gallery, tiny: Model) -> None:
    """Of its subjects: length, membership and iteration agree, and the printed form says what it is."""
    gallery.enroll("b", [noise(0)])
    gallery.enroll("a", [noise(1)])
    names = ["a", "b"]
    assert list(gallery) == names
    assert len(gallery) == len(names)
    assert names[0] in gallery
    assert "nobody" not in gallery
    assert 3 not in gallery
    assert repr(gallery) == f"Gallery({str(gallery.path)!r}, model={tiny.fingerprint[:12]!r}, dim=8)"
    with Gallery(gallery.path, recall=1, threads=1) as again:
        assert list(again) == names


def test_an_unknown_name_is_a_key_error_that_reads_well(gallery: Gallery) -> None:
    with pytest.raises(KeyError) as error:
        gallery.remove("nobody")
    assert str(error.value) == "no subject is called 'nobody'"
    with pytest.raises(ValueError, match="at least one candidate"):
        gallery.identify(noise(0), k=0)


def test_a_rate_is_required(gallery: Gallery) -> None:
    with pytest.raises(TypeError, match="fpir"):
        gallery.calibrate()  # type: ignore[call-arg]
