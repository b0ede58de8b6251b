"""What the store holds, as it comes out and as it goes in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Subject:
    """A thing that has a name, how many examples it has, and when (ISO, UTC) it was first enrolled."""

    name: str
    examples: int
    created: str


@dataclass(frozen=True)
class Example:
    """An enrolled picture: its number, its subject, where it came from, its content hash."""

    id: int
    subject: str
    source: str
    content_hash: str


@dataclass(frozen=True, eq=False)
class NewExample:
    """A picture to enroll: vector (d,) float32, content hash, where it came from, and the file to keep or None."""

    vector: NDArray[np.float32]
    content_hash: str
    source: str
    picture: bytes | None
