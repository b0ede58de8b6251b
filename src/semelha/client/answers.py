"""Answers of a server as the results of `Gallery`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from semelha.errors import ServiceError
from semelha.files import write_file
from semelha.gallery import (
    Accuracy,
    ChangedAnswers,
    Check,
    Cluster,
    Clustering,
    DetCurve,
    DetPoint,
    Enrollment,
    Finding,
    LeftOutAnswer,
    Map,
    RequiredSize,
    Review,
    ReviewPage,
)
from semelha.gallery.curation.check import Example
from semelha.images import Skipped
from semelha.measures import Interval
from semelha.recognition import Candidate, Identification, Match, Scoring, Verification
from semelha.recognition.calibration import Kind
from semelha.store import AuditEntry, Merge, Rejection, StoredExample, Subject

T = TypeVar("T")


@dataclass(frozen=True)
class CalibrationSummary:
    """The rule in force on a server: what `Calibration` says of it, without the distances that it rests on.

    Attributes
    ----------
    kind : {"strangers", "subjects"}
    fpir : float
    uncertain : float or None
    n : int
        Number of strangers or subjects in the calibration.
    scoring : Scoring
    assumption : str
        The assumption under which the rate holds.
    stale : bool
        Whether the gallery changed since, and the scores are being computed again.
    low, high : float
        Interval of the rate of this gallery, with 95% confidence.
    """

    kind: Kind
    fpir: float
    uncertain: float | None
    n: int
    scoring: Scoring
    assumption: str
    stale: bool
    low: float
    high: float

    def interval(self) -> tuple[float, float]:
        """Interval of the rate of this gallery, with 95% confidence."""
        return self.low, self.high


@dataclass(frozen=True, eq=False)
class EvidenceSheet:
    """The evidence for an identification on one sheet, a PNG file that the server has drawn."""

    content: bytes

    def png(self) -> bytes:
        """The sheet, as a PNG file."""
        return self.content

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the sheet to a PNG file; an existing one is replaced. Raises `SemelhaError` if it cannot be written."""
        write_file(Path(path), [self.content], private=True)


def parsed(parse: Callable[[Any], T], answer: Any) -> T:
    """An answer as a result. Raises `ServiceError` if it has not the fields that it should have."""
    try:
        return parse(answer)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ServiceError(f"the answer is not as this version of semelha expects it ({reason})") from error


def candidate(one: Any) -> Candidate:
    """A subject that is near."""
    examples = tuple(Match(near["id"], near["source"], _distance(near["distance"])) for near in one["examples"])
    return Candidate(one["subject"], _distance(one["distance"]), examples)


def identification(one: Any) -> Identification:
    """The answer for one picture."""
    return Identification(
        decision=one["decision"],
        subject=one["subject"],
        distance=one["distance"],
        p_value=one["p_value"],
        candidates=tuple(map(candidate, one["candidates"])),
        note=one["note"],
        probability=one["probability"],
        excluded=tuple(one["excluded"]),
        target_fpir=one["target_fpir"],
    )


def verification(one: Any) -> Verification:
    """The answer for two pictures, or a picture and a subject."""
    distance = _distance(one["distance"])
    return Verification(one["same"], distance, one["p_value"], one["subject"], one["note"], one["target_fpir"])


def subject(one: Any) -> Subject:
    """A subject."""
    return Subject(one["name"], one["examples"], one["created"])


def example(one: Any) -> StoredExample:
    """An example."""
    return StoredExample(one["id"], one["subject"], one["source"], one["created"], one["has_picture"])


def enrollment(one: Any) -> Enrollment:
    """The result of enrolling."""
    duplicates, warnings, numbers = (tuple(one[name]) for name in ("duplicates", "warnings", "examples"))
    return Enrollment(one["subject"], one["added"], duplicates, warnings, numbers)


def joined(name: str, parts: Sequence[Enrollment]) -> Enrollment:
    """The enrollments of one class, of which each took a request, as one."""
    return Enrollment(
        name,
        sum(one.added for one in parts),
        tuple(each for one in parts for each in one.duplicates),
        tuple(each for one in parts for each in one.warnings),
        tuple(each for one in parts for each in one.numbers),
    )


def skipped(one: Any) -> Skipped:
    """A picture that cannot be used."""
    return Skipped(one["name"], one["reason"])


def merge(one: Any) -> Merge:
    """A merge."""
    return Merge(one["id"], one["source"], one["into"], one["created"], one["moved"], one["shared"], one["inside"])


