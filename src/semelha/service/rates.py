"""What the server answers of the calibration and of error rates, as models of pydantic."""

from __future__ import annotations

from pydantic import Field

from semelha.service.models import Answer, Number


class IntervalAnswer(Answer):
    """An interval with 95% confidence."""

    low: float
    high: float


class CalibrationAnswer(Answer):
    """The rule in force: its rate, on how many it rests, and the interval (95%) of the true rate."""

    is_calibrated: bool
    kind: str | None = None
    fpir: float | None = None
    uncertain: float | None = None
    n: int | None = None
    interval: IntervalAnswer | None = None
    scoring: str | None = None
    assumption: str | None = None
    is_stale: bool | None = None


class CurvePoint(Answer):
    """What a rate of false positives (`fpir`) costs: the share of enrolled pictures that are missed.

    `threshold` is about the score from which on a picture is unknown, null if none is. `wrong` is the share that is
    named as another subject, a part of `fnir`.
    """

    fpir: float
    threshold: Number
    fnir: float | None
    fnir_interval: IntervalAnswer | None
    wrong: float | None


class RequiredAnswer(Answer):
    """How many subjects (or strangers, by `kind`) a rate needs, how many are missing, and how many strangers do too."""

    fpir: float
    size: int
    missing: int
    strangers: int


class CurveAnswer(Answer):
    """The DET curve, from the strictest rate on, on `n` subjects or strangers (`kind`) and `probes` enrolled pictures.

    `fpir` is the rate in force, null if the gallery is not calibrated. A `weight` above 1: more subjects do not support
    a stricter rate, because they were called unknown before they were enrolled.
    """

    is_calibrated: bool
    fpir: float | None
    kind: str
    n: int
    weight: float
    scoring: str
    probes: int
    subjects: int
    points: list[CurvePoint]
    required: list[RequiredAnswer]
    note: str


class ChangedAnswer(Answer):
    """An enrolled picture, left out: from the rate `fpir` on it is named as `named`, by its `nearest` example."""

    id: int = Field(validation_alias="example")
    subject: str
    named: str
    nearest: int
    fpir: float
    has_picture: bool


class ChangesAnswer(Answer):
    """A page of the pictures that two rates decide differently, by their rate; `total` counts all."""

    changes: list[ChangedAnswer]
    total: int
    next: str | None


class EvaluationAnswer(Answer):
    """How often enrolled examples, each left out in turn, are nearest to their own subject; null without a figure."""

    probes: int
    subjects: int
    single_example_subjects: int
    r_at_1: float | None
    r_at_1_interval: IntervalAnswer | None
    map_at_r: float | None
