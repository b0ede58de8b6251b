""" "Not this one": it is remembered and honored, follows merges, and goes with what contradicts it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.errors import GalleryError, SubjectNotFound
from semelha.gallery import Gallery


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Gallery:
    made = Gallery.create(tmp_path / "gallery", tiny)
    for number in range(20):
        made.enroll(f"thing {number}", noise(number))
    return made


def between(first: int, second: int, turn: int = 0) -> np.ndarray:
    """Nearest to the first of two things."""
    mixed = 0.55 * noise(first) + 0.4 * noise(second) + 0.05 * noise(1000 + turn)
    return mixed.astype(np.uint8)


def grey(pixels: np.ndarray) -> np.ndarray:
    """Another picture, which the model, who sees grey alone, does not tell from this one."""
    return np.asarray(Image.fromarray(pixels).convert("L").convert("RGB"))


def test_the_subject_is_excluded_and_the_next_one_named(gallery: Gallery) -> None:
    order = [one.subject for one in gallery.identify(between(0, 1), k=4).candidates]
    assert order[0] == "thing 0"
    number = gallery.reject(between(0, 1), "thing 0")
    gallery.close()
    with Gallery.open(gallery.path) as again:
        found = again.identify(between(0, 1), k=3)
        assert (found.subject, found.excluded) == (order[1], ("thing 0",))
        assert [one.subject for one in found.candidates] == order[1:]
        assert "rejected for thing 0" in found.note
        (kept,) = again.rejections("thing 0")
        assert (kept.number, kept.subject) == (number, "thing 0")
        assert (kept.picture or b"")[:4] == b"RIFF"
        assert again.rejections("thing 1") == []
        again.withdraw_rejection(number)
        assert again.identify(between(0, 1)).subject == "thing 0"


def test_what_is_nearer_to_the_rejected_picture_than_to_any_example_is_excluded_too(gallery: Gallery) -> None:
    gallery.reject(between(0, 1), "thing 0")
    assert gallery.identify(between(0, 1, turn=1)).excluded == ("thing 0",)
    assert gallery.identify(noise(0)).subject == "thing 0"
    assert gallery.identify_vectors(gallery.model.embed([between(0, 1)]))[0].excluded == ("thing 0",)


def test_the_very_picture_is_excluded_whatever_its_vector(gallery: Gallery) -> None:
    """It has the vector of an example, which stays what it is; also among so many that they are read in parts."""
    np.testing.assert_array_equal(gallery.model.embed([grey(noise(0))]), gallery.model.embed([noise(0)]))
    gallery.reject(grey(noise(0)), "thing 0")
    done = []
    found = gallery.identify_many([grey(noise(0)), noise(0)] * 40, progress=lambda *now: done.append(now))
    assert [one.excluded for one in found] == [("thing 0",), ()] * 40
    assert found[1].subject == "thing 0"
    assert done == [(64, 80), (80, 80)]


def test_where_many_are_excluded_the_search_goes_deeper(gallery: Gallery) -> None:
    """As many candidates as were asked for, as long as there are subjects that are not excluded."""
    probe = between(0, 1)
    order = [one.subject for one in gallery.identify(probe, k=20).candidates]
    for name in order[:18]:
        gallery.reject(probe, name)
    found = gallery.identify(probe, k=1)
    assert [one.subject for one in found.candidates] == order[18:19]
    assert [one.subject for one in gallery.identify(probe, k=5).candidates] == order[18:]
    for name in order[18:]:
        gallery.reject(probe, name)
    nobody = gallery.identify(probe)
    assert (nobody.decision, nobody.subject, nobody.candidates) == ("unknown", None, ())


def test_a_calibrated_gallery_accepts_no_more_than_before(gallery: Gallery) -> None:
    """Strangers and others, with a rejection for each of some: who is known then was known before."""
    gallery.calibrate(fpir=0.3)
    probes = [between(i, i + 1, turn) for i in range(0, 18, 2) for turn in range(2)]
    probes += [noise(500 + i) for i in range(30)]
    before = gallery.identify_many(probes)
    for probe, found in list(zip(probes, before, strict=True))[::2]:
        gallery.reject(probe, found.candidates[0].subject)
    after = gallery.identify_many(probes)
    assert sum(bool(one.excluded) for one in after) >= len(probes) // 2
    for was, now in zip(before, after, strict=True):
        assert was.p_value is not None
        assert now.p_value is not None
        assert now.p_value >= was.p_value
        assert was.decision == "known" or now.decision == "unknown"
    assert ("known", "unknown") in {(was.decision, now.decision) for was, now in zip(before, after, strict=True)}


def test_a_comparison_with_the_subject_is_not_the_same(gallery: Gallery) -> None:
    gallery.calibrate(fpir=0.9)
    probe = between(0, 1)
    assert gallery.verify_subject(probe, "thing 0").same is True
    gallery.reject(probe, "thing 0")
    found = gallery.verify_subject(probe, "thing 0")
    assert found.same is False
    assert "rejected for thing 0" in found.note
    assert gallery.verify_subject(noise(0), "thing 0").same is True
    assert gallery.explain(probe).matched[0].subject != "thing 0"


def test_enrolling_the_very_picture_withdraws_it(gallery: Gallery) -> None:
    gallery.reject(between(0, 1), "thing 0")
    gallery.reject(between(0, 1), "thing 1")
    gallery.enroll("thing 0", [noise(77), between(0, 1)])
    assert gallery.rejections("thing 0") == []
    assert len(gallery.rejections("thing 1")) == 1, "of another subject it stays"
    assert gallery.identify(between(0, 1)).subject == "thing 0"
    with pytest.raises(GalleryError, match="is an example of thing 0 itself"):
        gallery.reject(between(0, 1), "thing 0")


def test_what_is_said_twice_is_one_and_what_is_not_there_is_told(gallery: Gallery) -> None:
    number = gallery.reject(between(0, 1), "thing 0")
    assert gallery.reject(between(0, 1), "thing 0") == number
    gallery.withdraw_rejection(number)
    with pytest.raises(GalleryError, match=f"no rejection {number}"):
        gallery.withdraw_rejection(number)
    with pytest.raises(SubjectNotFound):
        gallery.reject(noise(1), "nobody")
    with pytest.raises(SubjectNotFound):
        gallery.rejections("nobody")
    assert gallery.reject(between(0, 1), "thing 0") > number, "numbers are not used again"


def test_it_goes_with_its_subject(gallery: Gallery) -> None:
    gallery.reject(between(0, 1), "thing 0")
    gallery.rename("thing 0", "Ding")
    assert gallery.identify(between(0, 1)).excluded == ("Ding",)
    gallery.remove("Ding")
    assert not gallery._store._db.execute("SELECT * FROM rejections").fetchall()
    gallery.enroll("Ding", noise(0))
    assert gallery.identify(between(0, 1)).subject == "Ding"


def test_it_follows_a_merge_and_its_undo(gallery: Gallery) -> None:
    own = gallery.reject(between(0, 1), "thing 0")
    other = gallery.reject(between(0, 1), "thing 5")
    number = gallery.merge("thing 0", "thing 5")
    assert [one.number for one in gallery.rejections("thing 5")] == [own, other]
    assert gallery.identify(between(0, 1)).excluded == ("thing 5",)
    later = gallery.reject(between(0, 3), "thing 5")
    gallery.unmerge(number)
    assert [one.number for one in gallery.rejections("thing 0")] == [own]
    assert [one.number for one in gallery.rejections("thing 5")] == [other, later]
    gallery.merge("thing 0", "thing 5")
    gallery.withdraw_rejection(own)
    assert [one.number for one in gallery.rejections("thing 5")] == [later], "with both of the same picture"


def test_an_example_that_a_merge_brings_outweighs_a_rejection_until_the_undo(gallery: Gallery) -> None:
    gallery.enroll("thing 0", between(0, 1))
    gallery.reject(between(0, 1), "thing 1")
    number = gallery.merge("thing 0", "thing 1")
    assert gallery.rejections("thing 1") == []
    assert gallery.identify(between(0, 1)).subject == "thing 1"
    gallery.unmerge(number)
    assert len(gallery.rejections("thing 1")) == 1
    assert gallery.verify_subject(between(0, 1), "thing 1").same is False
