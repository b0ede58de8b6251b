"""The results of identification and verification."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Decision = Literal["known", "uncertain", "unknown", "uncalibrated"]


@dataclass(frozen=True)
class Match:
    """An enrolled example with its distance to the probe."""

    example: int
    source: str
    distance: float


@dataclass(frozen=True)
class Candidate:
    """A subject, its distance to the probe (by the pooling of the scoring), and its examples among the neighbors."""

    subject: str
    distance: float
    examples: tuple[Match, ...]


@dataclass(frozen=True)
class Identification:
    """The result of identifying a probe (1:N).

    Attributes
    ----------
    decision : {"known", "uncertain", "unknown", "uncalibrated"}
        "uncertain": accepted at the second rate of the calibration, but not at the first, so that a person should
        decide. "uncalibrated": the gallery is not calibrated, and the nearest subject is named without a decision.
    subject : str or None
        The nearest subject; None if the decision is "unknown" or "uncertain" (see `candidates`).
    distance : float or None
        Distance to the nearest subject, also if the decision is "unknown".
    p_value : float or None
        How often a stranger has as low a score; "known" if it is at most the calibrated rate.
    probability : float or None
        Probability that the nearest subject is the right one if half of the probes are strangers; None if it cannot be
        estimated.
    candidates : tuple of Candidate
        The nearest subjects, nearest first.
    note : str
        The assumption of the decision.
    excluded : tuple of str
        Subjects removed from the candidates, because `Gallery.reject` said that such a picture does not show them.
    target_fpir : float or None
        The calibrated rate; None if the decision rests on none.
    """

    decision: Decision
    subject: str | None
    distance: float | None
    p_value: float | None
    candidates: tuple[Candidate, ...]
    note: str
    probability: float | None = None
    excluded: tuple[str, ...] = ()
    target_fpir: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as numbers, strings, lists and dicts."""
        return asdict(self)


@dataclass(frozen=True)
class Verification:
    """The result of verification (1:1): whether two pictures, or a picture and a subject, show the same.

    Attributes
    ----------
    same : bool or None
        None if the gallery is not calibrated.
    subject : str or None
        The subject with which the picture was compared, if it was one.
    target_fpir : float or None
        The calibrated rate; None if the gallery is not calibrated.
    """

    same: bool | None
    distance: float
    p_value: float | None
    subject: str | None
    note: str
    target_fpir: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as numbers, strings and None."""
        return asdict(self)
