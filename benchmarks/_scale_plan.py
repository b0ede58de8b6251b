"""Arithmetic of a search service over many examples: shards, cores, memory, latency, merges, calibration, cost.

Everything is a function of measured laws (`Laws`) and of named assumptions (`Assumptions`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, isqrt

import numpy as np

from _scale_fit import Law
from _scale_queue import arrivals, batched, slowest
from semelha.index.compaction import MAX_SIZE_RATIO

DELTA = 4096  # vectors at which the delta is closed
M = 16
SIMULATED = 40_000  # arrivals
LARGEST_BATCH = 64


@dataclass(frozen=True)
class Assumptions:
    """What is not measured here. Prices are an example (list prices of a large cloud in 2024), in US dollars."""

    examples: float = 1e9
    examples_a_subject: float = 10
    queries_a_second: float = 10_000
    utilization: float = 0.6  # part of the time in which a core that embeds works
    replicas: int = 2  # of every shard
    busiest: float = 0.9  # part of the time in which a core that searches works while one replica is away
    network_ms: float = 0.5  # of a message to a shard and back
    core_hour: float = 0.035
    gigabyte_hour: float = 0.004  # of memory
    disk_gigabyte_month: float = 0.08
    object_gigabyte_month: float = 0.023
    hours_a_month: float = 730

    @property
    def load(self) -> float:
        """Part of the time in which a core that searches works while all replicas answer."""
        return self.busiest * (self.replicas - 1) / self.replicas


@dataclass(frozen=True)
class Laws:
    """Of an index of n vectors, one core: seconds of a query alone and in a batch, CPU seconds of a build."""

    alone: Law
    batch: Law
    build: Law


@dataclass(frozen=True)
class Sharded:
    """A plan with shards of one size: bytes of memory, seconds of latency, core-hours to build a shard again.

    `merge_cores` are busy while a thousand examples are enrolled every second.
    """

    size: float
    shards: int
    cores: int
    memory: float
    p50: float
    p99: float
    slowest_p99: float
    rebuild_hours: float
    merge_cores: float


def bytes_a_vector(kind: str, dimension: int, n: float) -> float:
    """Of an index: vector and id, links and layer of a graph, codes in 8 bits, centroids of cells."""
    size = 4.0 * dimension + 8
    if kind.endswith("8 bits"):
        size += 8 * ceil(dimension / 8)
    if kind.startswith("graph"):
        size += 1 + 4 * M * (2 + 1 / (M - 1))
    if kind.startswith("cells"):
        size += 4 * isqrt(int(n)) * (4.0 * dimension + 8) / n
    return size


def merges(n: int, delta: int = DELTA) -> Iterator[int]:
    """Sizes of the segments that are built while n vectors are enrolled, as `semelha.index.compaction` selects them."""
    parts: list[int] = []
    for first in range(0, n, delta):
        total = min(delta, n - first)
        if total < delta:
            return  # the open delta
        while parts and parts[-1] <= MAX_SIZE_RATIO * total:
            total += parts.pop()
        parts.append(total)
        yield total


def merge_seconds(n: int, build: Law, delta: int = DELTA) -> float:
    """CPU seconds of all merges while n vectors are enrolled."""
    return sum(build(size) for size in merges(n, delta))


def rebuilt(n: int, delta: int = DELTA) -> float:
    """How often a vector is built into a segment, on average, while n are enrolled."""
    return sum(merges(n, delta)) / n


def batch_law(laws: Laws, n: float) -> tuple[float, float]:
    """α and β of the seconds α + β · k of a batch of k queries, from a query alone and one of many."""
    return max(0.0, laws.alone(n) - laws.batch(n)), laws.batch(n)


def latency(alpha: float, beta: float, load: float, seed: int = 0) -> np.ndarray:
    """Simulated seconds from arrival to answer at a core that is asked `load` of what the largest batches can do."""
    most = LARGEST_BATCH / (alpha + beta * LARGEST_BATCH)
    due = arrivals(load * most, SIMULATED, seed)
    return batched(due, lambda size: alpha + beta * size, LARGEST_BATCH)


def sharded(laws: Laws, bytes_of: Law, size: float, given: Assumptions) -> Sharded:
    """A plan with shards of `size` examples. Every query goes to every shard, on one of its replicas."""
    shards = ceil(given.examples / size)
    alpha, beta = batch_law(laws, size)
    a_query = (alpha + beta * LARGEST_BATCH) / LARGEST_BATCH
    cores = ceil(given.queries_a_second * a_query / given.load)
    of_one = latency(alpha, beta, given.load)
    of_all = slowest(of_one, shards, 1)
    merging = merge_seconds(int(size), laws.build) / size  # CPU seconds for each vector, until the shard is full
    return Sharded(
        size,
        shards,
        max(cores, given.replicas) * shards,
        given.replicas * bytes_of(size) * size * shards,
        float(np.quantile(of_one, 0.5)),
        float(np.quantile(of_one, 0.99)),
        float(np.quantile(of_all, 0.99)) + given.network_ms / 1000,
        laws.build(size) / 3600,
        1000 * merging * given.replicas,
    )


def crossing(value: Law, limit: float, low: float = 1e3, high: float = 1e10) -> float | None:
    """The n at which an increasing law passes a limit; None if not before `high`."""
    if value(high) <= limit:
        return None
    if value(low) > limit:
        return low
    while high / low > 1.001:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if value(middle) > limit else (middle, high)
    return high


def strangers_for(fpir: float, relative: float) -> int:
    """Strangers whose measured rate has this relative standard error."""
    return ceil((1 - fpir) / fpir / relative**2 - 1e-6)
