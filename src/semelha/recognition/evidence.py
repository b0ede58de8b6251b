"""What an answer rests on: the examples that matched, what came second, and the parts of the picture that did it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.answer import Identification
from semelha.recognition.occlusion import Heat
from semelha.recognition.sheet import drawn


@dataclass(frozen=True)
class Exhibit:
    """An enrolled example, its distance to the probe, and the file kept of its picture, or None."""

    subject: str
    example: int
    source: str
    distance: float
    picture: bytes | None

    def to_json(self) -> dict[str, Any]:
        """Without the picture, but whether there is one."""
        return {
            "subject": self.subject,
            "example": self.example,
            "source": self.source,
            "distance": self.distance,
            "picture_kept": self.picture is not None,
        }


@dataclass(frozen=True, eq=False)
class Evidence:
    """What an identification rests on.

    Attributes
    ----------
    identification : Identification
        The answer; what follows is of its nearest subject, also where it is unknown.
    probe : (h, w, 3) uint8
        The picture, at most as large as it was hidden by parts.
    matched : tuple of Exhibit
        The nearest examples of the nearest subject, nearest first; none where nothing is enrolled.
    runner_up : Exhibit or None
        The nearest example of any other subject.
    heat : Heat or None
        Its references are the first of `matched` and the runner-up.
    """

    identification: Identification
    probe: NDArray[np.uint8]
    matched: tuple[Exhibit, ...]
    runner_up: Exhibit | None
    heat: Heat | None

    @property
    def margin(self) -> float | None:
        """How much farther the runner-up is than the best example, in the unit of the metric."""
        return None if self.runner_up is None else self.runner_up.distance - self.matched[0].distance

    @property
    def similar(self) -> NDArray[np.float64] | None:
        """(rows, columns): where the picture is like the best example.

        How much farther that is if the part is hidden; below 0 it is nearer.
        """
        return None if self.heat is None else self.heat.rises[0]

    @property
    def contrast(self) -> NDArray[np.float64] | None:
        """(rows, columns): where it is more like the best example than like the runner-up.

        How much of the margin is lost if the part is hidden; below 0 it grows.
        """
        return None if self.heat is None or self.runner_up is None else self.heat.rises[0] - self.heat.rises[1]

    def to_json(self) -> dict[str, Any]:
        """As numbers, strings, lists and dicts; without pictures."""
        return {
            "identification": self.identification.to_json(),
            "matched": [each.to_json() for each in self.matched],
            "runner_up": None if self.runner_up is None else self.runner_up.to_json(),
            "margin": self.margin,
            "cell": None if self.heat is None else self.heat.cell,
            "similar": None if self.similar is None else self.similar.tolist(),
            "contrast": None if self.contrast is None else self.contrast.tolist(),
        }

    def png(self) -> bytes:
        """All of it on one sheet, as a PNG file."""
        return drawn(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the sheet to a PNG file, in place of one that is there. Raises `OSError`."""
        Path(path).write_bytes(self.png())
