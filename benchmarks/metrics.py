"""Exact nearest neighbors under divergences: ours, a plain SciPy loop, and scikit-learn's brute force.

    python benchmarks/metrics.py [--stored 50000] [--bins 64] [--queries 1000] [--slow 12] [--rounds 3]

The ten nearest of each query among histograms drawn from a flat Dirichlet distribution, and among smoothed counts of
mixtures, which crowd together as pictures do. CPU seconds of one thread, in one process, interleaved: the slow peers
answer `--slow` queries of each round, ours all of them, with its check of the values and its maps of what is stored.
The neighbors must be the same.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, jensenshannon
from scipy.special import rel_entr
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from _results import table, write_section
from semelha.metrics import (
    Bhattacharyya,
    ChiSquare,
    JensenShannon,
    KullbackLeibler,
    MappedMetric,
    Matusita,
    Metric,
    additive_smoothing,
)

K = 10
Rows = NDArray[np.float64]
Loop = Callable[[Rows, Rows], Rows]
Pair = Callable[[Rows, Rows], float]


@dataclass(frozen=True)
class Peer:
    """What one writes for a metric with SciPy and scikit-learn.

    Attributes
    ----------
    loop : callable
        One query against all that is stored, by the definition.
    pair : callable, optional
        One pair, for scikit-learn's brute force.
    by_hand : callable, optional
        One query against all, by who knows that roots make it Euclidean.
    """

    metric: Metric
    loop: Loop
    pair: Pair | None = None
    by_hand: Loop | None = None


def bhattacharyya(p: Rows, q: Rows) -> float:
    return -float(np.log(np.sqrt(p * q).sum()))


def matusita(p: Rows, q: Rows) -> float:
    return float(np.linalg.norm(np.sqrt(p) - np.sqrt(q)))


PEERS = [
    Peer(KullbackLeibler(), lambda q, s: rel_entr(q, s).sum(axis=1), lambda p, q: float(rel_entr(p, q).sum())),
    Peer(
        Bhattacharyya(),
        lambda q, s: cdist(q[None], s, bhattacharyya)[0],
        bhattacharyya,
        lambda q, s: -np.log(1 - cdist(np.sqrt(q)[None], np.sqrt(s), "sqeuclidean")[0] / 2),
    ),
    Peer(
        Matusita(),
        lambda q, s: cdist(q[None], s, matusita)[0],
        matusita,
        lambda q, s: cdist(np.sqrt(q)[None], np.sqrt(s))[0],
    ),
    Peer(JensenShannon(), lambda q, s: jensenshannon(q[None], s, axis=1) ** 2),
    Peer(ChiSquare(), lambda q, s: ((q - s) ** 2 / (q + s)).sum(axis=1) / 2),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stored", type=int, default=50_000)
    parser.add_argument("--bins", type=int, default=64)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--slow", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    threadpool_limits(1)
    random = np.random.default_rng(0)
    rows: list[list[object]] = []
    for kind, made in (("flat", flat), ("crowded", crowded)):
        stored = made(random, arguments.stored, arguments.bins)
        queries = made(random, arguments.queries, arguments.bins)
        for peer in PEERS:
            rows.append([kind, *compared(peer, queries, stored, arguments)])
    body = (
        f"The {K} nearest among {arguments.stored:,} histograms of {arguments.bins} bins. Milliseconds of CPU a query, "
        f"one thread, median of {arguments.rounds} interleaved rounds: ours over {arguments.queries:,} queries (50 "
        f"where it is not by maps), the peers over {arguments.slow} of them (scikit-learn with a callable over 2). The "
        "neighbors of the peers' queries are the same in the same order. SciPy is a loop over queries of `rel_entr`, "
        "`cdist` with a callable, `jensenshannon`, and for chi-square NumPy; by hand is `cdist` of the roots, for who "
        "knows that these make it Euclidean.\n\n"
        + table(
            ["histograms", "metric", "search", "semelha", "SciPy", "by hand", "scikit-learn", "times faster than each"],
            rows,
        )
    )
    write_section("Nearest neighbors under divergences", body)


def flat(random: np.random.Generator, n: int, bins: int) -> Rows:
    return random.dirichlet(np.ones(bins), n)


def crowded(random: np.random.Generator, n: int, bins: int) -> Rows:
    """Counts of 4,096 pixels, of one of 500 kinds of picture."""
    kinds = np.random.default_rng(1).dirichlet(np.full(bins, 0.3), 500)
    return additive_smoothing(random.multinomial(4096, kinds[random.integers(0, 500, n)]))


def compared(peer: Peer, queries: Rows, stored: Rows, arguments: argparse.Namespace) -> list[object]:
    metric = peer.metric
    few, fewer = queries[: arguments.slow], queries[:2]
    many = queries if isinstance(metric, MappedMetric) else queries[: max(50, arguments.slow)]
    milliseconds: dict[str, list[float]] = {"ours": [], "loop": [], "by hand": [], "sklearn": []}

    def measure(name: str, probes: Rows, step: Callable[[], NDArray[np.int64]]) -> NDArray[np.int64]:
        start = time.process_time()
        found = step()
        milliseconds[name].append(1000 * (time.process_time() - start) / len(probes))
        return found

    for _ in range(arguments.rounds):
        found = measure("ours", many, lambda: metric.nearest(many, stored, K).positions)
        for name, loop in (("loop", peer.loop), ("by hand", peer.by_hand)):
            if loop is not None:
                expected = measure(name, few, lambda loop=loop: np.stack([first(loop(q, stored)) for q in few]))
                check(metric, found[: len(few)], expected)
        if peer.pair is not None:
            search = NearestNeighbors(n_neighbors=K, algorithm="brute", metric=peer.pair).fit(stored)
            expected = measure("sklearn", fewer, lambda search=search: search.kneighbors(fewer, return_distance=False))
            check(metric, found[: len(fewer)], expected)
    median = {name: float(np.median(values)) if values else None for name, values in milliseconds.items()}
    ours, *others = median.values()
    times = " / ".join("–" if other is None else f"{other / ours:.0f}" for other in others)
    return [metric.name, metric.search, ours, *others, times]


def first(distances: Rows) -> NDArray[np.int64]:
    """The K nearest, as quickly as NumPy gives them."""
    some = np.argpartition(distances, K)[:K]
    return some[np.lexsort((some, distances[some]))]


def check(metric: Metric, found: NDArray[np.int64], expected: NDArray[np.int64]) -> None:
    if not np.array_equal(found, expected):
        raise SystemExit(f"{metric.name}: the neighbors are not the same")


if __name__ == "__main__":
    main()
