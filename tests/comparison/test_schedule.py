"""Successive halving keeps the better half, and keeps the budget."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.comparison.pictures import pictures

from semelha.comparison import measure as measuring
from semelha.comparison.measure import Measurement
from semelha.comparison.methods import DISTANCES, FEATURES, NETWORKS, Attempt, Learned, Method
from semelha.comparison.schedule import FINISHING, WHOLE, Schedule
from semelha.comparison.study import FOLDS, Base, Rows, Source, Study, divide
from semelha.embedders import FeatureExtractor
from semelha.errors import MissingExtra, TrainingError
from semelha.features import RawPixels
from semelha.metrics import Euclidean


@dataclass
class Clock:
    """Time that passes only while a method learns."""

    now: float = 0.0
    log: list[str] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now


def method(
    clock: Clock, name: str, family: str, noise: float, each: float, *, key: str = "", on: str | None = None
) -> Method:
    """It takes `each` seconds for each class; a network `each` and the seconds that it is allowed."""

    def learn(study: Study, rows: Rows, attempt: Attempt) -> Learned:
        clock.now += each + attempt.seconds if family == NETWORKS else each * study.classes(rows)
        clock.log.append(name)

        def vectors(asked: Rows) -> np.ndarray:
            of = np.unique(study.pictures.labels, return_inverse=True)[1][asked]
            random = np.random.default_rng(1).normal(size=(len(study.pictures), 1))[asked]
            return np.asarray(of[:, None] + noise * random, np.float32)

        return Learned(vectors, Euclidean(), 1, 4, 0.1)

    base = None if on is None else Base(on, Source(on, FeatureExtractor(RawPixels()), 1, 0), Euclidean())
    return Method(name, key or name, family, name, None, learn, base)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(measuring, "time", clock)
    return clock


def schedule(folder: Path, methods: list[Method], budget: float | None) -> Schedule:
    data = pictures(classes=48)
    study = Study(data, divide(data, 0), folder, 0)
    return Schedule(study, methods, np.empty(0, np.int64), budget, 5.0, 0.1, lambda text, seconds: None)


def whole(found: Schedule) -> set[str]:
    """Methods that were measured in all folds."""
    return {name for name, several in found.found.items() if sum(one.share >= 1 for one in several) == FOLDS}


def test_the_better_half_goes_on_within_the_budget(tmp_path: Path, clock: Clock) -> None:
    methods = [method(clock, f"m{number}", NETWORKS, 0.1 * number, 1.0) for number in (3, 0, 2, 1)]
    found = schedule(tmp_path, methods, 600.0)
    found.measure_networks()
    assert "m0" in whole(found)
    assert "m3" not in whole(found)
    assert found.outcomes["m3"].state == "cut"
    assert "selection classes" in found.outcomes["m3"].reason
    assert 0.75 * 600 < found.study.spent <= 600 * (1 - FINISHING) + 1


@pytest.mark.parametrize("each", [0.5, 1.2])
def test_what_is_no_network_leaves_time_for_networks(tmp_path: Path, clock: Clock, each: float) -> None:
    """However slow it is; the best of it is measured in all folds."""
    cheap = [method(clock, f"c{number}", DISTANCES, 0.4 * number, 1.7 * each) for number in (2, 0, 1)]
    networks = [method(clock, f"n{number}", NETWORKS, 0.1 * number, 8.0) for number in range(6)]
    found = schedule(tmp_path, [*cheap, *networks], 600.0)
    found.measure_others()
    longest = max(one.seconds for several in found.found.values() for one in several)
    assert found.study.spent <= WHOLE * 600.0 + longest
    found.measure_networks()
    assert {"c0", "n0"} <= whole(found)
    assert all(f"n{number}" in found.found for number in range(6))
    assert ("c2" in whole(found)) == (each < 1)
    assert all(one.reason for one in found.outcomes.values())


def test_it_may_take_the_whole_budget_if_nothing_follows(tmp_path: Path, clock: Clock) -> None:
    found = schedule(
        tmp_path, [method(clock, f"c{number}", DISTANCES, 0.0, 1.0, key="lda") for number in range(3)], 300.0
    )
    found.measure_others()
    assert len(whole(found)) == 3


@pytest.mark.parametrize(("each", "budget"), [(8.0, 100.0), (20.0, 200.0), (30.0, 300.0)])
def test_networks_share_a_short_time(tmp_path: Path, clock: Clock, each: float, budget: float) -> None:
    """Fewer are tried, all with the same seconds, and the best one is measured in all folds; others have a reason."""
    found = schedule(
        tmp_path, [method(clock, f"n{number}", NETWORKS, 0.1 * number, each) for number in range(6)], budget
    )
    found.measure_networks()
    assert len(found.found) >= 2
    assert len({several[0].allowed for several in found.found.values()}) == 1
    assert whole(found) == {"n0"}
    assert found.outcomes.keys() == {f"n{number}" for number in range(1, 6)}
    assert found.study.spent <= budget


@pytest.mark.parametrize(("each", "measured"), [(2.0, {"m0", "m1"}), (3.0, {"m1", "m2"})])
def test_the_best_that_fit_are_measured_in_all_folds(
    tmp_path: Path, clock: Clock, each: float, measured: set[str]
) -> None:
    slow = method(clock, "m0", DISTANCES, 0.0, each)
    found = schedule(tmp_path, [slow, *(method(clock, f"m{n}", DISTANCES, 0.4 * n, 0.5) for n in (1, 2))], 200.0)
    found.measure_others()
    assert whole(found) == measured
    assert all(one.reason.startswith("no time was left for the test folds") for one in found.outcomes.values())
    assert found.outcomes.keys() | measured == {"m0", "m1", "m2"}


def test_what_learns_fast_is_measured_first(tmp_path: Path, clock: Clock) -> None:
    slow = [method(clock, f"s{n}", DISTANCES, 0.0, 4.0, key="lmnn") for n in (1, 2)]
    fast = [method(clock, name, DISTANCES, 0.4, 0.5, key=name) for name in ("itml", "lda")]
    found = schedule(tmp_path, [*slow, *fast], 200.0)
    found.measure_others()
    assert clock.log[:3] == ["lda", "itml", "s1"]
    assert found.outcomes["s2"].reason == "no time was left to try it"


def test_what_learns_on_better_features_is_measured_first(tmp_path: Path, clock: Clock) -> None:
    learned = [method(clock, f"on {name}", DISTANCES, 0.0, 1.0, on=name) for name in ("bad", "good")]
    features = [method(clock, name, FEATURES, noise, 0.1, on=name) for name, noise in (("bad", 9.0), ("good", 0.0))]
    found = schedule(tmp_path, [*learned, *features], 1000.0)
    found.measure_others()
    assert clock.log[:4] == ["bad", "good", "on good", "on bad"]


def test_all_are_measured_without_a_budget(tmp_path: Path, clock: Clock) -> None:
    methods = [method(clock, f"m{number}", DISTANCES, 0.1 * number, 100.0) for number in range(3)]
    found = schedule(tmp_path, methods, None)
    found.measure_others()
    assert clock.log == ["m0", "m1", "m2", "m0", "m0", "m1", "m1", "m2", "m2"]
    assert not found.outcomes


def test_a_failure_is_no_end(tmp_path: Path, clock: Clock) -> None:
    def broken(error: Exception, study: Study, rows: Rows, attempt: Attempt) -> Learned:
        raise error

    methods = [
        Method("a", "a", DISTANCES, "a", None, partial(broken, TrainingError("found nothing"))),
        Method("b", "b", DISTANCES, "b", None, partial(broken, MissingExtra("needs torch"))),
        method(clock, "c", DISTANCES, 0.0, 1.0),
    ]
    found = schedule(tmp_path, methods, None)
    found.measure_others()
    assert found.outcomes["a"].state == "failed"
    assert found.outcomes["a"].reason == "found nothing"
    assert found.outcomes["b"].state == "not installed"
    assert len(found.found["c"]) == 3
    assert isinstance(found.found["c"][0], Measurement)
