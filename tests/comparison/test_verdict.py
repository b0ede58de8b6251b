"""The verdict of a comparison: which method, how well it works, and what to do next, in both languages."""

from dataclasses import replace
from typing import Any

import pytest
from tests.comparison.made import comparison

from semelha.comparison.verdict import Facts, judge
from semelha.errors import UsageError
from semelha.language import words_in

FACTS = Facts(
    method="lda",
    command="semelha train",
    step="train",
    right=(0.93, 0.91, 0.95),
    best="lda",
    best_right=0.93,
    costs_more=True,
    p=None,
    cut=0,
    not_installed=0,
    pictures=400,
    classes=40,
    tested=30,
    selection=10,
)


@pytest.mark.parametrize(
    ("change", "level", "rules"),
    [
        ({}, "good", ("train",)),
        ({"right": (0.93, 0.89, 0.95)}, "fair", ("train",)),
        ({"right": (0.93, 0.7, 0.95)}, "fair", ("train", "uncertain")),
        ({"right": (0.49, 0.4, 0.6)}, "poor", ("train",)),
        ({"tested": 19}, "fair", ("train", "classes")),
        ({"right": (0.93, 0.5, 1.0), "tested": 19}, "fair", ("train", "classes")),
        ({"step": "train_best"}, "good", ("train_best",)),
        ({"step": "untrained"}, "good", ("untrained",)),
        ({"method": None, "command": "", "right": None}, "unknown", ()),
        ({"cut": 3, "not_installed": 2}, "good", ("train", "install", "budget_step")),
        ({"cut": 3, "not_installed": 2, "tested": 3}, "fair", ("train", "classes", "install")),
    ],
)
def test_level_and_rules(change: dict[str, Any], level: str, rules: tuple[str, ...]) -> None:
    verdict = judge(replace(FACTS, **change), words_in("en"))
    assert (verdict.level, verdict.rules) == (level, rules)
    assert len(verdict.steps) == len(rules)


def test_a_wide_interval_is_given_as_its_ends() -> None:
    assert "saw, 93 had" in judge(FACTS, words_in("en")).result
    assert "saw, 70 to 95 had" in judge(replace(FACTS, right=(0.93, 0.7, 0.95)), words_in("en")).result


@pytest.mark.parametrize(
    ("p", "said"), [(0.2, "not surely better, and costs more"), (0.01, "surely better"), (None, "not surely better")]
)
def test_a_better_method_that_costs_more_is_named(p: float | None, said: str) -> None:
    result = judge(replace(FACTS, best="network", best_right=0.95, p=p), words_in("en")).result
    assert "network" in result
    assert said in result
    assert "costs more" not in judge(FACTS, words_in("en")).result


def test_a_better_method_that_costs_less_was_behind_where_the_choice_was_made() -> None:
    facts = replace(FACTS, best="network", best_right=0.95, costs_more=False)
    assert "was behind on the classes by which the choice is made" in judge(facts, words_in("en")).result
    assert "costs more" not in judge(facts, words_in("en")).result


def test_the_verdict_of_a_comparison() -> None:
    made = comparison()
    verdict = made.verdict("en")
    assert made.recommendation is not None
    assert str(verdict).endswith(f"\n{made.recommendation.command}")
    assert verdict.to_json()["command"] == made.recommendation.command
    assert "Take lda on the model: of 100 pictures" in verdict.result
    assert "480 pictures of 40 classes. 30 of these were tested" in verdict.basis
    assert verdict.rules == ("train", "install", "budget_step")
    spoken = made.verdict("pt-BR")
    assert spoken.rules == verdict.rules
    assert "Use lda on the model" in spoken.result
    with pytest.raises(UsageError, match=r"language.*en, pt-BR"):
        made.verdict("fr")


def test_without_a_measured_method_there_is_no_command() -> None:
    made = replace(comparison(), recommendation=None, methods=())
    verdict = made.verdict("en")
    assert verdict.level == "unknown"
    assert str(verdict).startswith("No method could be measured")
    assert "\n" not in str(verdict)
