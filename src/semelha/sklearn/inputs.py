"""What callers of scikit-learn pass as X: pictures in lists, arrays, series and frames; and models."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from semelha.arguments import refuse
from semelha.embedders import Model, Source
from semelha.errors import UsageError
from semelha.images import Dataset
from semelha.images.picture import TAKEN, is_source
from semelha.published_models import resolve_model

ModelLike = Model | str | os.PathLike[str] | None


def loaded_model(model: ModelLike) -> Model:
    """A model as it is, that of a folder or of a published name, or `semelha.pretrained()` for None.

    Raises `UsageError` for anything else, and the errors of `semelha.pretrained`.
    """
    if model is not None and not isinstance(model, Model | str | os.PathLike):
        refuse("model", model, "a Model, a path, the name of a published model or None")
    return resolve_model(model)


def is_numeric_table(X: Any) -> bool:
    """Whether X is an array or a frame (n, d) of numbers: vectors, not pictures."""
    return len(getattr(X, "shape", ())) == 2 and np.asarray(X).dtype.kind in "biuf"


def as_sources(X: Any) -> list[Source]:
    """The pictures of X, which must be several: a list of one for each row.

    Parameters
    ----------
    X : sequence, (n, h, w[, 3]) uint8, (n,) or (n, 1) array, series, frame with one column, or Dataset
        Of paths, bytes, pixels, PIL images or `Picture`.

    Raises
    ------
    UsageError
        X is one picture, or neither a sequence nor an array of these shapes.
    """
    if isinstance(X, Dataset):
        return list(X.pictures)
    array = X.to_numpy() if hasattr(X, "to_numpy") else X
    if isinstance(array, np.ndarray):
        return _of_array(array)
    if is_source(X):
        raise UsageError("X is one picture: pass a list of pictures, such as [picture]")
    if not isinstance(X, Iterable):
        refuse("X", X, f"a sequence of which each is {TAKEN}")
    return list(X)


def _of_array(array: Any) -> list[Source]:
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3:
        raise UsageError(f"X is an array {array.shape}: n grey pictures are (n, h, w), one picture is [picture]")
    if array.dtype == np.uint8 and array.ndim in (3, 4):
        return list(array)
    if array.dtype.kind in "OUST" and (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)):
        return [str(one) if isinstance(one, str) else one for one in array.ravel()]
    raise UsageError(
        f"X is an array {array.shape} of {array.dtype}: pictures are (n, h, w) or (n, h, w, 3) of uint8, or a sequence "
        f"of which each is {TAKEN}"
    )
