"""The contract of test_client_contract.py, for what keeps a gallery right: rejections, reviews, map, rates, care."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.service.contract import KINDS, opened
from tests.service.made import near, png
from tests.tiny_model import noise

from semelha import errors
from semelha.gallery import Gallery


def test_reject_and_withdraw(empty: Any) -> None:
    for number in range(2):
        empty.enroll(f"s{number}", noise(number))
    number = empty.reject(near(1), "s1")
    (record,) = empty.rejections("s1")
    assert (record.number, record.subject) == (number, "s1")
    assert empty.identify(near(1)).excluded == ("s1",)
    second = empty.reject(near(0), "s0")
    assert [(one.number, one.subject) for one in empty.rejections()] == [(number, "s1"), (second, "s0")]
    assert [one.number for one in empty.rejections(limit=1)] == [number]
    assert [one.number for one in empty.rejections(after=number)] == [second]
    assert empty.rejections("s1", after=number) == []
    for call in (lambda: empty.rejections(after=-1), lambda: empty.rejections(limit=0)):
        with pytest.raises(errors.UsageError):
            call()
    empty.withdraw_rejection(second)
    empty.withdraw_rejection(number)
    assert empty.rejections("s1") == []
    assert empty.identify(near(1)).subject == "s1"


@pytest.mark.parametrize("kind", KINDS)
def test_reviews(kind: str, new: Path) -> None:
    pictures = [png(noise(number)) for number in range(4)]
    with Gallery(new) as gallery:
        probes = gallery.embed_probes(pictures)
        kept = gallery.keep_for_review(probes, gallery.identify_probes(probes), pictures)
        expected = gallery.reviews()
    with opened(kind, new) as one:
        assert one.reviews() == expected
        page = one.reviews("unknown", limit=3)
        assert [each.number for each in page.reviews] == kept[:0:-1]
        last = page.reviews[-1]
        (rest,) = one.reviews(after=(last.group, last.number)).reviews
        assert rest.number == kept[0]
        assert one.review_picture(rest.number)[:4] == b"RIFF"
        done = one.resolve_reviews(kept[:2], "a")
        assert (done.subject, done.added) == ("a", 2)
        assert one.dismiss_reviews((kept[2],)) is None
        assert one.reviews("uncertain").total == 0
        assert [each.number for each in one.reviews().reviews] == [kept[3]]
        for call in (
            lambda: one.review_picture(kept[0]),
            lambda: one.dismiss_reviews(kept[2:]),
            lambda: one.resolve_reviews([-1], "a"),
        ):
            with pytest.raises(errors.NumberNotFound):
                call()
        for call in (
            lambda: one.dismiss_reviews([]),
            lambda: one.reviews("lost"),
            lambda: one.reviews(limit=0),
        ):
            with pytest.raises(errors.UsageError):
                call()
        with pytest.raises(errors.InvalidName):
            one.resolve_reviews([kept[3]], "unknown")
        assert one.reviews().total == 1


def test_map(empty: Any) -> None:
    for number in range(12):
        empty.enroll(f"s{number % 3}", noise(number))
    found = empty.map()
    assert (found.method, len(found), found.subjects, found.revision) == ("pca", 12, ("s0", "s1", "s2"), empty.revision)
    assert found.coordinates.shape == (12, 2)
    assert found.coordinates.dtype == np.float32
    assert [found.subjects[place] for place in found.subject_of[:4]] == ["s0", "s1", "s2", "s0"]
    assert empty.last_map("pca").note == found.note
    assert empty.last_map("tsne") is None
    with pytest.raises(errors.UsageError):
        empty.last_map("mds")
    with pytest.raises(errors.MissingExtra, match="umap-learn"):
        empty.map("umap")
    pytest.importorskip("sklearn")
    seen: list[tuple[int, int]] = []
    computed = empty.map("tsne", seed=2, progress=lambda *counts: seen.append(counts))
    assert computed.coordinates == pytest.approx(empty.last_map("tsne").coordinates)
    assert seen[-1][1] == 12


def test_calibrate(empty: Any) -> None:
    assert empty.calibration is None
    for number in range(12):
        empty.enroll(f"s{number}", [noise(number), near(number)])
    rule = empty.calibrate(fpir=0.25, uncertain=0.5)
    for one in (rule, empty.calibration):
        assert (one.kind, one.fpir, one.uncertain, one.n) == ("subjects", 0.25, 0.5, 12)
        assert one.scoring.name == "nearest"
        low, high = one.interval()
        assert low < high
    assert empty.identify(near(3)).decision == "known"
    assert empty.evaluate(max_probes=10).r_at_1 == 1.0
    curve = empty.det_curve(max_points=20, seed=2)
    assert (curve.is_calibrated, curve.fpir, curve.n, curve.probes, curve.subjects) == (True, 0.25, 12, 24, 12)
    assert curve.points[-1].threshold > curve.points[0].threshold
    assert curve.points[0].fnir_interval.low <= curve.points[0].fnir
    assert curve.required[0].missing == 7
    changed = empty.changed_answers(0.0, 1.0, limit=5)
    assert (len(changed.answers), changed.total) == (5, 24)
    assert changed.answers[0].has_picture
    assert empty.changed_answers(0.0, 1.0, offset=23).answers[0] not in changed.answers
    assert empty.changed_answers(0.0, 1.0, "non_mated").total == 12
    found = empty.check(min_score=0.0)
    assert (found.subjects, found.examples, found.single_example_subjects) == (12, 24, 0)
    seen: list[tuple[int, int]] = []
    pictures = [Path("missing.png"), near(3), noise(100), b"no picture"]
    groups = empty.cluster(pictures, progress=lambda *counts: seen.append(counts))
    assert {one.subject: one.pictures for one in groups if one.known} == {"s3": (1,)}
    assert {one.name for one in groups.skipped} == {"missing.png", "picture 3"}
    assert len(groups.names) == 4
    assert seen
