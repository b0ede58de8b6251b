"""Reviews: what a person should name is kept, grouped by likeness, and enrolled or dismissed as a whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.errors import GalleryMoved, InvalidName, NumberNotFound, UsageError
from semelha.gallery import Gallery, Review, migrate
from semelha.gallery.curation import reviews
from semelha.gallery.curation.reviews import review_kind
from semelha.recognition import Identification


def near(seed: int, other: int) -> np.ndarray:
    """One of many pictures that are nearly `noise(seed)`."""
    return (noise(seed).astype(int) + noise(10_000 + other) // 32).clip(0, 255).astype(np.uint8)


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Iterator[Gallery]:
    """Twelve subjects of two pictures, calibrated."""
    with Gallery.create(tmp_path / "shop", tiny, threads=1) as made:
        for number in range(12):
            made.enroll(f"s{number}", [near(number, 0), near(number, 1)])
        made.calibrate(fpir=0.25)
        yield made


def identified(gallery: Gallery, *pictures: np.ndarray, **settings: Any) -> list[int]:
    """Identify pictures and keep what needs review."""
    probes = gallery.embed_probes(pictures)
    return gallery.keep_for_review(probes, gallery.identify_probes(probes), pictures, **settings)


def test_what_is_not_sure_is_kept() -> None:
    def kind(decision: str, probability: float | None = None) -> str | None:
        return review_kind(Identification(decision, None, 1.0, 0.1, (), "", probability))  # type: ignore[arg-type]

    assert (kind("unknown"), kind("uncertain"), kind("uncalibrated"), kind("known")) == (
        "unknown", "uncertain", None, None,
    )  # fmt: skip
    assert (kind("known", 0.74), kind("known", 0.75)) == ("uncertain", None)


def test_unknown_pictures_are_grouped_and_named_together(gallery: Gallery) -> None:
    pictures = [near(100, 0), near(200, 0), near(3, 7), near(100, 1), near(200, 1), near(100, 2)]
    kept = identified(gallery, *pictures)
    page = gallery.reviews()
    assert (page.unknown, page.uncertain, page.total) == (3, 2, 5), "the known picture needs no review"
    assert [one.group for one in page.reviews] == [kept[1]] * 2 + [kept[0]] * 3, "the latest group first"
    assert [one.number for one in page.reviews] == [kept[3], kept[1], kept[4], kept[2], kept[0]]
    first = page.reviews[0]
    assert (first.kind, first.source, first.has_picture, first.target_fpir) == ("uncertain", "picture 4", True, 0.25)
    assert gallery.review_picture(first.number)[:4] == b"RIFF"  # type: ignore[index]
    group = [one.number for one in page.reviews if one.group == kept[0]]
    done = gallery.resolve_reviews(group, "new")
    assert (done.subject, done.added) == ("new", 3)
    assert gallery.identify(near(100, 3)).candidates[0].subject == "new"
    assert all(gallery.picture(number) for number in done.numbers)
    assert gallery.dismiss_reviews([kept[1], kept[3]]) is None
    assert gallery.reviews().reviews == ()
    for call in (lambda: gallery.dismiss_reviews(group), lambda: gallery.review_picture(group[0])):
        with pytest.raises(NumberNotFound):
            call()


def test_who_named_and_dismissed_is_recorded(gallery: Gallery) -> None:
    kept = identified(gallery, *(noise(100 + number) for number in range(3)))
    gallery.resolve_reviews(kept[:1], "new")
    gallery.dismiss_reviews(kept[1:])
    dismissed, resolved = gallery.audit(limit=2)
    assert (resolved.action, resolved.subject, resolved.examples) == ("resolve_reviews", "new", 1)
    assert (dismissed.action, dismissed.subject, dismissed.detail) == ("dismiss_reviews", None, "2 reviews")


def test_pages_follow_each_other(gallery: Gallery) -> None:
    kept = identified(gallery, *(near(100 + n % 3, n) for n in range(9)))
    whole = gallery.reviews().reviews
    seen: list[Review] = []
    after: tuple[int, int] | None = None
    while page := gallery.reviews(after=after, limit=2).reviews:
        seen += page
        after = page[-1].group, page[-1].number
    assert tuple(seen) == whole
    assert sorted(one.number for one in whole) == kept
    kinds = {kind: gallery.reviews(kind).total for kind in ("unknown", "uncertain")}
    assert kinds == {"unknown": gallery.reviews().unknown, "uncertain": gallery.reviews().uncertain}


def test_candidates_have_their_present_names(gallery: Gallery) -> None:
    identified(gallery, noise(100))
    (before,) = gallery.reviews().reviews
    first, second, *others = [one.subject for one in before.candidates]
    gallery.remove(first)
    gallery.rename(second, "renamed")
    gallery.merge(others[0], "renamed")
    (after,) = gallery.reviews().reviews
    assert [one.subject for one in after.candidates] == ["renamed", *others[1:]]
    assert after.candidates[0].distance == before.candidates[1].distance


def test_a_gallery_from_which_nothing_can_be_learned_has_no_groups(tiny: Model, tmp_path: Path) -> None:
    """An empty one keeps what it does not know; one that keeps no pictures, the vectors alone."""
    with Gallery.create(tmp_path / "new", tiny, threads=1, keep_pictures=False) as gallery:
        kept = identified(gallery, near(1, 0), near(1, 1))
        page = gallery.reviews()
        assert [one.group for one in page.reviews] == kept[::-1]
        assert "second picture" in page.note
        assert not page.reviews[0].has_picture
        assert gallery.review_picture(kept[0]) is None
        gallery.resolve_reviews(kept, "a")
        assert [one.has_picture for one in gallery.examples("a")] == [False, False]
        assert identified(gallery, near(7, 0)) == [], "it is not calibrated"


def test_the_distance_that_joins_groups_is_learned_again_when_much_has_changed(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a second in a large gallery, and a person who names group after group does not wait for it each time."""
    counts = []
    learn = reviews.threshold_of

    def counted(view: Any, *given: Any) -> tuple[float, str]:
        counts.append(len(view))
        return learn(view, *given)

    monkeypatch.setattr(reviews, "threshold_of", counted)
    kept = identified(gallery, *(noise(100 + number) for number in range(5)))
    for number in kept:
        gallery.reviews()
        gallery.resolve_reviews([number], f"new {number}")
    gallery.reviews()
    assert counts == [24, 27]


