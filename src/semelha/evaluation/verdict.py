"""The verdict of an evaluation: rules that judge the figures and choose the next step. See docs/evaluation.md."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from semelha.language import Level, Verdict, Words, readable_fraction
from semelha.recognition.calibration import min_sample_size

GOOD = 0.1  # FNIR up to which nobody needs to watch
USEFUL = 0.5  # FNIR up to which it helps a person
MIN_RIGHT = 0.5  # R@1 below which the model does not tell the subjects apart
MIN_PICTURES = 3  # enrolled of each subject
MIN_SUBJECTS = 20  # enrolled, and not enrolled: with fewer, intervals are too narrow
WIDE = 0.3  # width beyond which more must be measured
MAX_STEPS = 3


class Estimate(NamedTuple):
    """A figure and its 95% interval; without an interval both ends equal the figure."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Facts:
    """What the rules judge."""

    right: Estimate | None  # R@1; None if no picture has a match
    target: float  # FPIR
    missed: Estimate | None  # FNIR at the target: of the calibrated rule, or else with hindsight; None if not measured
    named: Estimate | None  # FPIR of the calibrated rule; None if it was not calibrated
    looser: tuple[tuple[float, Estimate], ...]  # higher FPIRs, ascending, and FNIR with hindsight
    has_intervals: bool
    pictures: int
    subjects: int
    enrolled: int  # subjects
    enrolled_pictures: int
    mated: int  # probes
    non_mated: int  # probes
    trained: int  # subjects that the model was trained on

    @property
    def level(self) -> Level:
        """The judgement, by the worse end of each interval."""
        if self.missed is None:
            return "unknown"
        if self.names_too_many or self.missed.high > USEFUL:
            return "poor"
        is_firm = self.named is not None and self.has_intervals and not self.has_few_subjects and not self.trained
        return "good" if is_firm and self.missed.high <= GOOD else "fair"

    @property
    def names_too_many(self) -> bool:
        """Whether the calibrated rule surely exceeds its target."""
        return self.named is not None and self.named.low > self.target

    @property
    def has_few_subjects(self) -> bool:
        """Whether too few subjects are enrolled, or not enrolled, for the intervals."""
        return min(self.enrolled, self.subjects - self.enrolled) < MIN_SUBJECTS

    @property
    def acceptable(self) -> tuple[float, Estimate] | None:
        """The lowest higher FPIR at which few enough are missed; else at which it becomes useful."""
        if self.missed is None:
            return None
        for limit in (GOOD, USEFUL):
            for rate, missed in self.looser:
                if missed.high <= limit < self.missed.high:
                    return rate, missed
        return None

    def rules(self) -> tuple[str, ...]:
        """Names of the rules that apply, the most urgent first, at most `MAX_STEPS`."""
        found = ["unseen"] if self.trained else []
        if self.missed is None:
            return (*found, "strangers" if self.mated else "mated")
        if self.names_too_many:
            found.append("false_names")
        if not self.has_intervals:
            found.append("intervals")
        elif self.has_few_subjects:
            found.append("subjects")
        elif self.missed.high - self.missed.low > WIDE:
            found.append("precise")
        if self.missed.high > GOOD:
            cannot_tell = self.right is not None and self.right.low < MIN_RIGHT
            has_few_pictures = self.enrolled_pictures < MIN_PICTURES * self.enrolled
            if cannot_tell or not (has_few_pictures or self.acceptable):
                found.append("train")
            elif has_few_pictures:
                found.append("enroll")
            if self.acceptable:
                found.append("looser")
        elif self.named is None:
            found.append("calibrate")
        return tuple(found[:MAX_STEPS]) or ("use",)


def judge(facts: Facts, words: Words) -> Verdict:
    """The verdict on some facts, in the language of the words."""
    rules = facts.rules()
    steps = tuple(_step(rule, facts, words, is_first=rule == rules[0]) for rule in rules)
    return Verdict(facts.level, _result(facts, words), steps, _basis(facts, words), rules, words.language)


def _result(facts: Facts, words: Words) -> str:
    if facts.right is None:
        right = words.t("evaluation.no_right")
    else:
        right = words.t("evaluation.right", right=words.estimate_of_100(*facts.right))
    rate = _false_names(facts.target, words)
    if facts.missed is None:
        return f"{right} {words.t('evaluation.not_missed', rate=rate)}"
    level = "poor" if facts.missed.high > USEFUL else "good" if facts.level == "good" else "fair"
    key = "evaluation.missed_at_best" if facts.named is None else "evaluation.missed"
    missed = words.estimate_of_100(*facts.missed)
    return f"{right} {words.t(key, rate=rate, missed=missed, judgement=words.t(f'judgement.{level}'))}"


def _step(rule: str, facts: Facts, words: Words, *, is_first: bool) -> str:
    values: dict[str, object] = {}
    if rule == "unseen":
        values = {"n": facts.trained, "of": facts.subjects}
    elif rule == "strangers":
        values = {"n": facts.non_mated, "needed": math.ceil(1 / facts.target - 1e-9)}
    elif rule == "false_names" and facts.named is not None:
        values = {"named": words.estimate_of_100(*facts.named)}
    elif rule == "subjects":
        smaller = max(1, min(facts.enrolled, facts.subjects - facts.enrolled))
        values = {"n": facts.subjects, "needed": math.ceil(MIN_SUBJECTS * facts.subjects / smaller)}
    elif rule == "precise":
        values = {"n": facts.subjects}
    elif rule == "calibrate":
        needed = {kind: min_sample_size(facts.target, kind) for kind in ("strangers", "subjects")}
        values = {"n": facts.enrolled, **needed}
    elif rule == "looser" and facts.acceptable is not None:
        rate, missed = facts.acceptable
        values = {"rate": _false_names(rate, words), "missed": words.estimate_of_100(*missed)}
    return words.t("step.looser_only" if rule == "looser" and is_first else f"step.{rule}", **values)


def _basis(facts: Facts, words: Words) -> str:
    each = facts.enrolled_pictures / facts.enrolled
    return words.t(
        "basis.evaluation",
        pictures=facts.pictures,
        subjects=facts.subjects,
        enrolled=facts.enrolled,
        each=words.t("basis.one_each") if each == 1 else words.t("basis.each", each=words.localized(f"{each:.3g}")),
        others=facts.subjects - facts.enrolled,
    )


def _false_names(rate: float, words: Words) -> str:
    """A rate of strangers that are named: "1 false name in 100 strangers"."""
    n, of, is_exact = readable_fraction(rate)
    text = words.t("false_names", n=n, of=of)
    return text if is_exact else words.t("about", what=text)
