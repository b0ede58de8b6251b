"""Decodes and validates the calibration plan and its scores as the database has them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.store.records import Plan, Scores

NUMBER = 8  # bytes


def plan_of(found: Any) -> Plan:
    """Decode a plan. Raises `ValueError` if it is invalid."""
    try:
        plan = Plan(**found)
    except TypeError as error:
        raise ValueError("its calibration cannot be read") from error
    whole = all(isinstance(number, int) and number >= 0 for number in (plan.seed, plan.change))
    parts = (plan.fpir, plan.choosers, *([] if plan.uncertain is None else [plan.uncertain]))
    if not (
        plan.kind in ("strangers", "subjects")
        and isinstance(plan.scoring, str)
        and whole
        and all(isinstance(part, int | float) and isfinite(part) for part in parts)
        and 0 < plan.fpir < 1
        and 0 <= plan.choosers <= 1
        and (plan.uncertain is None or plan.fpir < plan.uncertain < 1)
    ):
        raise ValueError("its calibration has values out of range")
    return plan


def scores_of(change: int, blobs: Sequence[bytes | None]) -> Scores | None:
    """Decode scores from their columns; None if these do not fit together: they can be computed again."""
    if not all(blob is None or len(blob) % NUMBER == 0 for blob in blobs):
        return None
    subjects, examples, nearest = (np.frombuffer(blob or b"", "<i8") for blob in blobs[:3])
    distances = np.frombuffer(blobs[3] or b"", "<f8")
    own, further = (None if blob is None else np.frombuffer(blob, "<f8") for blob in blobs[4:])
    if {len(examples), len(nearest), len(distances)} != {len(subjects)} or _undefined(distances):
        return None
    if own is not None and (len(own) != len(subjects) or _undefined(own)):
        return None
    if further is None or not len(further):
        return Scores(change, subjects, examples, nearest, distances, own)
    if not len(subjects) or len(further) % len(subjects) or _undefined(further):
        return None
    return Scores(change, subjects, examples, nearest, distances, own, further.reshape(len(subjects), -1))


def _undefined(distances: NDArray[np.float64]) -> bool:
    return bool(np.isnan(distances).any())
