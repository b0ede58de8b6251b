"""What was cut is expected to gain as much as what went on."""

import pytest
from scipy.special import expit, logit

from semelha.comparison.expected import with_expected
from semelha.comparison.result import Figure, MethodResult, Trial


def result(name: str, family: str, rates: list[float], selection: float | None) -> MethodResult:
    trials = tuple(Trial(number, 8, Figure(rate), 1.0) for number, rate in enumerate(rates, 1))
    state = "cut" if selection is None else "measured"
    return MethodResult(
        name, family, "", None, state, trials=trials, selection=None if selection is None else Figure(selection)
    )


def expected(*methods: MethodResult) -> dict[str, float | None]:
    return {one.name: one.expected for one in with_expected(methods)}


def test_what_was_cut_gains_as_much_as_its_family() -> None:
    """In log-odds, from the round in which it was cut; other families are no measure of it."""
    found = expected(
        result("best", "network", [0.8, 0.85, 0.92], 0.93),
        result("early", "network", [0.7], None),
        result("late", "network", [0.75, 0.82], None),
        result("other", "model", [0.1], 0.9),
    )
    assert found["best"] == 0.93
    assert found["early"] == pytest.approx(expit(logit(0.7) + logit(0.92) - logit(0.8)))
    assert found["late"] == pytest.approx(expit(logit(0.82) + logit(0.92) - logit(0.85)))


def test_what_learned_from_all_classes_gains_nothing() -> None:
    found = expected(result("a", "learned distance", [0.9], 0.91), result("b", "learned distance", [0.6], None))
    assert found["b"] == pytest.approx(0.6)


@pytest.mark.parametrize("rates", [[1.0], [0.0], [0.7]])
def test_without_a_family_it_is_the_last_trial(rates: list[float]) -> None:
    assert expected(result("alone", "network", rates, None))["alone"] == pytest.approx(rates[0], abs=1e-3)


def test_nothing_is_expected_of_what_was_never_tried() -> None:
    assert expected(result("untried", "network", [], None))["untried"] is None
