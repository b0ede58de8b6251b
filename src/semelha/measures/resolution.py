"""Which rates so many trials can measure at all."""

from __future__ import annotations

INSUFFICIENT = "insufficient data"
"""What is said where a rate lies below what the trials resolve; in JSON it is null."""


def measurable(rate: float, trials: int) -> bool:
    """Whether one error among the trials is a rate of at most `rate`: trials ≥ 1 / rate.

    With fewer, no threshold but the one that lets nothing pass keeps the rate, and what it costs is no measurement.
    """
    return rate * trials >= 1 - 1e-9
