"""Queues of a search server, simulated: random arrivals, batches, shards that all must answer, replicas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]


def arrivals(rate: float, n: int, seed: int) -> Times:
    """Times of n arrivals of a Poisson process: (n,), seconds."""
    return np.random.default_rng(seed).exponential(1 / rate, n).cumsum()


def batched(due: Times, seconds: Callable[[int], float], largest: int) -> Times:
    """Seconds from arrival to answer, if one worker takes all that wait, `largest` at most, and answers them together.

    `seconds` is the time of a batch of a size.
    """
    found, free, done = np.empty(len(due)), 0.0, 0
    while done < len(due):
        start = max(free, due[done])
        size = min(int(np.searchsorted(due, start, side="right")) - done, largest)
        free = start + seconds(size)
        found[done : done + size] = free - due[done : done + size]
        done += size
    return found


def slowest(latencies: Times, shards: int, seed: int, n: int = 100_000) -> Times:
    """Seconds until the last of independent shards has answered, drawn from the latencies of one: (n,)."""
    uniform = np.random.default_rng(seed).random(n)
    return np.quantile(latencies, uniform ** (1 / shards))
