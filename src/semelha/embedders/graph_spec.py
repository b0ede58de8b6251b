"""`GraphSpec`: the arrays that an imported graph takes and gives, between prepared pictures and vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

GraphLayout = Literal["nchw", "nhwc"]
GraphDtype = Literal["uint8", "float16", "float32"]


def vector_kind(shape: tuple[int, ...]) -> Literal["vectors", "tokens", "other"]:
    """Whether an array has a vector for each picture, (n, dim) or (n, dim, 1, …), or tokens, (n, tokens, dim)."""
    if len(shape) >= 2 and all(side == 1 for side in shape[2:]):
        return "vectors"
    return "tokens" if len(shape) == 3 and shape[1] else "other"


class GraphSpec(BaseModel):
    """How prepared pictures are passed to a graph that was made elsewhere, and what is taken of its outputs.

    Attributes
    ----------
    layout : {"nchw", "nhwc"}
        Order of the input's axes: (n, channels, height, width) or (n, height, width, channels).
    dtype : {"uint8", "float16", "float32"}
        A graph of uint8 gets the pixels unchanged.
    mean, std : list of float
        Of each channel, in the order R, G, B, on the scale 0..1: the graph gets (pixel / 255 - mean) / std. Empty for
        uint8.
    bgr : bool
        The graph takes its channels in the order B, G, R.
    batch : int or None
        Pictures that the graph takes at a time; None: any number.
    output : str
        Name of the output.
    first_token : bool
        The output is (n, tokens, dim), of which the first token is the vector.
    normalize : bool
        Scale vectors to norm 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: GraphLayout = "nchw"
    dtype: GraphDtype = "float32"
    mean: list[float] = []
    std: list[float] = []
    bgr: bool = False
    batch: int | None = Field(default=None, ge=1, le=4096)
    output: str
    first_token: bool = False
    normalize: bool = False

    @model_validator(mode="after")
    def _check_statistics(self) -> GraphSpec:
        if len(self.mean) != len(self.std) or (self.dtype == "uint8") != (not self.mean):
            raise ValueError("mean and std have one number for each channel, and none for uint8")
        if not all(map(math.isfinite, self.mean)) or not all(1e-6 <= value < math.inf for value in self.std):
            raise ValueError("mean is finite, and std at least 1e-6")
        return self

    def batches(self, prepared: NDArray[np.uint8]) -> Iterator[tuple[NDArray[Any], int]]:
        """Inputs of the graph for prepared pictures (n, channels, height, width), and the pictures in each.

        If the graph takes a fixed number, the last input is filled up with black pictures.
        """
        size = self.batch or len(prepared)
        for start in range(0, len(prepared), size):
            part = prepared[start : start + size]
            count = len(part)
            if self.batch is not None and count < size:
                part = np.concatenate([part, np.zeros((size - count, *part.shape[1:]), np.uint8)])
            yield self._array(part), count

    def _array(self, pictures: NDArray[np.uint8]) -> NDArray[Any]:
        array: NDArray[Any] = pictures
        if self.dtype != "uint8":
            mean, std = (np.array(each, np.float32).reshape(1, -1, 1, 1) for each in (self.mean, self.std))
            array = pictures.astype(np.float32)
            array *= 1 / (255 * std)
            array -= mean / std
        if self.bgr:
            array = array[:, ::-1]
        if self.layout == "nhwc":
            array = array.transpose(0, 2, 3, 1)
        return np.ascontiguousarray(array, self.dtype)

    def vectors(self, output: NDArray[Any], count: int) -> NDArray[np.float32]:
        """The vectors of an output of the graph for `count` pictures: (count, dim). Raises `ValueError`."""
        kind = "tokens" if self.first_token else "vectors"
        if vector_kind(output.shape) != kind or len(output) != (self.batch or count):
            raise ValueError(f"its output {self.output} is {output.shape} for {self.batch or count} pictures")
        output = output[:, 0] if self.first_token else output
        vectors = output[:count].reshape(count, -1).astype(np.float32)
        if self.normalize:
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.where(norms > 0, norms, 1)
        return vectors
