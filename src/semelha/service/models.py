"""What the server answers, as models of pydantic: the schema of OpenAPI comes from these."""

from __future__ import annotations

import math
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from semelha.recognition import Identification, Verification
from semelha.recognition.answer import Decision
from semelha.service.jobs import JobRecord, State
from semelha.service.keys import Role


def _finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return value if value is None or math.isfinite(value) else None


Number = Annotated[float | None, BeforeValidator(_finite)]


def file_name(source: str) -> str:
    """Where a picture came from, without the folders of a whole path: those of the disk are not shown over HTTP."""
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(source).is_absolute():
            return kind(source).name
    return source


PictureSource = Annotated[str, AfterValidator(file_name)]


class Answer(BaseModel):
    """The base of all answers; fields of records that are not listed are left out."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")


class SubjectAnswer(Answer):
    """A subject: its name, the number of its examples, and when (ISO, UTC) it was first enrolled."""

    name: str = Field(examples=["granny-smith"])
    examples: int
    created: str = Field(examples=["2026-03-01T12:00:00+00:00"])


class SubjectsAnswer(Answer):
    """A page of subjects; `next` is the cursor of the next page, and `total` counts all that were searched for."""

    subjects: list[SubjectAnswer]
    total: int
    next: str | None


class ExampleAnswer(Answer):
    """An example: its id, its subject, where the picture came from, and whether a small copy was kept."""

    id: int = Field(validation_alias="number")
    subject: str
    source: PictureSource
    created: str
    has_picture: bool


class ExamplesAnswer(Answer):
    """A page of examples, in the order of enrollment."""

    examples: list[ExampleAnswer]
    next: str | None


class LeftOutAnswer(Answer):
    """A picture that cannot be used: its name, and why."""

    name: str
    reason: str


class SkippedAnswer(LeftOutAnswer):
    """A picture that cannot be used, and its position in the request."""

    position: int


class EnrolledAnswer(Answer):
    """What was enrolled: ids of the new examples, what the subject had already, and what cannot be used."""

    subject: str
    added: int
    examples: list[int]
    duplicates: list[str]
    warnings: list[str]
    skipped: list[LeftOutAnswer]


class SubjectRemoved(Answer):
    """The subject that was removed, and how many examples it had."""

    removed: str
    examples: int


class ExampleRemoved(Answer):
    """The example that was removed, its subject, and whether that was removed with it."""

    removed: int
    subject: str
    subject_removed: bool


class MatchAnswer(Answer):
    """An enrolled example that is near."""

    id: int = Field(validation_alias="example")
    source: PictureSource
    distance: Number


class CandidateAnswer(Answer):
    """A subject that is near, with its nearest examples."""

    subject: str
    distance: Number
    examples: list[MatchAnswer]


class IdentifiedAnswer(Answer):
    """What one picture shows.

    `decision` is "known", "uncertain", "unknown" or "uncalibrated" (the nearest subject, without a decision).
    `p_value`: how often a stranger is as near; "known" if it is at most `target_fpir`. `probability`: that the nearest
    subject is right, if half of the pictures show strangers.
    """

    position: int
    picture: str
    decision: Decision
    subject: str | None
    distance: Number
    p_value: Number
    probability: Number
    candidates: list[CandidateAnswer]
    excluded: list[str]
    target_fpir: float | None
    note: str

    @classmethod
    def of(cls, position: int, picture: str, found: Identification) -> IdentifiedAnswer:
        """The answer for the picture at a position of the request."""
        return cls.model_validate({"position": position, "picture": picture, **found.to_json()})


class IdentifyAnswer(Answer):
    """The answers for the pictures that can be used, in order, and the fingerprint of the model."""

    answers: list[IdentifiedAnswer]
    skipped: list[SkippedAnswer]
    model: str


class VerifyAnswer(Answer):
    """Whether two pictures, or a picture and a subject, show the same; null if the gallery is not calibrated."""

    same: bool | None
    distance: Number
    p_value: Number
    subject: str | None
    note: str
    target_fpir: float | None
    model: str

    @classmethod
    def of(cls, found: Verification, model: str) -> VerifyAnswer:
        """The answer, with the fingerprint of the model."""
        return cls(**found.to_json(), model=model)


class EmbedAnswer(Answer):
    """Vectors of pictures, and the model that computed them; vectors of two models cannot be compared."""

    vectors: list[list[float] | None]
    skipped: list[SkippedAnswer]
    dim: int
    model: str


class MergeAnswer(Answer):
    """A merge of two subjects. `inside` is a later merge that must be undone first."""

    id: int = Field(validation_alias="number")
    source: str
    into: str
    created: str
    moved: int
    shared: int
    inside: int | None


class RejectionAnswer(Answer):
    """A picture that does not show a subject."""

    id: int = Field(validation_alias="number")
    subject: str
    source: PictureSource
    created: str


class RejectionsAnswer(Answer):
    """A page of rejections, the oldest first."""

    rejections: list[RejectionAnswer]
    next: str | None


class RejectedAnswer(Answer):
    """The id of a rejection, by which it is withdrawn."""

    id: int
    subject: str


class RejectionWithdrawn(Answer):
    """The id of the rejection that was withdrawn."""

    withdrawn: int


class JobAnswer(Answer):
    """Long work: its state, how much of it is done, and its result or problem at the end."""

    id: str
    kind: str
    gallery: str
    created: str
    state: State
    done: int
    total: int
    result: Any = None
    problem: dict[str, Any] | None = None

    @classmethod
    def of(cls, job: JobRecord) -> JobAnswer:
        """The present state of a job."""
        return cls.model_validate(job)


class JobsAnswer(Answer):
    """Jobs, latest first."""

    jobs: list[JobAnswer]


class ModelAnswer(Answer):
    """The model of a gallery."""

    name: str
    fingerprint: str
    dim: int
    metric: str
    height: int | None
    width: int | None


class BackupAnswer(Answer):
    """A backup: its name, when (ISO, UTC) it was begun, and its bytes on the disk."""

    name: str = Field(examples=["20260302T091504Z-3f9a1c"])
    created: str = Field(examples=["2026-03-02T09:15:04+00:00"])
    bytes: int


class BackupsAnswer(Answer):
    """The backups of a gallery, latest first."""

    backups: list[BackupAnswer]


class BackupDeleted(Answer):
    """The name of a backup that was deleted."""

    deleted: str


class AuditEntryAnswer(Answer):
    """An entry of the audit log. A subject has its present name; null if it was removed since, or there was none."""

    id: int = Field(validation_alias="number")
    time: str = Field(examples=["2026-03-01T12:00:00+00:00"])
    who: str = Field(examples=["till-3"])
    action: str = Field(examples=["enroll"])
    subject: str | None
    subject_number: int | None
    other: str | None
    other_number: int | None
    item: int | None
    examples: int | None
    detail: str


class AuditAnswer(Answer):
    """A page of the audit log, newest first; `next` is the cursor of the next page."""

    entries: list[AuditEntryAnswer]
    next: str | None


class GalleryAnswer(Answer):
    """A gallery: how much it has, and the revision of its last change."""

    name: str
    subjects: int
    examples: int
    revision: str
    model: str
    keeps_pictures: bool


class GalleriesAnswer(Answer):
    """The galleries of the server, and the role of the key that asks, which is "admin" where none is needed."""

    galleries: list[GalleryAnswer]
    role: Role


class StateAnswer(Answer):
    """Whether the server is alive or ready, and why not."""

    status: str
    reasons: list[str] = []
