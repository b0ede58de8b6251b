"""The result of tuning a method: its trials, the settings found beside the defaults, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from semelha.comparison.result import DataFacts, Difference, Figure
from semelha.errors import SemelhaError
from semelha.files import write_file
from semelha.language import Words
from semelha.untrusted import MAX_BYTES, parse_json, read_bytes

FORMAT = 1
"""Of the JSON."""
SURE = 0.05
"""p-value below which a lead is no chance."""


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
    defaults : dict
        Of the settings that were tuned; None for what depends on the pictures.
    trials : tuple of SettingsTrial
        In the order in which they were tried; the first are the defaults.
    default : MeasuredSettings
    found : MeasuredSettings or None
        The settings that were best on the selection classes; None if those are the defaults.
    difference : Difference or None
        R@1 of `found` less that of the defaults, on the same test pictures.
    is_better : bool
        Whether `found` is better beyond doubt: the 95% interval of the difference is above 0, and p below 0.05.
    text, command : str
        What to take, and the command that trains it.
    """

    method: str
    data: DataFacts
    defaults: Mapping[str, float | None]
    trials: tuple[SettingsTrial, ...]
    default: MeasuredSettings
    found: MeasuredSettings | None
    difference: Difference | None
    is_better: bool
    text: str
    command: str
    budget: float | None  # seconds
    used: float  # seconds
    minutes: float | None  # of one training of a network, at most
    seed: int
    versions: dict[str, str]
    date: str
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """As numbers, strings, lists, dicts and None."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found

    def write(self, path: Path) -> None:
        """Write the JSON. Raises `SemelhaError`."""
        write_file(path, [json.dumps(self.to_json(), ensure_ascii=False, indent=1), "\n"])

    @classmethod
    def read(cls, path: Path) -> Tuning:
        """Read what `write` wrote. Raises `SemelhaError`, or `FileNotFoundError`."""
        value = parse_json(read_bytes(path, max_bytes=MAX_BYTES, error=SemelhaError), str(path), error=SemelhaError)
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


def conclusion(
    default: MeasuredSettings, found: MeasuredSettings | None, difference: Difference | None, tried: int
) -> str:
    """What to take, in words. `tried` counts the trials."""
    if found is None or difference is None:
        if tried < 2:
            return "Keep the defaults: no time was left to try other settings. Allow more time."
        return f"Keep the defaults: none of {tried - 1} other settings was better on the selection classes."
    text = (
        f"of 100 pictures of the test classes, {_of_100(found.r_at_1)} had a picture of their class as the nearest, "
        f"with the defaults {_of_100(default.r_at_1)}"
    )
    if is_surely_better(difference):
        return f"Take the settings found: {text}."
    lead = f"{difference.value:+.3f}"
    if difference.low is not None and difference.high is not None:
        lead += f", 95% interval {difference.low:+.3f} to {difference.high:+.3f}"
    return f"Keep the defaults. With the settings found, {text}; the difference ({lead}) does not prove them better."


def _of_100(figure: Figure) -> str:
    of_100 = Words("en").of_100
    ends = "" if figure.low is None or figure.high is None else f" ({of_100(figure.low)} to {of_100(figure.high)})"
    return f"{of_100(figure.value)}{ends}"


@cache
def _adapter() -> TypeAdapter[Tuning]:
    return TypeAdapter(Tuning)
