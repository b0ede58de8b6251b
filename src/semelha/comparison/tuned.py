"""The result of tuning a method: its trials, the settings found beside the defaults, and its JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from semelha.comparison.result import DataFacts, Difference, Figure
from semelha.comparison.spaces import Choice, Range
from semelha.comparison.verdict import MIN_CLASSES, SURE, WIDE
from semelha.errors import SemelhaError
from semelha.files import write_file
from semelha.html.notebook import notebook_html
from semelha.language import Level, Verdict, Words, words_in
from semelha.untrusted import read_json

FORMAT = 1
"""Of the JSON."""
FEW = 10
"""Trials below which more are advised."""


@dataclass(frozen=True)
class SettingsTrial:
    """Settings that were tried, on the selection classes.

    Attributes
    ----------
    number : int
        From 1, which are the defaults.
    settings : dict
        Those that are not the defaults, by name.
    state : {"measured", "pruned", "failed"}
        "pruned": stopped, because it was worse than the median of the others by then.
    r_at_1 : Figure or None
        None if it was not measured.
    seconds : float
    reason : str
        Why it failed; "" if it did not.
    """

    number: int
    settings: Mapping[str, float]
    state: Literal["measured", "pruned", "failed"]
    r_at_1: Figure | None
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class MeasuredSettings:
    """Settings on the test classes, of which they learned nothing, and the command that trains with them."""

    trial: int
    settings: Mapping[str, float]
    r_at_1: Figure
    map_at_r: Figure
    seconds: float  # of learning from one fold's classes
    command: str


@dataclass(frozen=True)
class Tuning:
    """A method, tuned on the selection classes of one data set, and measured once on the test classes.

    Attributes
    ----------
    space : dict
        The settings that were tuned, with their limits and defaults.
    trials : tuple of SettingsTrial
        In the order in which they were tried; the first are the defaults.
    default : MeasuredSettings
    found : MeasuredSettings or None
        The settings that were best on the selection classes; None if those are the defaults.
    difference : Difference or None
        R@1 of `found` less that of the defaults, on the same test pictures.
    is_better : bool
        Whether `found` is better beyond doubt: the 95% interval of the difference is above 0, and p below 0.05.
    ended : {"trials", "budget", "settings"}
        Why the search ended: all trials that were allowed, no time for another, or almost all settings were tried.
    command : str
        That trains with what is recommended.
    """

    method: str
    data: DataFacts
    space: Mapping[str, Range | Choice]
    trials: tuple[SettingsTrial, ...]
    default: MeasuredSettings
    found: MeasuredSettings | None
    difference: Difference | None
    is_better: bool
    ended: Literal["trials", "budget", "settings"]
    command: str
    budget: float | None  # seconds
    used: float  # seconds
    minutes: float | None  # of one training of a network, at most
    seed: int
    versions: dict[str, str]
    machine: str
    date: str
    format: int = FORMAT

    @property
    def defaults(self) -> dict[str, float | None]:
        """Of the settings that were tuned; None for what depends on the pictures."""
        return {name: one.default for name, one in self.space.items()}

    def verdict(self, language: str | None = None) -> Verdict:
        """What to take in plain words, and what to do next; `str` of it is one paragraph.

        The language is "en" or "pt-BR"; None is that of the locale. Raises `UsageError` for another language.
        """
        words, rules = words_in(language), self._rules()
        data, tested = self.data, sum(self.data.fold_classes)
        counts = {"budget": len(self.trials), "trials": len(self.trials)}
        steps = tuple(
            words.t(f"compare.{rule}", n=tested, needed=MIN_CLASSES)
            if rule in ("classes", "uncertain")
            else words.t(f"tune.{rule}", n=counts.get(rule, tested))
            for rule in rules
        )
        basis = words.t(
            "tune.basis",
            pictures=data.pictures,
            classes=data.classes,
            tested=tested,
            selection=data.selection_classes,
        )
        return Verdict(self._level(), self._result(words), steps, basis, rules, words.language, self.command)

    def _level(self) -> Level:
        if len(self.trials) < 2:
            return "unknown"
        return "good" if self.is_better else "fair"

    def _rules(self) -> tuple[str, ...]:
        found = ["train" if self.is_better else "train_defaults"]
        if self.ended == "budget" or (self.ended == "trials" and len(self.trials) < FEW):
            found.append(self.ended)
        _, low, high = (self.found or self.default).r_at_1
        if sum(self.data.fold_classes) < MIN_CLASSES:
            found.append("classes")
        elif low is not None and high is not None and high - low > WIDE:
            found.append("uncertain")
        return tuple(found)

    def _result(self, words: Words) -> str:
        if self.found is None or self.difference is None:
            others = len(self.trials) - 1
            return words.t("tune.none", n=others) if others else words.t("tune.untried")
        less = self.difference
        is_worse = less.high is not None and less.high < 0 and less.p < SURE
        key = "take" if self.is_better else "worse" if is_worse else "keep"
        rates = [one.r_at_1.value for one in (self.found, self.default)]
        found, default = (words.of_100(rate) for rate in rates)
        if found == default:
            found, default = (words.localized(f"{100 * rate:.1f}") for rate in rates)
        return words.t(f"tune.{key}", found=found, default=default)

    def _repr_html_(self) -> str:
        """For notebooks: the verdict, the command, and the defaults beside the settings found."""
        words = words_in(None)
        verdict = self.verdict(words.language)
        rows = [("", *self.space, "R@1")]
        for key, one in (("tune.default", self.default), ("tune.found", self.found)):
            if one is not None:
                numbers = (shown_number(one.settings.get(name, self.defaults[name]), words) for name in self.space)
                rows.append((words.t(key), *numbers, words.rate(round(one.r_at_1.value, 3))))
        lines = (verdict.result, *verdict.steps, verdict.command, verdict.basis)
        return notebook_html(f"{self.method}, {self.data.name}", lines, table=rows)

    def to_json(self) -> dict[str, Any]:
        """As numbers, strings, lists, dicts and None."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON. Raises `SemelhaError`."""
        write_file(Path(path), [json.dumps(self.to_json(), ensure_ascii=False, indent=1), "\n"])

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Tuning:
        """Read what `write` wrote. Raises `SemelhaError`, or `FileNotFoundError`."""
        value = read_json(Path(path), error=SemelhaError)
        if isinstance(number := value.get("format"), int) and number > FORMAT:
            raise SemelhaError(f"{path} was written by a newer semelha: update semelha to read it")
        try:
            return _adapter().validate_json(json.dumps(value), strict=True)
        except ValidationError as problem:
            first = problem.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise SemelhaError(f"{path} is no tuning: {place or 'it'}: {first['msg']}") from None


def is_surely_better(difference: Difference) -> bool:
    """Whether the lead is more than chance explains."""
    return difference.low is not None and difference.low > 0 and difference.p < SURE


def shown_number(number: float | None, words: Words) -> str:
    """The number of a setting; in words for one that depends on the pictures."""
    return words.t("tune.automatic") if number is None else words.localized(f"{number:g}")


@cache
def _adapter() -> TypeAdapter[Tuning]:
    return TypeAdapter(Tuning)
