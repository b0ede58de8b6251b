"""Without what was rejected a decision goes to the next subject, and never accepts what it would not have accepted."""

from itertools import combinations

import numpy as np
import pytest

from semelha.metrics import Euclidean
from semelha.recognition import (
    Candidate,
    Match,
    RejectedPictures,
    decide,
    decide_excluding,
    excluded_subjects,
    full_conformal,
    split_conformal,
)


def candidates(*distances: float) -> tuple[Candidate, ...]:
    return tuple(Candidate(f"s{i}", far, (Match(i, f"{i}.png", far),)) for i, far in enumerate(distances))


def test_excluded_is_the_very_picture_and_what_is_nearer_to_it_than_to_any_example() -> None:
    probe = np.zeros(2, np.float32)
    near, far = np.array([[0, 1.0], [0, 9]], np.float32), np.array([[2.5, 0]], np.float32)
    said = {"s0": RejectedPictures(frozenset("a"), near), "s1": RejectedPictures(frozenset("b"), far)}
    found = candidates(2.0, 2.1, 2.2)
    assert excluded_subjects(found, probe, None, said, Euclidean()) == {"s0"}
    assert excluded_subjects(found, probe, "b", said, Euclidean()) == {"s0", "s1"}
    assert excluded_subjects(candidates(1.0), probe, None, said, Euclidean()) == frozenset(), (
        "as near as an example is not nearer"
    )
    assert excluded_subjects(found, probe, "a", {}, Euclidean()) == frozenset()


def test_with_nothing_excluded_it_is_the_decision() -> None:
    calibration, found = split_conformal(np.arange(1.0, 20), 0.1), candidates(0.5, 2.0)
    assert decide_excluding(found, frozenset(), calibration, {}) == decide(found, calibration, {})
    below = decide_excluding(found, frozenset({"s1"}), calibration, {})
    assert (below.decision, below.subject, below.excluded) == ("known", "s0", ("s1",))
    assert below.p_value == decide(found, calibration, {}).p_value


def test_the_next_subject_is_named_or_nobody() -> None:
    calibration = split_conformal(np.arange(1.0, 20), 0.15)
    near = decide_excluding(candidates(0.5, 1.5, 9), frozenset({"s0"}), calibration, {})
    assert (near.decision, near.subject, near.distance, near.p_value) == ("known", "s1", 1.5, 0.1)
    assert [one.subject for one in near.candidates] == ["s1", "s2"]
    assert "rejected for s0" in near.note
    far = decide_excluding(candidates(0.5, 9), frozenset({"s0"}), calibration, {})
    assert (far.decision, far.subject) == ("unknown", None)
    nobody = decide_excluding(candidates(0.5), frozenset({"s0"}), calibration, {})
    assert (nobody.decision, nobody.subject, nobody.distance, nobody.candidates) == ("unknown", None, None, ())
    assert nobody.p_value == decide(candidates(0.5), calibration, {}).p_value
    undecided = decide_excluding(candidates(0.5, 9), frozenset({"s0"}), None, {})
    assert (undecided.decision, undecided.subject, undecided.p_value) == ("uncalibrated", "s1", None)


def test_a_stranger_is_not_named_because_a_subject_was_barred() -> None:
    """The nearest subject has a term of its own in the p-value that the next has not: to skip it alone would accept."""
    calibration, place = full_conformal(np.array([0.5] + [5.0] * 18), 0.1), {"s0": 1}
    found = candidates(1.0, 1.1)
    assert decide(found, calibration, place).p_value == 3 / 20
    assert decide(found[1:], calibration, place).decision == "known", "what a plain skip would say"
    honored = decide_excluding(found, frozenset({"s0"}), calibration, place)
    assert (honored.decision, honored.subject, honored.p_value) == ("unknown", None, 3 / 20)
    assert honored.distance == 1.1


@pytest.mark.parametrize("kind", [full_conformal, split_conformal])
def test_it_never_accepts_more(kind: type) -> None:
    """Whatever is excluded: the p-value is the larger of the two, and known stays within what was known."""
    random = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        calibration = kind(random.random(19), 0.25)
        found = candidates(*np.sort(random.random(4) * 0.5).tolist())
        place = {f"s{i}": i for i in range(4) if random.random() < 0.7}
        before = decide(found, calibration, place)
        assert before.p_value is not None
        for out in (names for count in (1, 2, 3) for names in combinations(["s0", "s1", "s2", "s3"], count)):
            after = decide_excluding(found, frozenset(out), calibration, place)
            allowed = tuple(one for one in found if one.subject not in out)
            alone = decide(allowed, calibration, place).p_value
            assert alone is not None
            expected = max(before.p_value, alone) if "s0" in out else before.p_value
            assert after.p_value == expected
            assert (after.decision == "known") == (expected <= calibration.fpir)
            assert after.subject == (allowed[0].subject if after.decision == "known" else None)
            seen.add((before.decision, after.decision))
    assert seen == {("known", "known"), ("known", "unknown"), ("unknown", "unknown")}