def audit_entry(one: Any) -> AuditEntry:
    """An entry of the audit log."""
    numbers = {"subject_number": one["subject_number"], "other_number": one["other_number"], "item": one["item"]}
    texts = {name: one[name] for name in ("time", "who", "action", "subject", "other", "detail")}
    return AuditEntry(number=one["id"], examples=one["examples"], **numbers, **texts)


def rejection(one: Any) -> Rejection:
    """A rejection; a server sends neither the hash of the picture nor its copy."""
    return Rejection(one["id"], one["subject"], "", one["source"], one["created"], None)


def review_page(one: Any) -> ReviewPage:
    """A page of reviews."""
    reviews = tuple(
        Review(
            number=each["id"],
            kind=each["kind"],
            source=each["source"],
            created=each["created"],
            distance=each["distance"],
            p_value=each["p_value"],
            probability=each["probability"],
            target_fpir=each["target_fpir"],
            candidates=tuple(map(candidate, each["candidates"])),
            has_picture=each["has_picture"],
            group=each["group"],
        )
        for each in one["reviews"]
    )
    return ReviewPage(reviews, one["total"], one["unknown"], one["uncertain"], one["note"])


def layout(one: Any) -> Map:
    """A map."""
    return Map(
        method=one["method"],
        examples=np.array(one["ids"], np.int64),
        subject_of=np.array(one["subject"], np.int64),
        subjects=tuple(one["subjects"]),
        coordinates=np.array([one["x"], one["y"]], np.float32).T,
        revision=revision(one["revision"]),
        note=one["note"],
    )


def revision(tag: str) -> int:
    """The number of a change, from the ETag or the revision that a server sends."""
    return int(tag.strip('W/"').rpartition("-")[2])


def calibration(one: Any) -> CalibrationSummary | None:
    """The rule in force."""
    if not one["is_calibrated"]:
        return None
    return CalibrationSummary(
        kind=one["kind"],
        fpir=one["fpir"],
        uncertain=one["uncertain"],
        n=one["n"],
        scoring=Scoring.from_name(one["scoring"]),
        assumption=one["assumption"],
        stale=one["is_stale"],
        low=one["interval"]["low"],
        high=one["interval"]["high"],
    )


def det_curve(one: Any) -> DetCurve:
    """A DET curve."""
    points = tuple(
        DetPoint(
            each["fpir"], _distance(each["threshold"]), each["fnir"], _interval(each["fnir_interval"]), each["wrong"]
        )
        for each in one["points"]
    )
    required = tuple(
        RequiredSize(each["fpir"], each["size"], each["missing"], each["strangers"]) for each in one["required"]
    )
    names = ("is_calibrated", "fpir", "kind", "n", "weight", "scoring", "probes", "subjects", "note")
    return DetCurve(points=points, required=required, **{name: one[name] for name in names})


def changed_answers(one: Any) -> ChangedAnswers:
    """A page of answers that two rates decide differently."""
    names = ("subject", "named", "nearest", "fpir", "has_picture")
    answers = tuple(
        LeftOutAnswer(example=each["id"], **{name: each[name] for name in names}) for each in one["changes"]
    )
    return ChangedAnswers(answers, one["total"])


def accuracy(one: Any) -> Accuracy:
    """The result of an evaluation."""
    return Accuracy(
        probes=one["probes"],
        subjects=one["subjects"],
        single_example_subjects=one["single_example_subjects"],
        r_at_1=one["r_at_1"],
        r_at_1_interval=_interval(one["r_at_1_interval"]),
        map_at_r=one["map_at_r"],
    )


def check(one: Any) -> Check:
    """The findings of a check."""
    findings = tuple(
        Finding(
            each["kind"],
            each["score"],
            tuple(each["subjects"]),
            tuple(Example(near["number"], near["subject"], near["source"]) for near in each["examples"]),
            each["message"],
            tuple(tuple(group) for group in each["groups"]),
        )
        for each in one["findings"]
    )
    return Check(findings, one["examples"], one["subjects"], one["single_example_subjects"])


def clustering(one: Any) -> Clustering:
    """Groups of pictures."""
    clusters = tuple(
        Cluster(each["subject"], each["known"], tuple(each["pictures"]), each["distance"]) for each in one["clusters"]
    )
    left_out = tuple(skipped(each) for each in one["skipped"])
    return Clustering(clusters, tuple(one["names"]), left_out, one["threshold"], one["note"])


def _distance(value: float | None) -> float:
    """JSON has no infinity: the server sends null."""
    return math.inf if value is None else value


def _interval(one: Any) -> Interval | None:
    return None if one is None else Interval(one["low"], one["high"])