def test_the_oldest_are_dropped(gallery: Gallery) -> None:
    kept = identified(gallery, *(noise(100 + n) for n in range(5)), max_reviews=2)
    assert sorted(one.number for one in gallery.reviews().reviews) == kept
    assert len(kept) == 2


def test_another_process_is_seen(gallery: Gallery) -> None:
    with Gallery(gallery.path, threads=1) as other:
        identified(other, noise(100))
        assert gallery.reviews().total == 1
        other.dismiss_reviews([gallery.reviews().reviews[0].number])
        assert gallery.reviews().total == 0


@pytest.mark.folder_only
def test_a_migration_ends_all_reviews(gallery: Gallery, new: Model) -> None:
    identified(gallery, noise(100))
    probes = gallery.embed_probes([noise(200)])
    answers = gallery.identify_probes(probes)
    migrate(gallery.path, new)
    with pytest.raises(GalleryMoved):
        gallery.keep_for_review(probes, answers)
    with Gallery(gallery.path, threads=1) as migrated:
        assert migrated.reviews().total == 0


def test_what_cannot_be_is_refused(gallery: Gallery) -> None:
    (number,) = identified(gallery, noise(100))
    probes = gallery.embed_probes([noise(1)])
    calls = {
        "kind": lambda: gallery.reviews("lost"),
        "limit": lambda: gallery.reviews(limit=0),
        "length": lambda: gallery.keep_for_review(probes, []),
        "max_reviews": lambda: gallery.keep_for_review(probes, gallery.identify_probes(probes), max_reviews=0),
        "reviews is empty": lambda: gallery.resolve_reviews([], "a"),
        "reviews": lambda: gallery.dismiss_reviews(["a"]),  # type: ignore[list-item]
    }
    for said, call in calls.items():
        with pytest.raises(UsageError, match=said):
            call()
    with pytest.raises(InvalidName):
        gallery.resolve_reviews([number], "unknown")
    assert gallery.reviews().total == 1
