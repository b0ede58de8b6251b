"""Single examples removed and moved in a gallery: answers, calibration and index follow, in every process."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.gallery.made import enroll, nearest, vectors
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.errors import GalleryError, SubjectNotFound, UsageError
from semelha.gallery import Gallery
from semelha.gallery.calibration.rule import rule_of, scores_of
from semelha.gallery.live_index import IndexFolder
from semelha.index.settings import settings
from semelha.recognition import Scoring
from semelha.store import Plan

ROOT = Path(__file__).parents[2]


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Gallery:
    return Gallery.create(tmp_path / "gallery", tiny)


def number(gallery: Gallery, subject: str, source: object) -> int:
    """The example of a subject that came from a source."""
    (found,) = [one.number for one in gallery.examples(subject) if one.source == str(source)]
    return found


def test_a_wrong_example_is_found_and_taken_out(gallery: Gallery) -> None:
    gallery.enroll("a", [noise(0), noise(1)])
    gallery.enroll("b", [noise(2)])
    wrong = gallery.examples("a")[1]
    assert (wrong.subject, wrong.has_picture) == ("a", True)
    assert gallery.picture(wrong.number) is not None
    assert gallery.identify(noise(1)).candidates[0].subject == "a"
    assert gallery.move_example(wrong.number, "b") == wrong.number
    assert gallery.identify(noise(1)).candidates[0].subject == "b"
    assert gallery.remove_example(wrong.number) == "b"
    assert gallery.identify(noise(1)).candidates[0].distance > 1e-3
    assert gallery.picture(wrong.number) is None
    with pytest.raises(GalleryError, match="there is no example"):
        gallery.remove_example(wrong.number)
    with pytest.raises(SubjectNotFound):
        gallery.examples("nobody")
    with pytest.raises(UsageError):
        gallery.move_example(gallery.examples("a")[0].number, "a")
    with pytest.raises(GalleryError, match="needs a name"):
        gallery.move_example(gallery.examples("a")[0].number, " ")


@pytest.mark.parametrize("scoring", ["nearest", "mean-margin"])
@pytest.mark.parametrize("strangers", [False, True])
def test_the_scores_follow_as_if_computed_afresh(gallery: Gallery, scoring: str, strangers: bool) -> None:
    for subject in range(20):
        enroll(gallery, f"s{subject}", 3 * subject, 3)
    pictures = [noise(100 + one) for one in range(20)] if strangers else None
    gallery.calibrate(fpir=0.2, strangers=pictures, scoring=Scoring.from_name(scoring))
    other = Gallery(gallery.path)
    plan = Plan("strangers" if strangers else "subjects", 0.2, 0, scoring=scoring)
    acts: list[Callable[[Gallery], object]] = [
        lambda one: one.remove_example(number(one, "s0", 1)),
        lambda one: one.move_example(number(one, "s1", 4), "s2"),
        lambda one: one.move_example(number(one, "s1", 3), "fresh"),
        lambda one: one.remove_example(number(one, "s1", 5)),
    ]
    for turn, act in enumerate(acts):
        act((gallery, other)[turn % 2])
        for one in (gallery, other):
            one.flush()  # computes what the scoring does not update at once
            with one._live.read() as state:
                scores = scores_of(state.view, state.index, one.model, plan, None)
                afresh = rule_of(state.view, plan, scores).calibration
            assert one.calibration is not None
            assert not one.calibration.stale
            np.testing.assert_allclose(one.calibration.scores, afresh.scores, rtol=1e-9)
    assert "s1" not in gallery
    assert nearest(other, 3) == ("fresh", "3")
    other.close()


@pytest.mark.folder_only
def test_the_index_on_disk_follows_by_the_difference(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "max_delta_size", 10)
    for subject in range(12):
        enroll(gallery, f"s{subject}", 4 * subject, 4)
    gallery.flush()
    monkeypatch.setattr(IndexFolder, "read_vectors", None)  # it is never built again
    for flush in (True, False):
        first = 8 if flush else 20
        gallery.move_example(number(gallery, f"s{first // 4}", first), "moved")
        gallery.remove_example(number(gallery, f"s{first // 4}", first + 1))
        if flush:
            gallery.flush()
        gallery.close()
        gallery = Gallery(gallery.path)
        assert nearest(gallery, first) == ("moved", str(first))
        assert nearest(gallery, first + 1)[1] != str(first + 1)
    assert gallery.index_stats()["vectors"] == 46
    gallery.close()


OTHER = """
import sys
from semelha.gallery import Gallery
with Gallery(sys.argv[1]) as gallery:
    print(gallery.move_example(int(sys.argv[2]), "b"), gallery.remove_example(int(sys.argv[3])))
"""


def test_what_another_process_moves_is_seen_and_durable(gallery: Gallery) -> None:
    enroll(gallery, "a", 0, 3)
    enroll(gallery, "b", 10, 1)
    assert nearest(gallery, 1) == ("a", "1")
    moved, removed = number(gallery, "a", 1), number(gallery, "a", 2)
    done = subprocess.run(
        [sys.executable, "-c", OTHER, str(gallery.path), str(moved), str(removed)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout.split() == [str(moved), "a"]
    assert nearest(gallery, 1) == ("b", "1")
    assert nearest(gallery, 2)[1] != "2"
    gallery.close()
    with Gallery(gallery.path) as again:
        assert [one.source for one in again.examples("b")] == ["1", "10"]


def test_a_rejection_counts_until_its_picture_is_moved_to_the_subject(gallery: Gallery) -> None:
    gallery.enroll("a", [noise(0), noise(1)])
    gallery.enroll("b", [noise(2)])
    gallery.reject(noise(1), "b")
    gallery.move_example(gallery.examples("a")[0].number, "b")
    assert len(gallery.rejections("b")) == 1
    gallery.move_example(gallery.examples("a")[0].number, "b")
    assert gallery.rejections("b") == []
    assert list(gallery) == ["b"]


def test_in_an_unmerge_a_moved_example_stays_where_it_is(gallery: Gallery) -> None:
    enroll(gallery, "a", 0, 2)
    enroll(gallery, "b", 10, 1)
    merge = gallery.merge("a", "b")
    gallery.move_example(number(gallery, "b", 0), "c")
    assert gallery.unmerge(merge) == "a"
    assert [nearest(gallery, one)[0] for one in (0, 1, 10)] == ["c", "a", "b"]
    assert len(vectors(0, 1)) == len(gallery.examples("a")) == 1
