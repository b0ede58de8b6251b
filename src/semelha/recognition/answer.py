"""The results of identification and verification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from weakref import WeakMethod

from semelha.errors import SemelhaError
from semelha.html.notebook import MAX_PICTURES, Tile, file_url, notebook_html

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


class KeptPictures:
    """Reads the pictures that a gallery keeps, by the numbers of examples, as long as the gallery is there.

    Copies and pickles read none.
    """

    def __init__(self, read: Callable[[int], bytes | None] | None = None) -> None:
        self._read = None if read is None else WeakMethod(read)

    def __call__(self, example: int) -> bytes | None:
        """The file that was kept of an example; None if there is none (any more)."""
        read = None if self._read is None else self._read()
        try:
            return None if read is None else read(example)
        except SemelhaError:  # such as of a gallery that is closed
            return None

    def __reduce__(self) -> tuple[type[KeptPictures], tuple[()]]:
        return KeptPictures, ()


NO_PICTURES = KeptPictures()


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
    pictures : KeptPictures
        Those of the examples, to be shown in a notebook.
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
    pictures: KeptPictures = field(default=NO_PICTURES, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The fields as numbers, strings, lists and dicts, without pictures."""
        fields = {name: value for name, value in vars(self).items() if name != "pictures"}
        return fields | {"candidates": tuple(asdict(one) for one in self.candidates)}

    @property
    def headline(self) -> str:
        """The decision and the subject, in a few words."""
        if self.subject is not None:
            return f"{self.decision}: {self.subject}"
        return f"{self.decision}; nearest is {self.candidates[0].subject}" if self.candidates else self.decision

    def _repr_html_(self) -> str:
        """For notebooks: the decision, and the nearest subjects with the pictures of their examples."""
        numbers = {"distance": self.distance, "p": self.p_value, "probability": self.probability}
        line = ", ".join(f"{name} {value:.3g}" for name, value in numbers.items() if value is not None)
        rows = [
            (one.subject, f"{one.distance:.4g}", ", ".join(match.source for match in one.examples))
            for one in self.candidates
        ]
        table = [("subject", "distance", "examples"), *rows] if rows else []
        matches = sorted(
            ((match, one.subject) for one in self.candidates for match in one.examples),
            key=lambda pair: pair[0].distance,
        )
        tiles: list[Tile] = []
        for match, subject in matches[:MAX_PICTURES]:
            kept = self.pictures(match.example)
            url = None if kept is None else file_url(kept)
            if url is not None:
                tiles.append((url, (subject, f"{match.distance:.4g}", match.source)))
        return notebook_html(self.headline, (line, self.note), table=table, tiles=tiles)


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
