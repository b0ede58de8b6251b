"""The verdict of a check: how many names seem wrong, and what to repair first. See docs/curation.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from semelha.language import Level, Verdict, Words

MAX_STEPS = 3
REPAIRS = ("mislabel", "merge", "duplicate", "split", "outlier")  # what makes wrong answers comes first
SURELY_HARMFUL = ("mislabel", "merge", "duplicate")


@dataclass(frozen=True)
class Facts:
    """What the rules judge."""

    counts: Mapping[str, int]  # of the findings of each kind
    mislabels: float  # the sum of the probabilities that a label is wrong
    examples: int
    subjects: int
    single: int  # subjects with one example

    @property
    def judged(self) -> int:
        """Examples whose label can be judged."""
        return self.examples - self.single

    @property
    def level(self) -> Level:
        """Poor with a finding that makes wrong answers; unknown if no label can be judged."""
        if any(self.counts.get(kind) for kind in SURELY_HARMFUL):
            return "poor"
        if not self.judged:
            return "unknown"
        return "fair" if any(self.counts.values()) else "good"

    def rules(self) -> tuple[str, ...]:
        """Names of the rules that apply, the most urgent first, at most `MAX_STEPS`."""
        if not self.examples:
            return ("enroll",)
        found = [kind for kind in REPAIRS if self.counts.get(kind)]
        if self.single:
            found.append("single")
        return tuple(found[:MAX_STEPS]) or ("nothing",)


def judge(facts: Facts, words: Words) -> Verdict:
    """The verdict on some facts, in the language of the words."""
    rules = facts.rules()
    counts = {**facts.counts, "single": facts.single}
    steps = tuple(words.t(f"repair.{rule}", n=counts.get(rule, 0)) for rule in rules)
    return Verdict(facts.level, _result(facts, words), steps, _basis(facts, words), rules, words.language)


def _result(facts: Facts, words: Words) -> str:
    if not facts.examples:
        return words.t("check.empty")
    mislabels = facts.counts.get("mislabel", 0)
    if mislabels:
        digits = 1 if facts.mislabels < 10 else 0
        expected = words.localized(f"{facts.mislabels:,.{digits}f}".removesuffix(".0"))
        labels = words.t("check.mislabels", n=mislabels, of=facts.examples, expected=expected)
    else:
        labels = words.t("check.no_mislabels", n=facts.judged) if facts.judged else words.t("check.no_judgement")
    others = [words.t(f"check.{kind}", n=n) for kind in REPAIRS[1:] if (n := facts.counts.get(kind, 0))]
    return f"{labels} {words.t('check.others', found=', '.join(others)) if others else words.t('check.nothing')}"


def _basis(facts: Facts, words: Words) -> str:
    key = "basis.single" if facts.single else "basis.check"
    return words.t(key, n=facts.single, pictures=facts.examples, subjects=facts.subjects)
