"""What a method that was cut would reach: its last trial, raised as much as the methods of its family that went on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import expit, logit

from semelha.comparison.result import MethodResult, Trial

LEAST = 1e-3
"""Rates nearer to 0 or 1 count as this far from it: the log-odds of 0 and 1 are infinite."""


def with_expected(methods: Sequence[MethodResult]) -> list[MethodResult]:
    """Results with `expected`: R@1 on the selection classes with all classes and the whole time, an estimate if cut."""
    return [replace(one, expected=_expected(one, methods)) for one in methods]


def _expected(method: MethodResult, methods: Sequence[MethodResult]) -> float | None:
    if method.selection is not None:
        return method.selection.value
    if not method.trials:
        return None
    after = len(method.trials)
    gains = [
        _log_odds(other.trials[-1]) - _log_odds(other.trials[after - 1])
        for other in methods
        if other.family == method.family and other.selection is not None and len(other.trials) >= after
    ]
    return float(expit(_log_odds(method.trials[-1]) + np.mean(gains))) if gains else method.trials[-1].r_at_1.value


def _log_odds(trial: Trial) -> float:
    return float(logit(np.clip(trial.r_at_1.value, LEAST, 1 - LEAST)))
