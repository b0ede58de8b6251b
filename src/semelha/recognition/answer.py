"""What recognition answers, and what it rests on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Decision = Literal["known", "uncertain", "unknown", "uncalibrated"]


@dataclass(frozen=True)
class Match:
    """An enrolled example and its distance to the probe."""

    example: int
    source: str
    distance: float


@dataclass(frozen=True)
class Candidate:
    """A subject, its distance by the pooling of the gallery's scoring, and its examples among the neighbors."""

    subject: str
    distance: float
    examples: tuple[Match, ...]


@dataclass(frozen=True)
class Identification:
    """Who or what a probe shows.

    Attributes
    ----------
    decision : {"known", "uncertain", "unknown", "uncalibrated"}
        "uncertain": too near for a stranger at the second rate of the calibration, but not at the first; somebody
        should look. "uncalibrated": the gallery was not calibrated, so the nearest subject is named without deciding.
    subject : str or None
        The nearest subject; None where unknown or uncertain (`candidates` say who it may be), or where nothing is
        enrolled.
    distance : float or None
        To the nearest subject, also where the answer is unknown.
    p_value : float or None
        How often a stranger comes this near: known where it is at most the calibrated rate.
    probability : float or None
        That the nearest subject is the right one, where every other probe is a stranger; None where the gallery cannot
        tell.
    candidates : tuple of Candidate
        Nearest first, each subject once.
    note : str
        What the decision assumes.
    excluded : tuple of str
        Subjects that would be among the candidates, but that such a picture was said not to show.
    """

    decision: Decision
    subject: str | None
    distance: float | None
    p_value: float | None
    candidates: tuple[Candidate, ...]
    note: str
    probability: float | None = None
    excluded: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As numbers, strings, lists and dicts."""
        return asdict(self)


@dataclass(frozen=True)
class Verification:
    """Whether two pictures, or a picture and a subject, show the same.

    Attributes
    ----------
    same : bool or None
        None where the gallery was not calibrated.
    distance : float
    p_value : float or None
    subject : str or None
        The subject that the picture was compared with.
    note : str
    """

    same: bool | None
    distance: float
    p_value: float | None
    subject: str | None
    note: str

    def to_json(self) -> dict[str, Any]:
        """As numbers, strings and None."""
        return asdict(self)
