"""Exact nearest neighbors under divergences: ours, a plain SciPy loop, and scikit-learn's brute force.

    python benchmarks/metrics.py [--stored 50000] [--bins 64] [--queries 1000] [--slow 12] [--rounds 3]

The ten nearest of each query among histograms drawn from a flat Dirichlet distribution, and among smoothed counts of
mixtures, which crowd together as pictures do. CPU seconds of one thread, in one process, interleaved: the slow peers
answer `--slow` queries of each round, ours all of them, with its check of the values and its maps of what is stored. The
neighbors must be the same.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy is imported

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, jensenshannon
from scipy.special import rel_entr
from sklearn.neighbors import NearestNeighbors

from _results import table, write_section
from semelha.metrics import Bhattacharyya, ChiSquare, JensenShannon, KullbackLeibler, Matusita, Metric, smoothed

K = 10
Rows = NDArray[np.float64]
Loop = Callable[[Rows, Rows], Rows]
Pair = Callable[[Rows, Rows], float]

# What one writes with SciPy for one query against all that is stored, and for one pair.
PEERS: list[tuple[Metric, Loop, Pair | None]] = [
    (KullbackLeibler(), lambda q, s: rel_entr(q, s).sum(axis=1), lambda p, q: float(rel_entr(p, q).sum())),
    (
        Bhattacharyya(),
        lambda q, s: -np.log(1 - cdist(np.sqrt(q)[None], np.sqrt(s), "sqeuclidean")[0] / 2),
        lambda p, q: -float(np.log(np.sqrt(p * q).sum())),
    ),
    (
        Matusita(),
        lambda q, s: cdist(np.sqrt(q)[None], np.sqrt(s))[0],
        lambda p, q: float(np.linalg.norm(np.sqrt(p) - np.sqrt(q))),
    ),
    (JensenShannon(), lambda q, s: jensenshannon(q[None], s, axis=1) ** 2, None),
    (ChiSquare(), lambda q, s: ((q - s) ** 2 / (q + s)).sum(axis=1) / 2, None),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stored", type=int, default=50_000)
    parser.add_argument("--bins", type=int, default=64)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--slow", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    rows: list[list[object]] = []
    for kind, made in (("flat", flat), ("crowded", crowded)):
        stored = made(random, arguments.stored, arguments.bins)
        queries = made(random, arguments.queries, arguments.bins)
        for metric, loop, pair in PEERS:
            rows.append([kind, *compared(metric, loop, pair, queries, stored, arguments)])
    body = (
        f"The {K} nearest among {arguments.stored:,} histograms of {arguments.bins} bins. Milliseconds of CPU a query, "
        f"one thread, median of {arguments.rounds} interleaved rounds: ours over {arguments.queries:,} queries, the "
        f"peers over {arguments.slow} of them (scikit-learn's callable over 2). The neighbors of the peers' queries are "
        "the same in the same order.\n\n"
        + table(
            [
                "histograms",
                "metric",
                "search",
                "semelha",
                "SciPy loop",
                "scikit-learn",
                "SciPy : ours",
                "sklearn : ours",
            ],
            rows,
        )
    )
    write_section("Nearest neighbors under divergences", body)


def flat(random: np.random.Generator, n: int, bins: int) -> Rows:
    return random.dirichlet(np.ones(bins), n)


def crowded(random: np.random.Generator, n: int, bins: int) -> Rows:
    """Counts of 4,096 pixels, of one of 500 kinds of picture."""
    kinds = np.random.default_rng(1).dirichlet(np.full(bins, 0.3), 500)
    return smoothed(random.multinomial(4096, kinds[random.integers(0, 500, n)]))


def compared(
    metric: Metric, loop: Loop, pair: Pair | None, queries: Rows, stored: Rows, arguments: argparse.Namespace
) -> list[object]:
    few, fewer = queries[: arguments.slow], queries[:2]
    many = queries if metric.exact_map else queries[: max(50, arguments.slow)]
    ours, loops, brute = [], [], []
    for _ in range(arguments.rounds):
        seconds, found = timed(lambda: metric.nearest(many, stored, K).positions)
        ours.append(1000 * seconds / len(many))
        seconds, expected = timed(lambda: np.stack([first(loop(query, stored)) for query in few]))
        loops.append(1000 * seconds / len(few))
        check(metric, found[: len(few)], expected)
        if pair is not None:
            search = NearestNeighbors(n_neighbors=K, algorithm="brute", metric=pair).fit(stored)
            seconds, expected = timed(lambda search=search: search.kneighbors(fewer, return_distance=False))
            brute.append(1000 * seconds / len(fewer))
            check(metric, found[: len(fewer)], expected)
    mine, theirs = float(np.median(ours)), float(np.median(loops))
    slowest = float(np.median(brute)) if brute else None
    return [
        metric.name,
        metric.search,
        mine,
        theirs,
        slowest,
        f"{theirs / mine:.0f}",
        f"{slowest / mine:.0f}" if slowest else None,
    ]


def first(distances: Rows) -> NDArray[np.int64]:
    """The K nearest, as quickly as NumPy gives them."""
    some = np.argpartition(distances, K)[:K]
    return some[np.lexsort((some, distances[some]))]


def check(metric: Metric, found: NDArray[np.int64], expected: NDArray[np.int64]) -> None:
    if not np.array_equal(found, expected):
        raise SystemExit(f"{metric.name}: the neighbors are not the same")


def timed(step: Callable[[], NDArray[np.int64]]) -> tuple[float, NDArray[np.int64]]:
    start = time.process_time()
    found = step()
    return time.process_time() - start, found


if __name__ == "__main__":
    main()
