"""What every extractor does: pictures to vectors, one at a time or many of one size, and a card to make it again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError

T = TypeVar("T")
MOST = 65_536
"""Numbers that a vector may have: what a model card takes."""


class Features(ABC):
    """Pixels to a vector with nothing learned.

    Attributes
    ----------
    name : str
        What a model card calls it.
    dim : int
        Numbers of a vector.
    version : int
        Raised when the same picture would give other numbers: vectors of two versions must not meet.
    side : int or None
        Side in pixels to which pictures are resized; None if all pixels count.
    one_unit : bool
        Its numbers are of one kind, so that their scales mean something; else each is to be scaled by itself.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    one_unit: ClassVar[bool] = True
    dim: int
    side: int | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.arguments().items())})"

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """What the constructor takes to make the same extractor, as JSON can hold it."""

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(h, w, 3) uint8 → (dim,) float32. As `batch` of one picture."""
        vector: NDArray[np.float32] = self.batch(pixels[None])[0]
        return vector

    def batch(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, h, w, 3) uint8, RGB → (n, dim) float32.

        Raises
        ------
        UsageError
            Not pictures, or without a pixel.
        """
        if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
            raise UsageError(
                f"features are made of pictures (h, w, 3) of uint8, and got {pixels.shape[1:]} of {pixels.dtype}"
            )
        if 0 in pixels.shape[1:3]:
            raise UsageError("features are made of pictures, and got one without a pixel")
        if not len(pixels):
            return np.empty((0, self.dim), np.float32)
        return self._vectors(np.ascontiguousarray(pixels))

    @abstractmethod
    def _vectors(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """`batch` of one picture or more that are right."""


def whole(name: str, value: object, least: int, most: int) -> int:
    """The value, a whole number within limits. Raises `UsageError`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise UsageError(f"{name} is {_short(value)}: it must be a whole number from {least} to {most}")
    return int(value)


def number(name: str, value: object, least: float, most: float) -> float:
    """The value, a number within limits. Raises `UsageError`."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not least <= value <= most:
        raise UsageError(f"{name} is {_short(value)}: it must be a number from {least:g} to {most:g}")
    return float(value)


def pair(name: str, value: object, least: int, most: int) -> tuple[int, int]:
    """The value, two whole numbers within limits, such as height and width. Raises `UsageError`."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise UsageError(f"{name} is {_short(value)}: it must be two whole numbers")
    return whole(name, value[0], least, most), whole(name, value[1], least, most)


def flag(name: str, value: object) -> bool:
    """The value, True or False. Raises `UsageError`."""
    if not isinstance(value, bool):
        raise UsageError(f"{name} is {_short(value)}: it must be true or false")
    return value


def one_of(name: str, value: object, choices: tuple[T, ...]) -> T:
    """The value, one of the choices. Raises `UsageError`."""
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return choice
    raise UsageError(f"{name} is {_short(value)}: it must be one of {', '.join(map(str, choices))}")


def limited(dim: int) -> int:
    """The dimension, if a card takes it. Raises `UsageError`."""
    if dim > MOST:
        raise UsageError(f"these features would have {dim} numbers: take fewer bins or cells, for at most {MOST}")
    return dim


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
