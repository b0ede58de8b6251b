"""What the store holds, as it comes out and as it goes in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Subject:
    """A thing that has a name, how many examples it has, and when (ISO, UTC) it was first enrolled."""

    name: str
    examples: int
    created: str


@dataclass(frozen=True)
class StoredExample:
    """An example of a subject.

    Attributes
    ----------
    number : int
        Takes part in `Gallery.remove_example`, `Gallery.move_example` and `Gallery.picture`.
    subject : str
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
    subject : str
    numbers : tuple of int
        Of the new examples.
    duplicates : tuple of str
        Sources of the pictures that the subject has already, or that were passed twice.
    elsewhere : tuple of (str, tuple of str)
        Source of each picture that other subjects have too, and their names.
    similar_names : tuple of str
        If the subject is new, the names that differ from its name by upper and lower case alone.
    """

    subject: str
    numbers: tuple[int, ...]
    duplicates: tuple[str, ...]
    elsewhere: tuple[tuple[str, tuple[str, ...]], ...]
    similar_names: tuple[str, ...]


@dataclass(frozen=True)
class Merge:
    """Two subjects that were made one.

    Attributes
    ----------
    number : int
        By which it is undone.
    source : str
        What the subject was called that ended.
    into : str
        What the subject is called that has its examples; or was called when that was merged in turn.
    created : str
        When (ISO, UTC).
    moved : int
        Examples that changed hands.
    shared : int
        Examples that are set aside, because both had the same picture.
    inside : int or None
        The later merge that must be undone before.
    """

    number: int
    source: str
    into: str
    created: str
    moved: int
    shared: int
    inside: int | None


@dataclass(frozen=True, eq=False)
class Rejection:
    """A picture that was said not to show a subject.

    Attributes
    ----------
    number : int
        By which it is withdrawn.
    subject : str
    content_hash : str
    source : str
        Where the picture came from.
    created : str
        When (ISO, UTC) it was said.
    picture : bytes or None
        The small copy kept of it.
    """

    number: int
    subject: str
    content_hash: str
    source: str
    created: str
    picture: bytes | None


@dataclass(frozen=True)
class Plan:
    """The wish to say "unknown".

    Attributes
    ----------
    kind : {"strangers", "subjects"}
        What stands in for strangers.
    fpir : float
    seed : int
        Of the draws.
    change : int
        Since which it is in force; 0 before it is.
    scoring : str
        Its name.
    uncertain : float or None
        The second rate.
    choosers : float
        Part of the subjects, by chance, on which the scoring was chosen; they do not stand in for strangers.
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
    """How far what stands in for strangers is from everybody else, at one change of the gallery.

    Attributes
    ----------
    change : int
    subjects : (n,) int64
        Number of the subject that stands in; 0 for a stranger that was given.
    examples : (n,) int64
        The example drawn of that subject, or the place of the given stranger.
    nearest : (n,) int64
        The nearest example of any other subject; −1 where there is none.
    distances : (n,) float64
        To the subject of that example; infinite beside −1.
    own : (n,) float64 or None
        From the example drawn of each subject to its other examples; infinite where it has none. None of strangers.
    further : (n, depth − 1) float64 or None
        To the next subjects, ascending, where the scoring looks at more than one.
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
    """Pictures that a calibration was given: vectors (n, d) float32, and the subject, by number, that each shows, or 0.

    One that shows a subject is a stranger to all others.
    """

    subjects: NDArray[np.int64]
    vectors: NDArray[np.float32]
