"""Which pictures are enrolled and which probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.errors import DatasetError
from semelha.images import Dataset, Picture


@dataclass(frozen=True)
class Protocol:
    """Which pictures are enrolled and which probe.

    Parameters
    ----------
    enroll : callable, optional
        True for the pictures that are enrolled; the others are probes. Where not given: a data set with the splits
        "gallery" and "query", or "train" and "test", is enrolled by the first and probed by the second; otherwise each
        picture probes all others, and one picture of each subject is enrolled for the open set.
    map_among_all : bool
        MAP@R and R-precision with every picture searching all others. With one enrolled picture a class, MAP@R within
        the gallery would be R@1 again.
    known : float
        Part of the classes that is enrolled for the open set; the others are the strangers.
    """

    enroll: Callable[[Picture], bool] | None = None
    map_among_all: bool = False
    known: float = 0.5


def roles(dataset: Dataset, protocol: Protocol) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
    """Places of the enrolled pictures (None: leave one out) and of the probes."""
    everything = np.arange(len(dataset))
    if protocol.enroll is not None:
        enrolled = np.array([protocol.enroll(picture) for picture in dataset], bool)
    else:
        splits = {picture.split for picture in dataset}
        pair = next((p for p in (("gallery", "query"), ("train", "test")) if set(p) <= splits), None)
        if pair is None:
            return None, everything
        enrolled = np.array([picture.split == pair[0] for picture in dataset])
        everything = np.array([i for i in everything if dataset.pictures[i].split in pair])
    gallery, probes = np.flatnonzero(enrolled), np.setdiff1d(everything, np.flatnonzero(enrolled))
    if not len(gallery) or not len(probes):
        raise DatasetError(
            f"{dataset.name}: {len(gallery)} pictures are enrolled and {len(probes)} probe: both are needed"
        )
    return gallery, probes
