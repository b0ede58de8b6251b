"""The verdict of a comparison: which method to take, how well it works, and what to do next. See docs/comparing.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from semelha.language import Level, Verdict, Words

GOOD = 0.9  # R@1, lower end of the interval
USEFUL = 0.5  # R@1
SURE = 0.05  # p-value, corrected for the number of methods
MIN_CLASSES = 20  # tested: with fewer, intervals are too narrow
WIDE = 0.2  # width of an interval beyond which more must be measured
MAX_STEPS = 3

Step = Literal["train", "train_best", "untrained"]
"""What a command does: it trains a method; it trains several and keeps the best; or it uses a model as it is."""


@dataclass(frozen=True)
class Facts:
    """What the rules judge. Figures are R@1 on the test classes."""

    method: str | None  # recommended
    command: str
    step: Step  # what the command does
    right: tuple[float, float, float] | None  # of the recommended method: value, and ends of its interval
    best: str | None  # the method with the highest figure
    best_right: float
    costs_more: bool  # the best one, than the recommended one
    p: float | None  # of the difference between both; None if they are the same, or no test was made
    cut: int  # methods that the budget cut
    not_installed: int  # methods
    pictures: int
    classes: int
    tested: int  # classes, in all folds
    selection: int  # classes

    @property
    def level(self) -> Level:
        """The judgement, by the worse end of the interval."""
        if self.right is None:
            return "unknown"
        value, low, _ = self.right
        if value < USEFUL:
            return "poor"
        return "good" if low >= GOOD and self.tested >= MIN_CLASSES else "fair"

    def rules(self) -> tuple[str, ...]:
        """Names of the rules that apply, the most urgent first, at most `MAX_STEPS`."""
        found: list[str] = [] if self.method is None else [self.step]
        if self.tested < MIN_CLASSES:
            found.append("classes")
        elif self.right is not None and self.right[2] - self.right[1] > WIDE:
            found.append("uncertain")
        if self.not_installed:
            found.append("install")
        if self.cut:
            found.append("budget_step")
        return tuple(found[:MAX_STEPS])


def judge(facts: Facts, words: Words) -> Verdict:
    """The verdict on some facts, in the language of the words."""
    rules = facts.rules()
    steps = tuple(_step(rule, facts, words) for rule in rules)
    basis = words.t(
        "compare.basis",
        pictures=facts.pictures,
        classes=facts.classes,
        tested=facts.tested,
        selection=facts.selection,
    )
    return Verdict(facts.level, _result(facts, words), steps, basis, rules, words.language, facts.command)


def _result(facts: Facts, words: Words) -> str:
    if facts.method is None or facts.right is None:
        return words.t("compare.none")
    text = words.t("compare.take", method=facts.method, right=words.estimate_of_100(*facts.right))
    if facts.best is None or facts.best_right <= facts.right[0]:
        return text
    key = "compare.best_surely" if facts.p is not None and facts.p < SURE else "compare.best"
    why = words.t("compare.costs_more" if facts.costs_more else "compare.was_behind")
    return f"{text} {words.t(key, method=facts.best, right=words.of_100(facts.best_right), why=why)}"


def _step(rule: str, facts: Facts, words: Words) -> str:
    counts = {"install": facts.not_installed, "budget_step": facts.cut}
    return words.t(f"compare.{rule}", n=counts.get(rule, facts.tested), needed=MIN_CLASSES)
