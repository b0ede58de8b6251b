"""Base class of the feature extractors."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError

MAX_DIM = 65_536
"""Largest dimension of a vector that a model card takes."""


class Features(ABC):
    """A feature extractor: pictures to vectors, without training.

    A subclass keeps each argument of its constructor as an attribute of the same name. It raises `UsageError` if one
    has a wrong type or value, or a vector would have more than 65,536 numbers.

    Attributes
    ----------
    name : str
        Its name in a model card.
    version : int
        Increased when the same picture would give other numbers: vectors of two versions are not comparable.
    side : int or None
        Side in pixels to which pictures are resized; None if all pixels count.
    one_unit : bool
        Whether all numbers have the same unit. If not, each is standardized before a distance is learned.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    one_unit: ClassVar[bool] = True
    dim: int
    side: int | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.arguments().items())})"

    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor that make the same extractor, as JSON values."""
        values = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute the vector of one picture: (h, w, 3) uint8 → (dim,) float32. Raises as `batch`."""
        vector: NDArray[np.float32] = self.batch(pixels[None])[0]
        return vector

    def batch(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute the vectors of pictures of one size: (n, h, w, 3) uint8, RGB → (n, dim) float32.

        Raises `UsageError` for another shape or dtype, or pictures without pixels.
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
        """Compute `batch` for one or more pictures that were checked."""


def check_dim(dim: int) -> int:
    """Return the dimension if a model card takes it, else raise `UsageError`."""
    if dim > MAX_DIM:
        raise UsageError(f"the features would have {dim} numbers: take fewer bins or cells, for at most {MAX_DIM}")
    return dim
