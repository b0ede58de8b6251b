"""Evaluation protocols: which pictures are enrolled and which are probes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from semelha.arguments import check_fields
from semelha.errors import DatasetError
from semelha.images import Dataset, Picture
from semelha.images.names import split_name
from semelha.images.splits import PAIRS

Array = TypeVar("Array", bound=NDArray[Any])


@dataclass(frozen=True)
class Protocol:
    """Which pictures are enrolled and which are probes.

    Parameters
    ----------
    enroll : callable, optional
        Returns True for the pictures to enroll; the others are probes. By default a data set with the splits "gallery"
        and "query", or "train" and "test" that share classes, enrolls the first and probes with the second. Otherwise
        each picture is searched among all others, of the split "test" if there is one, and one picture of each subject
        is enrolled for the open set.
    map_leave_one_out : bool
        Compute MAP@R and R-precision with every picture searched among all others. With one enrolled picture for each
        class, MAP@R within the gallery would be R@1 again.
    enrolled_fraction : float
        Fraction of the classes to enroll for the open set; probes of the others are non-mated.
    """

    enroll: Callable[[Picture], bool] | None = None
    map_leave_one_out: bool = False
    enrolled_fraction: float = 0.5

    def __post_init__(self) -> None:
        check_fields(self)


def assign_roles(dataset: Dataset, protocol: Protocol) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
    """Rows of the enrolled pictures (None: leave one out) and of the probes. Raises `DatasetError` without either."""
    rows = np.arange(len(dataset))
    if protocol.enroll is not None:
        enrolled = np.array([protocol.enroll(picture) for picture in dataset], bool)
    else:
        splits = np.array([split_name(picture.split or "") for picture in dataset])
        pair = next((p for p in PAIRS if set(p) <= set(splits)), None)
        if pair is None:
            return None, rows
        enrolled = splits == pair[0]
        rows = rows[np.isin(splits, pair)]
    gallery = np.flatnonzero(enrolled)
    probes = np.setdiff1d(rows, gallery)
    if not len(gallery) or not len(probes):
        raise DatasetError(
            f"{dataset.name} has {len(gallery)} enrolled pictures and {len(probes)} probes: an evaluation needs both"
        )
    return gallery, probes


def take(values: Array | None, rows: NDArray[Any] | None) -> Array | None:
    """`values[rows]`; None if either is None."""
    return None if values is None or rows is None else values[rows]
