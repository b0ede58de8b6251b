"""Successive halving keeps the better half, and keeps the budget."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.comparison.pictures import pictures

from semelha.comparison import measure as measuring
from semelha.comparison.measure import Measurement
from semelha.comparison.methods import DISTANCES, NETWORKS, Learned, Limits, Method
from semelha.comparison.schedule import FINISHING, Schedule
from semelha.comparison.study import Rows, Study, divide
from semelha.errors import MissingExtra, TrainingError
from semelha.metrics import Euclidean


@dataclass
class Clock:
    """Time that passes only while a method learns."""

    now: float = 0.0
    log: list[str] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now


def method(clock: Clock, name: str, family: str, noise: float, each: float) -> Method:
    """It takes `each` seconds for each class that it learns from, or the seconds that a network is allowed and two."""

    def learn(study: Study, rows: Rows, limits: Limits) -> Learned:
        clock.now += 2 + limits.seconds if family == NETWORKS else each * study.classes(rows)
        clock.log.append(name)

        def vectors(asked: Rows) -> np.ndarray:
            of = np.unique(study.pictures.labels, return_inverse=True)[1][asked]
            random = np.random.default_rng(1).normal(size=(len(study.pictures), 1))[asked]
            return np.asarray(of[:, None] + noise * random, np.float32)

        return Learned(vectors, Euclidean(), 1, 4, 0.1)

    return Method(name, name, family, name, None, learn)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(measuring, "time", clock)
    return clock


def schedule(folder: Path, methods: list[Method], budget: float | None) -> Schedule:
    data = pictures(classes=48)
    study = Study(data, divide(data, 0), folder, 0)
    return Schedule(study, methods, np.empty(0, np.int64), budget, 5.0, 0.1, lambda text, seconds: None)


@pytest.mark.parametrize(("family", "budget"), [(DISTANCES, 200.0), (NETWORKS, 600.0)])
def test_the_better_half_goes_on_within_the_budget(tmp_path: Path, clock: Clock, family: str, budget: float) -> None:
    methods = [method(clock, f"m{number}", family, 0.1 * number, 1.0) for number in (3, 0, 2, 1)]
    found = schedule(tmp_path, methods, budget)
    found.halve_families()
    whole = {name for name, several in found.found.items() if sum(one.share >= 1 for one in several) == 3}
    assert "m0" in whole
    assert "m3" not in whole
    assert found.outcomes["m3"].state == "cut"
    assert "selection classes" in found.outcomes["m3"].reason
    assert found.study.spent <= budget * (1 - FINISHING) + 1
    if family == NETWORKS:
        assert found.study.spent > 0.75 * budget


def test_all_are_measured_without_a_budget(tmp_path: Path, clock: Clock) -> None:
    methods = [method(clock, f"m{number}", DISTANCES, 0.1 * number, 100.0) for number in range(3)]
    found = schedule(tmp_path, methods, None)
    found.halve_families()
    assert clock.log == ["m0", "m1", "m2", "m0", "m0", "m1", "m1", "m2", "m2"]
    assert not found.outcomes


def test_a_failure_is_no_end(tmp_path: Path, clock: Clock) -> None:
    def broken(error: Exception, study: Study, rows: Rows, limits: Limits) -> Learned:
        raise error

    methods = [
        Method("a", "a", DISTANCES, "a", None, partial(broken, TrainingError("found nothing"))),
        Method("b", "b", DISTANCES, "b", None, partial(broken, MissingExtra("needs torch"))),
        method(clock, "c", DISTANCES, 0.0, 1.0),
    ]
    found = schedule(tmp_path, methods, None)
    found.halve_families()
    assert found.outcomes["a"].state == "failed"
    assert found.outcomes["a"].reason == "found nothing"
    assert found.outcomes["b"].state == "not installed"
    assert len(found.found["c"]) == 3
    assert isinstance(found.found["c"][0], Measurement)
