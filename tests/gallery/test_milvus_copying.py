"""Copies of galleries to Milvus and back: complete, continued, and beside what others make there."""

from pathlib import Path

import pytest
from tests.gallery.made import enroll, made, nearest, numbers, vectors
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.errors import GalleryError
from semelha.gallery import Gallery, copy_gallery, diagnose, gallery_exists
from semelha.store.milvus.client import EXAMPLES

pytest.importorskip("milvus_lite")


def test_a_copy_there_and_back_answers_the_same(place: str, tiny: Model, tmp_path: Path) -> None:
    """A gallery with everything in it, of 2,000 examples; a copy that is cut off is continued."""
    with Gallery.create(tmp_path / "shop", tiny) as shop:
        for number in range(100):
            enroll(shop, f"s{number}", 20 * number, 20)
        shop.enroll("pictures", [noise(0), noise(1)])
        shop.calibrate(fpir=0.05)
        shop.identify(noise(50))
        shop.reject(noise(3), "s1")
        shop.merge("s5", "s6")
        shop.remove("s7")
        probes = vectors(100_000, 50, tiny.dim)
        expected = [one.to_json() for one in shop.identify_vectors(probes)]

        class CutOff(Exception):
            pass

        def cut_off(done: int, total: int) -> None:
            if done > total / 2:
                raise CutOff

        with pytest.raises(CutOff):
            copy_gallery(tmp_path / "shop", place, pictures=tmp_path / "there", progress=cut_off)
        with pytest.raises(GalleryError, match="is no gallery"):
            Gallery(place)
        there = copy_gallery(tmp_path / "shop", place, pictures=tmp_path / "there")
        with pytest.raises(CutOff):
            copy_gallery(place, tmp_path / "back", progress=cut_off)
        assert not (tmp_path / "back").exists()
        back = copy_gallery(place, tmp_path / "back")
        assert there.checksum == back.checksum
        assert there.examples == back.examples == shop.example_count()
        for copied in (place, tmp_path / "back"):
            with Gallery(copied) as gallery:
                assert [one.to_json() for one in gallery.identify_vectors(probes)] == expected
                assert gallery.audit(limit=10) == shop.audit(limit=10)
                assert gallery.merges() == shop.merges()
                assert gallery.picture(2001) == shop.picture(2001) != None  # noqa: E711
        assert diagnose(tmp_path / "back") == []
        with Gallery(place) as gallery:
            gallery.remove("s1")
        with pytest.raises(GalleryError, match=r"exists already|not the same"):
            copy_gallery(tmp_path / "shop", place, pictures=tmp_path / "there")


def test_a_copy_leaves_a_gallery_that_was_made_meanwhile(place: str, tiny: Model, tmp_path: Path) -> None:
    with made(tmp_path / "shop", tiny) as shop:
        enroll(shop, "a", 0, 3)

    def make_another(done: int, total: int) -> None:
        with made(place, tiny) as other:
            enroll(other, "b", 10, 3)
            other._store.called_unknown.record(["0" * 32])

    with pytest.raises(GalleryError, match="exists already"):
        copy_gallery(tmp_path / "shop", place, progress=make_another)
    with Gallery(place) as other:
        assert set(numbers(other)) == {"b"}
        assert nearest(other, 11) == ("b", "11")
        assert len(other._store.called_unknown.read()) == 1


def test_a_copy_deletes_what_an_earlier_one_of_another_state_left(place: str, tiny: Model, tmp_path: Path) -> None:
    class CutOff(Exception):
        pass

    def cut_off(done: int, total: int) -> None:
        raise CutOff

    with made(tmp_path / "shop", tiny) as shop:
        enroll(shop, "a", 0, 3)
        with pytest.raises(CutOff):
            copy_gallery(tmp_path / "shop", place, progress=cut_off)
        assert not gallery_exists(place)
        enroll(shop, "b", 10, 2)
        copy_gallery(tmp_path / "shop", place)
    assert gallery_exists(place)
    with Gallery(place) as there:
        collection = there._store._collection  # type: ignore[attr-defined]
        assert len(collection.find("slot < 1", ["id"], EXAMPLES)) == 5


def test_pictures_stay_where_they_are_when_the_working_folder_changes(
    place: str, tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Gallery.create(place, tiny, pictures="there").close()
    Gallery.create("shop", tiny).close()
    copy_gallery("shop", f"{place}_copy", pictures="copied")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name, pictures in ((place, "there"), (f"{place}_copy", "copied")):
        with Gallery(name) as gallery:
            gallery.enroll("a", noise(0))
        assert len(list((tmp_path / pictures).rglob("*.webp"))) == 1
