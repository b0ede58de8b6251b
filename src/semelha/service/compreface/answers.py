"""What CompreFace answers, with our decision as more fields. Its similarity is derived from our distance."""

from __future__ import annotations

from typing import Any

from semelha.metrics import Metric
from semelha.recognition import Identification, Verification
from semelha.recognition.answer import Decision
from semelha.service.models import Answer, Number

DIGITS = 5  # of a similarity, as in CompreFace
BELOW = 0.49999  # the largest similarity of what is not recognized


class NamedSubject(Answer):
    """The name of a subject."""

    subject: str


class NamedSubjects(Answer):
    """The names of all subjects."""

    subjects: list[str]


class Updated(Answer):
    """Whether a subject was renamed."""

    updated: bool


class Deleted(Answer):
    """How many subjects or examples were removed."""

    deleted: int


class Face(Answer):
    """An example: its id, and its subject."""

    image_id: str
    subject: str


class Faces(Answer):
    """A page of examples."""

    faces: list[Face]
    page_number: int
    page_size: int
    total_pages: int
    total_elements: int


class FaceBox(Answer):
    """The part of the picture that was used, in pixels."""

    probability: float
    x_max: int
    y_max: int
    x_min: int
    y_min: int


class Similar(Answer):
    """A subject, and how similar the picture is, from 0 to 1."""

    subject: str
    similarity: float


class Used(Answer):
    """The part of a picture that was used, and its vector if the plugin `calculator` was named."""

    box: FaceBox
    embedding: list[float] | None = None


class Recognized(Used):
    """The nearest subjects, nearest first, and our decision: see `POST /api/v1/identify`."""

    subjects: list[Similar]
    decision: Decision
    p_value: Number
    target_fpir: float | None


class Compared(Used):
    """How similar a picture is, and our decision: see `POST /api/v1/verify`."""

    similarity: float
    same: bool | None
    p_value: Number
    target_fpir: float | None


class ComparedWithExample(Compared):
    """How similar a picture and an example are, and the subject of the example."""

    subject: str


class Recognition(Answer):
    """The answer for a picture: one result, because a picture is one object."""

    result: list[Recognized]


class Comparison(Answer):
    """The answer for a picture and an example."""

    result: list[ComparedWithExample]


class ComparedPair(Answer):
    """The answer for two pictures."""

    source_image_face: Used
    face_matches: list[Compared]


class PairComparison(Answer):
    """The answer for two pictures, in a list."""

    result: list[ComparedPair]


def similarities(found: Identification, metric: Metric) -> list[Similar]:
    """The candidates with their similarities. Only a subject that is "known" has 0.5 or more."""
    is_decided = found.decision != "uncalibrated"
    return [
        Similar(
            subject=one.subject,
            similarity=similarity(one.distance, metric, one.subject == found.subject if is_decided else None),
        )
        for one in found.candidates
    ]


def compared(found: Verification, metric: Metric) -> dict[str, Any]:
    """The fields of `Compared` that a verification has."""
    return {
        "similarity": similarity(found.distance, metric, found.same),
        "same": found.same,
        "p_value": found.p_value,
        "target_fpir": found.target_fpir,
    }


def similarity(distance: float, metric: Metric, is_same: bool | None) -> float:
    """Compute a similarity in [0, 1] that falls as the distance d rises.

    r = 1 − d / max for the cosine distance and for histograms, whose distance has a maximum, and 1 / (1 + d) for other
    metrics. It is r without a decision; with one, (1 + r) / 2 if it is the same, and r / 2, below 0.5, if it is not.
    """
    is_bounded = metric.is_cosine or (metric.domain == "histograms" and metric.max_distance < float("inf"))
    raw = 1 - distance / metric.max_distance if is_bounded else 1 / (1 + max(0.0, distance))
    raw = min(1.0, max(0.0, raw))
    if is_same is None:
        return round(raw, DIGITS)
    return round((1 + raw) / 2, DIGITS) if is_same else min(round(raw / 2, DIGITS), BELOW)
