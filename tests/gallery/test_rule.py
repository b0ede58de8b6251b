"""Rules by every scoring: those of a plain loop over the gallery, stale after a change, and soon worked out again."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tests.tiny_model import tiny_model

from semelha.embedders import Model
from semelha.errors import CalibrationError, UsageError
from semelha.gallery import Gallery
from semelha.gallery.calibration import rule, scores
from semelha.gallery.calibration.rule import Rule, rule_of
from semelha.gallery.probes import SubjectRanker
from semelha.images import Dataset, Picture
from semelha.recognition import NEAREST, SCORINGS, Scoring
from semelha.recognition.scoring import MIN_SUBJECTS

SUBJECTS = 24
OTHERS = [scoring for scoring in SCORINGS if scoring != NEAREST]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return tiny_model(tmp_path_factory.mktemp("m") / "model")


@pytest.fixture
def gallery(model: Model, tmp_path: Path) -> Gallery:
    made = Gallery.create(tmp_path / "gallery", model)
    for number in range(SUBJECTS):
        enroll(made, f"s{number}", vectors(number, 1 + number % 4))
    return made


def vectors(seed: int, count: int) -> np.ndarray:
    """Examples of one thing, (count, 8) float32 of unit length."""
    random = np.random.default_rng(seed)
    made = random.normal(size=8) + 0.4 * random.normal(size=(count, 8))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def enroll(gallery: Gallery, name: str, rows: np.ndarray) -> None:
    gallery.enroll_vectors(name, rows, [str(i) for i in range(len(rows))], fingerprint=gallery.model.fingerprint)


def ranked_by_hand(gallery: Gallery, probe: np.ndarray, scoring: Scoring, without: str) -> np.ndarray:
    with gallery._store.reading() as view:
        others = [view.vectors_of(one.name) for one in view.subjects() if one.name != without]
    return np.sort(scoring.pool(gallery.model.metric, probe, [scoring.references(one) for one in others]))


def pictures(*seeds: int, label: str = "") -> list[Picture]:
    """Pictures that no other test enrolls."""
    return [
        Picture(np.random.default_rng(900 + s).integers(0, 256, (20, 20, 3), np.uint8), label or f"x{s}", str(s))
        for s in seeds
    ]


@pytest.mark.parametrize("scoring", OTHERS, ids=lambda scoring: scoring.name)
def test_scores_and_answers_by_a_plain_loop(gallery: Gallery, scoring: Scoring) -> None:
    calibration = gallery.calibrate(fpir=0.2, scoring=scoring, seed=3)
    names = [one.name for one in gallery.subjects()]
    with gallery._store.reading() as view:
        for place, name in enumerate(names):
            stored = view.vectors_of(name)
            drawn = int(np.random.default_rng([3, *name.encode()]).choice(len(stored)))
            expected = ranked_by_hand(gallery, stored[drawn], scoring, name)[: scoring.depth]
            np.testing.assert_allclose(calibration.non_mated[place], expected, rtol=1e-9, atol=1e-9)
            rest = np.delete(stored, drawn, axis=0)
            own = (
                scoring.pool(gallery.model.metric, stored[drawn], [scoring.references(rest)]) if len(rest) else [np.inf]
            )
            np.testing.assert_allclose(calibration.mated[place], own[0], rtol=1e-9, atol=1e-9)
    probe = vectors(77, 1)
    (answer,) = gallery.identify_vectors(probe, k=4)
    expected = ranked_by_hand(gallery, probe[0], scoring, "")
    assert [one.distance for one in answer.candidates] == pytest.approx(expected[:4].tolist(), rel=1e-9)
    lower = (calibration.scores <= scoring(expected)).sum()
    assert answer.p_value == pytest.approx((1 + lower) / (SUBJECTS + 1), abs=(1 + scoring.depth) / SUBJECTS)


def test_another_scoring_is_stale_after_a_change_until_it_was_worked_out_again(gallery: Gallery) -> None:
    scoring = Scoring("mean", "margin")
    gallery.calibrate(fpir=0.2, scoring=scoring)
    enroll(gallery, "late", vectors(50, 3))
    was = gallery.identify_vectors(vectors(51, 1))[0]
    for _ in range(200):
        now = gallery.calibration
        if now is not None and not now.stale:
            break
        time.sleep(0.05)
    assert now is not None
    assert not now.stale
    assert now.n == SUBJECTS + 1
    assert "its calibration is being updated" in was.note
    assert "its calibration is being updated" not in gallery.identify_vectors(vectors(51, 1))[0].note
    afresh = gallery.calibrate(fpir=0.2, scoring=scoring)
    assert now.non_mated.tolist() == afresh.non_mated.tolist()
    gallery.close()
    with Gallery.open(gallery.path) as again:
        assert again.calibration is not None
        assert (again.calibration.stale, again.calibration.scoring) == (False, scoring)


def test_settling_works_stale_scores_out(gallery: Gallery) -> None:
    gallery.calibrate(fpir=0.2, scoring=Scoring("best"))
    gallery._compactor.start = lambda: None  # type: ignore[method-assign]
    gallery._live.on_work = lambda: None
    gallery.remove("s3")
    assert gallery.calibration is not None
    assert gallery.calibration.stale
    gallery.flush()
    assert not gallery.calibration.stale
    assert gallery.calibration.n == SUBJECTS - 1


def test_a_stale_rule_that_is_replaced_by_another_plan_leaves_nothing_to_do(gallery: Gallery) -> None:
    """Else the upkeep runs in circles until the next question."""
    gallery.calibrate(fpir=0.2, scoring=Scoring("best"))
    gallery._live.on_work = lambda: None
    enroll(gallery, "late", vectors(50, 3))
    assert gallery.calibration is not None
    assert gallery._live.needs_work
    gallery.calibrate(fpir=0.2)
    gallery._live.recalibrate()
    assert not gallery._live.needs_work


def test_scores_in_memory_are_not_given_up_for_earlier_ones_in_the_store(gallery: Gallery) -> None:
    gallery.calibrate(fpir=0.2, scoring=Scoring("best"))
    gallery._live.on_work = lambda: None
    gallery._live.save_scores = lambda: None  # type: ignore[method-assign]
    enroll(gallery, "late", vectors(50, 3))
    gallery._live.recalibrate()
    picture = pictures(1)[0]
    gallery.reject(picture, "s3")  # a change of nothing that scores hang on
    assert gallery.calibration is not None
    assert not gallery.calibration.stale


def test_the_nearest_example_is_never_stale(gallery: Gallery) -> None:
    gallery.calibrate(fpir=0.2)
    enroll(gallery, "late", vectors(50, 3))
    assert gallery.calibration is not None
    assert not gallery.calibration.stale
    assert gallery.calibration.n == SUBJECTS + 1


def test_a_hub_that_goes_leaves_what_calibrating_afresh_gives(gallery: Gallery) -> None:
    """One subject is the nearest of all others, until it is removed."""
    with gallery._store.reading() as view:
        everything = view.added_since(0)[1]
    hub = everything + 1e-3
    enroll(gallery, "hub", (hub / np.linalg.norm(hub, axis=1, keepdims=True)).astype(np.float32))
    before = gallery.calibrate(fpir=0.2)
    assert (np.sort(before.scores)[:-1] < 0.01).all()
    gallery.remove("hub")
    after = gallery.calibration
    assert after is not None
    gallery.calibrate(fpir=0.2, seed=1)
    afresh = gallery.calibrate(fpir=0.2)
    assert after.non_mated.tolist() == afresh.non_mated.tolist()
    assert after.scores.min() > 0.01


def test_a_scoring_is_chosen_on_other_subjects_than_calibrate(model: Model, tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "large", model)
    for number in range(3 * MIN_SUBJECTS):
        enroll(gallery, f"s{number}", vectors(number, 3))
    calibration = gallery.calibrate(fpir=0.2, scoring=None)
    assert calibration.n == 3 * MIN_SUBJECTS - 3 * MIN_SUBJECTS // 2
    assert calibration.scoring in SCORINGS
    same = gallery.calibrate(fpir=0.2, scoring=calibration.scoring)
    assert same.n == 3 * MIN_SUBJECTS


def test_subjects_with_a_confirmed_picture_do_not_choose(model: Model, tmp_path: Path) -> None:
    """Theirs are the scores that calibrate."""
    gallery = Gallery.create(tmp_path / "large", model)
    for number in range(3 * MIN_SUBJECTS):
        enroll(gallery, f"s{number}", vectors(number, 3))
    known = [picture for number in range(12) for picture in pictures(number, label=f"s{number}")]
    calibration = gallery.calibrate(fpir=0.1, scoring=None, confirmed=Dataset("confirmed", tuple(known)))
    assert calibration.n == 12
    assert calibration.choice is not None
    assert calibration.choice.subjects == 3 * MIN_SUBJECTS - 12
    everybody = [picture for number in range(3 * MIN_SUBJECTS) for picture in pictures(number, label=f"s{number}")]
    with pytest.raises(CalibrationError, match=r"choosing a scoring takes 20 subjects.*there are 0"):
        gallery.calibrate(fpir=0.1, scoring=None, confirmed=Dataset("confirmed", tuple(everybody)))


def test_subjects_that_the_model_was_trained_on_do_not_choose(tmp_path: Path) -> None:
    """Nor do they count among those that the rate can spare."""
    trained = tiny_model(tmp_path / "model", classes=tuple(f"s{number}" for number in range(2 * MIN_SUBJECTS)))
    gallery = Gallery.create(tmp_path / "gallery", trained)
    for number in range(4 * MIN_SUBJECTS):
        enroll(gallery, f"s{number}", vectors(number, 3))
    calibration = gallery.calibrate(fpir=0.1, scoring=None)
    assert calibration.choice is not None
    assert (calibration.choice.subjects, calibration.n) == (MIN_SUBJECTS, MIN_SUBJECTS)


@pytest.mark.parametrize("fpir", [0, -1, 1, 2, float("nan")])
def test_a_rate_that_is_none_is_refused_before_anything_is_done(gallery: Gallery, fpir: float) -> None:
    for scoring in (NEAREST, None):
        with pytest.raises(UsageError, match="it must lie between 0 and 1"):
            gallery.calibrate(fpir=fpir, scoring=scoring)
    with pytest.raises(UsageError, match="seed is -1"):
        gallery.calibrate(fpir=0.2, seed=-1)
    assert gallery.calibration is None


@pytest.mark.parametrize("scoring", SCORINGS, ids=lambda scoring: scoring.name)
def test_a_decision_does_not_hang_on_how_many_candidates_are_listed(gallery: Gallery, scoring: Scoring) -> None:
    gallery.calibrate(fpir=0.2, scoring=scoring)
    probes = np.concatenate([vectors(seed, 1) for seed in range(300, 500)])
    few, many = (gallery.identify_vectors(probes, k=k) for k in (1, SUBJECTS))
    assert [one.p_value for one in few] == [one.p_value for one in many]


def test_no_more_choose_than_it_takes(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule, "CHOOSERS", MIN_SUBJECTS)
    gallery = Gallery.create(tmp_path / "large", model)
    for number in range(3 * MIN_SUBJECTS):
        enroll(gallery, f"s{number}", vectors(number, 3))
    calibration = gallery.calibrate(fpir=0.2, scoring=None)
    assert calibration.n == 2 * MIN_SUBJECTS
    assert calibration.choice is not None
    assert calibration.choice.subjects == MIN_SUBJECTS
    with_strangers = gallery.calibrate(fpir=0.2, strangers=pictures(*range(10)), scoring=None)
    assert with_strangers.choice is not None
    assert with_strangers.choice.subjects == MIN_SUBJECTS


def test_where_the_rate_needs_all_subjects_no_scoring_can_be_chosen(gallery: Gallery) -> None:
    with pytest.raises(CalibrationError, match="none are left to choose a scoring on"):
        gallery.calibrate(fpir=2 / (SUBJECTS + 1), scoring=None)
    with pytest.raises(CalibrationError, match="choosing a scoring takes 20 subjects"):
        gallery.calibrate(fpir=0.2, scoring=None)
    assert gallery.calibration is None


def test_confirmed_pictures_are_strangers_to_all_but_their_own(gallery: Gallery) -> None:
    known = [picture for number in range(12) for picture in pictures(number, label=f"s{number}")]
    dataset = Dataset("confirmed", (*known, *pictures(40, label="nobody")))
    calibration = gallery.calibrate(fpir=0.1, confirmed=dataset)
    assert (calibration.kind, calibration.n) == ("strangers", 12)
    embedded = gallery.model.embed(known)
    expected = [ranked_by_hand(gallery, vector, NEAREST, f"s{i}")[0] for i, vector in enumerate(embedded)]
    np.testing.assert_allclose(np.sort(calibration.scores), np.sort(expected), rtol=1e-6, atol=1e-6)
    gallery.enroll("s3", known[3])  # no stranger to what was added
    assert gallery.calibration is not None
    expected = [ranked_by_hand(gallery, vector, NEAREST, f"s{i}")[0] for i, vector in enumerate(embedded)]
    np.testing.assert_allclose(np.sort(gallery.calibration.scores), np.sort(expected), rtol=1e-6, atol=1e-6)


def test_confirmed_pictures_follow_a_merge_and_its_undo(gallery: Gallery) -> None:
    known = [picture for number in range(12) for picture in pictures(number, label=f"s{number}")]
    before = gallery.calibrate(fpir=0.1, confirmed=Dataset("confirmed", tuple(known))).scores.copy()
    merge = gallery.merge("s3", "s4")
    embedded = gallery.model.embed(known)
    names = ["s4" if i == 3 else f"s{i}" for i in range(12)]
    expected = [ranked_by_hand(gallery, v, NEAREST, name)[0] for v, name in zip(embedded, names, strict=True)]
    assert gallery.calibration is not None
    np.testing.assert_allclose(np.sort(gallery.calibration.scores), np.sort(expected), rtol=1e-6, atol=1e-6)
    gallery.unmerge(merge)
    assert sorted(gallery.calibration.scores.tolist()) == sorted(before.tolist())


def test_a_confirmed_picture_of_a_subject_that_was_removed_is_a_stranger_to_all(gallery: Gallery) -> None:
    """Also to the next subject, which the database may give the same number."""
    enroll(gallery, "last", vectors(60, 1))
    known = [picture for number in range(12) for picture in pictures(number, label=f"s{number}")]
    last = pictures(12, label="last")
    gallery.calibrate(fpir=0.1, confirmed=Dataset("confirmed", (*known, *last)))
    gallery.remove("last")
    gallery.enroll("next", last)
    assert gallery.calibration is not None
    assert gallery.calibration.scores.min() == pytest.approx(0, abs=1e-6)


def test_known_probes_test_the_calibration(gallery: Gallery) -> None:
    with pytest.raises(CalibrationError, match="not calibrated"):
        gallery.mismatch(Dataset("probes", tuple(pictures(1))))
    gallery.calibrate(fpir=0.2)
    found = gallery.mismatch(Dataset("probes", tuple(pictures(*range(30)))))
    assert found.probes == 30
    assert found.low <= found.achieved <= found.high
    assert "probes" in found.message


def test_verifying_follows_the_scoring(gallery: Gallery) -> None:
    picture = pictures(5)[0]
    gallery.enroll("shown", picture)
    for scoring in SCORINGS:
        gallery.calibrate(fpir=0.2, scoring=scoring)
        same = gallery.verify_subject(picture, "shown")
        other = gallery.verify_subject(picture, "s6")
        assert same.p_value is not None
        assert other.p_value is not None
        assert same.p_value < other.p_value


def test_two_pictures_of_an_enrolled_thing_are_the_same_whatever_the_scoring(gallery: Gallery) -> None:
    """The subject that both show does not speak against them."""
    picture = pictures(5)[0]
    gallery.enroll("shown", picture)
    for scoring in SCORINGS:
        gallery.calibrate(fpir=0.2, scoring=scoring)
        assert gallery.verify(picture, picture).same, scoring


def test_closing_ends_a_calibration_that_is_computed_again(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the block of probes that it ranks: the block ends when the gallery has been stopped."""
    gallery.calibrate(fpir=0.2, scoring=Scoring("mean"))
    has_begun, has_stopped = threading.Event(), threading.Event()
    rank, stop, blocks = SubjectRanker.rank, gallery._live.stop, []

    def counted(ranker: SubjectRanker, rows: np.ndarray, k: int, *, without: list[str] | None = None) -> object:
        blocks.append(len(rows))
        has_begun.set()
        assert has_stopped.wait(60)
        return rank(ranker, rows, k, without=without)

    def stop_and_tell() -> None:
        stop()
        has_stopped.set()

    monkeypatch.setattr(scores, "PROBE_BLOCK", 1)
    monkeypatch.setattr(SubjectRanker, "rank", counted)
    monkeypatch.setattr(gallery._live, "stop", stop_and_tell)
    enroll(gallery, "late", vectors(50, 3))
    assert gallery.calibration is not None
    assert has_begun.wait(60)
    gallery.close()
    assert blocks == [1]


def test_pairs_of_subjects_widen_the_interval(gallery: Gallery) -> None:
    calibration = gallery.calibrate(fpir=0.2)
    assert calibration.neighbors is not None
    with gallery._live.read() as state:
        assert isinstance(state.rule, Rule)
        assert state.rule.calibration.neighbors is None
        plan, scores = state.cached.plan, state.cached.scores
        assert plan is not None
        assert scores is not None
        paired = rule_of(state.view, plan, scores, with_neighbors=True).calibration
    low, high = paired.interval()
    assert 0 <= low < 0.2 < high < 1
    for place, neighbor in enumerate(paired.neighbors.tolist()):
        assert neighbor != place
