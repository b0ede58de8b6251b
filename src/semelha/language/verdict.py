"""The verdict of a report: what was found in plain words, what to do next, and what it rests on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["good", "fair", "poor", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """Sentences in one language; `str` joins them, and adds the command as a line.

    Attributes
    ----------
    level : {"good", "fair", "poor", "unknown"}
        "unknown" if the data are too few for a judgement.
    result : str
        The main figures.
    steps : tuple of str
        What to do next, the most urgent first.
    basis : str
        How many subjects and pictures the figures rest on.
    rules : tuple of str
        Names of the rules that chose the steps.
    language : {"en", "pt-BR"}
    command : str
        The command that the first step is about; "" if it is about none.
    """

    level: Level
    result: str
    steps: tuple[str, ...]
    basis: str
    rules: tuple[str, ...]
    language: str
    command: str = ""

    def __str__(self) -> str:
        return " ".join((self.result, *self.steps, self.basis)) + (f"\n{self.command}" if self.command else "")

    def to_json(self) -> dict[str, Any]:
        """The fields as strings and lists, and all sentences under "text"."""
        return {"text": str(self), **asdict(self)}
