"""Records that the store takes and returns, and the decoding of a calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Subject:
    """A subject: its name, the number of its examples, and when (ISO, UTC) it was first enrolled."""

    name: str
    examples: int
    created: str


@dataclass(frozen=True)
class SubjectPage:
    """Some of the subjects that were searched for, and the number of all of them."""

    subjects: tuple[Subject, ...]
    total: int


@dataclass(frozen=True)
class StoredExample:
    """An example of a subject.

    Attributes
    ----------
    number : int
        Taken by `Gallery.remove_example`, `Gallery.move_example` and `Gallery.picture`.
    source : str
        Where the picture came from.
    created : str
        When (ISO, UTC) it was enrolled.
    has_picture : bool
        Whether a small copy of the picture was kept.
    """

    number: int
    subject: str
    source: str
    created: str
    has_picture: bool


@dataclass(frozen=True)
class ExamplePage:
    """Some of the examples that were asked for, and the number of all of them."""

    examples: tuple[StoredExample, ...]
    total: int


@dataclass(frozen=True, eq=False)
class NewExample:
    """A picture to enroll: vector (d,) float32, content hash, where it came from, and the file to keep or None."""

    vector: NDArray[np.float32]
    content_hash: str
    source: str
    picture: bytes | None


@dataclass(frozen=True)
class Addition:
    """The result of adding examples to a subject.

    Attributes
    ----------
    numbers : tuple of int
        Of the new examples.
    duplicates : tuple of str
        Sources of the pictures that the subject has already, or that were passed twice.
    elsewhere : tuple of (str, tuple of str)
        Source of each picture that other subjects have too, and their names.
    similar_names : tuple of str
        If the subject is new, the names that differ from its name by upper and lower case alone.
    duplicate_numbers : tuple of int
        Of the examples that the `duplicates` are.
    """

    subject: str
    numbers: tuple[int, ...]
    duplicates: tuple[str, ...]
    elsewhere: tuple[tuple[str, tuple[str, ...]], ...]
    similar_names: tuple[str, ...]
    duplicate_numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Merge:
    """A merge of two subjects.

    Attributes
    ----------
    number : int
        Taken by `Gallery.unmerge`.
    source : str
        Name of the subject that was merged.
    into : str
        Name of the subject that has its examples, or had them when it was merged in turn.
    created : str
        When (ISO, UTC).
    moved : int
        Number of examples that changed their subject.
    shared : int
        Number of examples that are set aside, because both subjects had the same picture.
    inside : int or None
        The later merge that must be undone first.
    """

    number: int
    source: str
    into: str
    created: str
    moved: int
    shared: int
    inside: int | None


@dataclass(frozen=True)
class AuditEntry:
    """A row of the audit log: one change of a gallery, of one subject.

    Attributes
    ----------
    number : int
        Later entries have higher ones. `Gallery.audit(before=)` takes it.
    time : str
        When (ISO, UTC).
    who : str
        Name of the API key, or of the user of the operating system.
    action : str
        The call of `Gallery`, such as "enroll"; "migrate", "repair" or "set aside" (of damaged rows).
    subject : str or None
        Its present name; None if there was none, or it was removed since.
    subject_number : int or None
        By which entries of a subject without a name are recognized.
    other, other_number
        The subject that got the examples.
    item : int or None
        Number of the example, merge or rejection.
    examples : int or None
        How many examples were added, moved or removed.
    detail : str
        Such as the rate of a calibration.
    """

    number: int
    time: str
    who: str
    action: str
    subject: str | None
    subject_number: int | None
    other: str | None
    other_number: int | None
    item: int | None
    examples: int | None
    detail: str


@dataclass(frozen=True, eq=False)
class Rejection:
    """A picture that does not show a subject.

    Attributes
    ----------
    number : int
        Taken by `Gallery.withdraw_rejection`.
    source : str
        Where the picture came from.
    created : str
        When (ISO, UTC) it was rejected.
    picture : bytes or None
        The copy that was kept.
    """

    number: int
    subject: str
    content_hash: str
    source: str
    created: str
    picture: bytes | None


ReviewKind = Literal["unknown", "uncertain"]


@dataclass(frozen=True)
class ReviewedAnswer:
    """What was answered for a picture that a person should name.

    Attributes
    ----------
    distance, p_value, probability, target_fpir : float or None
        As of `Identification`.
    nearest : tuple of (int, float)
        The nearest example of each candidate, by number, and the distance of the candidate.
    """

    distance: float | None
    p_value: float | None
    probability: float | None
    target_fpir: float | None
    nearest: tuple[tuple[int, float], ...]


@dataclass(frozen=True, eq=False)
class NewReview:
    """A picture that a person should name: what was answered, and what is kept to enroll it."""

    kind: ReviewKind
    answer: ReviewedAnswer
    picture: NewExample


@dataclass(frozen=True)
class StoredReview:
    """A picture that a person should name: its number, where it came from, when (ISO, UTC), and what was answered."""

    number: int
    kind: ReviewKind
    source: str
    created: str
    answer: ReviewedAnswer
    has_picture: bool


@dataclass(frozen=True)
class Plan:
    """The settings of a calibration.

    Attributes
    ----------
    kind : {"strangers", "subjects"}
        What serves as strangers.
    change : int
        The first change under the plan; 0 before it is saved.
    uncertain : float or None
        The second rate.
    choosers : float
        Share of the subjects, drawn at random, that chose the scoring; they do not serve as strangers.
    """

    kind: Literal["strangers", "subjects"]
    fpir: float
    seed: int
    change: int = 0
    scoring: str = "nearest"
    uncertain: float | None = None
    choosers: float = 0.0


@dataclass(frozen=True, eq=False)
class Scores:
    """Distances of non-mated probes to the nearest other subjects, at one change of the gallery.

    Attributes
    ----------
    subjects : (n,) int64
        Number of the subject that serves as a stranger; 0 for a stranger that was passed.
    examples : (n,) int64
        The example drawn of that subject, or the position of the stranger.
    nearest : (n,) int64
        The nearest example of any other subject; −1 if there is none.
    distances : (n,) float64
        To the subject of that example; infinite beside −1.
    own : (n,) float64 or None
        From the example drawn of each subject to its other examples; infinite if it has none. None for strangers.
    further : (n, depth − 1) float64 or None
        To the next subjects, ascending, if the scoring uses more than one.
    """

    change: int
    subjects: NDArray[np.int64]
    examples: NDArray[np.int64]
    nearest: NDArray[np.int64]
    distances: NDArray[np.float64]
    own: NDArray[np.float64] | None = None
    further: NDArray[np.float64] | None = None

    @property
    def ranked(self) -> NDArray[np.float64]:
        """(n, depth), distances to the nearest subjects, ascending."""
        first = self.distances[:, None]
        return first if self.further is None else np.concatenate([first, self.further], axis=1)

    def __len__(self) -> int:
        return len(self.subjects)


@dataclass(frozen=True, eq=False)
class Strangers:
    """Pictures for a calibration: vectors (n, d) float32, and the number of the subject that each shows, or 0.

    A picture of a subject is a stranger to all others.
    """

    subjects: NDArray[np.int64]
    vectors: NDArray[np.float32]


def plan_of(found: Any) -> Plan:
    """Decode a plan. Raises `ValueError` if it is invalid."""
    try:
        plan = Plan(**found)
    except TypeError as error:
        raise ValueError("its calibration cannot be read") from error
    whole = all(isinstance(number, int) and number >= 0 for number in (plan.seed, plan.change))
    parts = (plan.fpir, plan.choosers, *([] if plan.uncertain is None else [plan.uncertain]))
    if not (
        plan.kind in ("strangers", "subjects")
        and isinstance(plan.scoring, str)
        and whole
        and all(isinstance(part, int | float) and isfinite(part) for part in parts)
        and 0 < plan.fpir < 1
        and 0 <= plan.choosers <= 1
        and (plan.uncertain is None or plan.fpir < plan.uncertain < 1)
    ):
        raise ValueError("its calibration has values out of range")
    return plan


def scores_of(change: int, blobs: Sequence[bytes | None]) -> Scores | None:
    """Decode scores from their columns; None if these do not fit together: they can be computed again."""
    if not all(blob is None or len(blob) % 8 == 0 for blob in blobs):
        return None
    subjects, examples, nearest = (np.frombuffer(blob or b"", "<i8") for blob in blobs[:3])
    distances = np.frombuffer(blobs[3] or b"", "<f8")
    own, further = (None if blob is None else np.frombuffer(blob, "<f8") for blob in blobs[4:])
    if {len(examples), len(nearest), len(distances)} != {len(subjects)} or np.isnan(distances).any():
        return None
    if own is not None and (len(own) != len(subjects) or np.isnan(own).any()):
        return None
    if further is None or not len(further):
        return Scores(change, subjects, examples, nearest, distances, own)
    if not len(subjects) or len(further) % len(subjects) or np.isnan(further).any():
        return None
    return Scores(change, subjects, examples, nearest, distances, own, further.reshape(len(subjects), -1))
