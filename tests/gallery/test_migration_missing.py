"""A gallery moved to another model: examples without a picture, originals, and what it is calibrated with."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.gallery.made import enroll, photo
from tests.gallery.moved import check_of, kept, rows, vectors
from tests.tiny_model import noise, tiny_model

import semelha
from semelha.embedders import Model
from semelha.errors import GalleryError, UsageError
from semelha.features import HOG
from semelha.gallery import Gallery, migrate
from semelha.gallery.folder import DATABASE
from semelha.gallery.migration import migration
from semelha.gallery.migration.reembed import find_originals
from semelha.images import HashBasis, Picture, content_hashes, encode
from semelha.store.database import connect


def test_without_pictures_it_is_refused_before_anything_is_embedded(
    tiny: Model, new: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gallery"
    with Gallery.create(path, tiny) as gallery:
        for number in range(8):
            gallery.enroll(f"s{number}", [noise(number)])
        for number in range(5):
            enroll(gallery, f"bare{number}", number, 1)
        enroll(gallery, "s7", 70, 1)
    before = vectors(path)
    with monkeypatch.context() as patch:
        patch.setattr(type(new.extractor), "vectors", lambda *_: pytest.fail("it embeds"))
        with pytest.raises(GalleryError) as error:
            migrate(path, new)
    assert str(error.value) == (
        "6 of 14 examples have no picture to embed, those of bare0, bare1, bare2, 3 more: pass the originals "
        "(pictures=, --pictures FOLDER), or remove these examples (drop_missing=True, --drop-missing)"
    )
    assert all(np.array_equal(vector, before[number]) for number, vector in vectors(path).items())

    done = migrate(path, new, drop_missing=True)
    assert len(done.dropped) == 6
    assert "0 of bare0" in done.dropped
    assert "70 of s7" in done.dropped
    assert (done.subjects, done.examples) == (8, 8), "s7 has a picture left, the others have not"
    check_of(path, new)


def test_a_gallery_of_nothing_but_vectors_is_not_emptied(tiny: Model, new: Model, tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "gallery", tiny, keep_pictures=False) as gallery:
        gallery.enroll("a", [noise(1), noise(2)])
    with pytest.raises(GalleryError, match="2 of 2 examples have no picture to embed, those of a: pass the orig"):
        migrate(tmp_path / "gallery", new, drop_missing=True)
    with Gallery.open(tmp_path / "gallery") as gallery:
        assert len(gallery) == 1


def test_originals_are_known_by_content_whatever_their_names(tiny: Model, new: Model, tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "gallery", tiny, keep_pictures=False) as gallery:
        gallery.enroll("a", [noise(1), noise(2)])
    (tmp_path / "photos").mkdir()
    for name, number in (("x.png", 2), ("y.bmp", 1), ("z.png", 3)):
        Image.fromarray(noise(number)).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "broken.png").write_bytes((tmp_path / "photos" / "z.png").read_bytes()[:200])
    originals = [str(each) for each in sorted((tmp_path / "photos").iterdir())]
    done = migrate(tmp_path / "gallery", new, pictures=originals)
    assert (done.originals, len(done.warnings)) == (2, 1)
    assert "broken.png is cut off" in done.warnings[0]
    np.testing.assert_allclose(
        np.stack(list(vectors(tmp_path / "gallery").values())), new.embed([noise(1), noise(2)]), atol=1e-6
    )


@pytest.mark.parametrize("basis", ["encoded", "pixels"])
def test_jpeg_originals_are_found_by_either_basis_of_content_hashes(basis: HashBasis, tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(photo(number)).save(tmp_path / f"{number}.jpg")
    pictures = [Picture(tmp_path / f"{number}.jpg", "", str(number)) for number in range(3)]
    (wanted,) = content_hashes(pictures[1], (basis,))
    assert find_originals(pictures, {wanted}, basis, None) == ({wanted: pictures[1]}, [])


def test_originals_are_used_rather_than_copies_also_by_who_goes_on(
    path: Path, new: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(migration, "_LastRound", stop)  # everything is embedded by then
        with pytest.raises(KeyboardInterrupt):
            migrate(path, new)
    assert migrate(path, new, pictures=[photo(0), noise(5)]).originals == 2
    (number,) = [n for (n,) in rows(path, "SELECT id FROM examples ORDER BY id DESC LIMIT 1")]
    expected, of_copy = new.embed([photo(0), kept(path)[number]])
    np.testing.assert_allclose(vectors(path)[number], expected, atol=1e-6)
    assert not np.allclose(of_copy, expected, atol=1e-6), "which is another"


@pytest.mark.filterwarnings("ignore::semelha.linear.subspace.RankDeficiencyWarning")
def test_a_copy_has_nearly_the_vector_of_its_original(tmp_path: Path) -> None:
    """Made smaller and compressed, it is nearer to it by far than to any other picture: docs/migrating.md says so."""
    photos = [photo(number) for number in range(20)]
    pictures = tuple(
        Picture(pixels // (1 + turn), str(i), f"{i} {turn}") for i, pixels in enumerate(photos) for turn in (0, 1)
    )
    model = semelha.train(semelha.Dataset("x", pictures), out=tmp_path / "model", method="gmml", features=HOG())
    originals, copies = (np.float64(model.embed(each)) for each in (photos, [encode(each) for each in photos]))
    distances = model.metric.pairwise(copies, originals)
    own = distances.diagonal().copy()
    np.fill_diagonal(distances, np.inf)
    assert own.min() > 0, "these copies are not without loss"
    assert own.max() < distances.min() / 5


def test_a_damaged_copy_is_named_and_counts_as_missing(path: Path, new: Model) -> None:
    database = connect(path / DATABASE)
    database.execute("UPDATE pictures SET data = substr(data, 1, 60) WHERE example_id = 4")
    database.execute("UPDATE pictures SET data = x'00' WHERE example_id = 7")
    database.close()
    with pytest.raises(GalleryError, match=r"2 of 25 .* those of s1, s3 \(picture 1 of s1: the picture is cut off"):
        migrate(path, new)
    done = migrate(path, new, pictures=[noise(3)], drop_missing=True)
    assert done.dropped == ("picture 0 of s3",)
    assert (done.examples, done.subjects) == (24, 12)


def test_a_model_that_gives_no_numbers_does_not_take_over(
    path: Path, new: Model, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(type(new.extractor), "vectors", lambda self, some: np.full((len(some), 12), np.nan, np.float32))
        with pytest.raises(GalleryError, match="not finite: the gallery is unchanged"):
            migrate(path, new)
    assert Gallery.open(path).model.fingerprint == tiny.fingerprint


def test_the_calibration_is_that_of_calibrating_afresh(path: Path, new: Model) -> None:
    with Gallery.open(path) as gallery:
        gallery.calibrate(fpir=0.2, seed=3)
    assert migrate(path, new).calibrated
    with Gallery.open(path) as gallery:
        found = gallery.calibration
        again = gallery.calibrate(fpir=0.2, seed=3)
        assert found is not None
        np.testing.assert_allclose(np.sort(found.scores), np.sort(again.scores), atol=1e-6)


def test_strangers_have_to_be_given_again(path: Path, tiny: Model, new: Model) -> None:
    strangers = [noise(number) for number in range(300, 310)]
    with Gallery.open(path) as gallery:
        gallery.calibrate(fpir=0.1, strangers=strangers)
    with pytest.raises(GalleryError, match="strangers, whose pictures it did not keep: pass them again"):
        migrate(path, new)
    with pytest.raises(GalleryError, match=r"needs 9 strangers .* there are 4"):
        migrate(path, new, strangers=strangers[:4])
    assert Gallery.open(path).model.fingerprint == tiny.fingerprint
    assert migrate(path, new, strangers=strangers).calibrated
    with Gallery.open(path) as gallery:
        found = gallery.calibration
        again = gallery.calibrate(fpir=0.1, strangers=strangers)
        assert found is not None
        np.testing.assert_allclose(np.sort(found.scores), np.sort(again.scores), atol=1e-6)
    assert not migrate(path, tiny, uncalibrated=True).calibrated
    with Gallery.open(path) as gallery:
        assert gallery.identify(noise(3)).decision == "uncalibrated"
    with pytest.raises(UsageError, match="not calibrated with strangers"):
        migrate(path, new, strangers=strangers)


def test_a_model_that_was_trained_on_the_subjects_would_end_the_calibration(path: Path, tmp_path: Path) -> None:
    trained = tiny_model(tmp_path / "trained", seed=2, classes=tuple(f"s{number}" for number in range(6)))
    with Gallery.open(path) as gallery:
        gallery.calibrate(fpir=0.2)
    with pytest.raises(GalleryError, match=r"needs 9 enrolled subjects .* not trained on, and there are 6: let"):
        migrate(path, trained)
    assert not migrate(path, trained, uncalibrated=True).calibrated
    with Gallery.open(path) as gallery:
        for number in range(20, 25):
            gallery.enroll(f"s{number}", noise(3 * number))
        assert gallery.calibration is not None, "the wish is kept"
