"""Checks of arguments, and of numbers and arrays that were read from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semelha.errors import UsageError

MAX_INT32 = (1 << 31) - 1
"""The largest integer that FAISS takes."""
MISSING_ID = np.iinfo(np.int64).max
"""Placeholder of a missing neighbor while neighbors are sorted: larger than every id."""
BLOCK = 1 << 23  # numbers that are checked at a time


def checked_ids(ids: ArrayLike) -> NDArray[np.int64]:
    """Ids as int64. Raises `ValueError` unless they are integers below 2**63: floats and masks are refused."""
    numbers = np.asarray(ids)
    if numbers.size and (numbers.dtype.kind not in "iu" or (numbers.dtype.kind == "u" and numbers.max() > MISSING_ID)):
        raise ValueError(f"ids must be integers below 2**63, not {numbers.dtype}")
    return numbers.astype(np.int64, copy=False)


def check_ids(ids: NDArray[np.int64]) -> None:
    """Raise `ValueError` if one of the ascending ids is repeated, negative, or `MISSING_ID`."""
    if len(ids) and ((ids[1:] == ids[:-1]).any() or ids[0] < 0 or ids[-1] == MISSING_ID):
        raise ValueError("ids must be unique, from 0 to 2**63 - 2")


def check_recall(recall: float) -> None:
    """Raise `UsageError` for a recall that an approximate search cannot keep."""
    if not 0 < recall < 1:
        raise UsageError(f"recall is {recall}: it must lie between 0 and 1; for exact search take LinearIndex")


def check_seed(seed: int) -> None:
    """Raise `UsageError` for a seed that FAISS does not take."""
    if not 0 <= seed <= MAX_INT32:
        raise UsageError(f"seed is {seed}: it must lie between 0 and {MAX_INT32}")


def whole_number(header: Mapping[str, Any], name: str, least: int = 0, most: int = MAX_INT32) -> int:
    """An integer of a header in JSON. Raises `ValueError` or `KeyError` unless it lies from `least` to `most`."""
    value = header[name]
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"its {name} is not an integer from {least} to {most}")
    return value


def number(header: Mapping[str, Any], name: str, least: float, most: float) -> float:
    """A number of a header in JSON. Raises `ValueError` or `KeyError` unless it lies from `least` to `most`."""
    value = header[name]
    if type(value) not in (int, float) or not least <= value <= most:  # NaN too
        raise ValueError(f"its {name} is not a number from {least:g} to {most:g}")
    return float(value)


def check_numbers(numbers: NDArray[np.floating[Any]]) -> None:
    """Raise `ValueError` for NaN."""
    flat = numbers.reshape(-1)
    if any(np.isnan(flat[start : start + BLOCK]).any() for start in range(0, len(flat), BLOCK)):
        raise ValueError("it contains NaN")
