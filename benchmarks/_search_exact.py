"""Ours beside our own exact scan: HNSW under a divergence, and trees in few dimensions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import faiss
import numpy as np
from sklearn.neighbors import KDTree
from threadpoolctl import threadpool_limits

from _results import table
from _search_data import K, Vectors
from _search_measure import batch, interleaved, ratios
from _search_ours import PROMISED, AnyIndex
from metrics import crowded, flat
from semelha.index import HNSWIndex, LinearIndex, TreeIndex
from semelha.metrics import Euclidean, KullbackLeibler

BINS = 64
DIMENSIONS = (2, 3, 4, 6, 8, 12)
SINGLES = 300


def divergences(stored: int, queries: int, rounds: int) -> str:
    rows = []
    with threadpool_limits(1):
        for kind, made in (("crowded", crowded), ("flat", flat)):
            random = np.random.default_rng(0)
            rows.append([kind, *divergence(made(random, stored, BINS), made(random, queries, BINS), rounds)])
    return (
        f"The {K} nearest among {stored:,} histograms of {BINS} bins under Kullback–Leibler: `HNSWIndex` with a "
        f"promised recall of {PROMISED} beside the exact `LinearIndex`, both through the whole contract, one thread. "
        f"The queries are {queries:,} fresh draws; the recall is theirs. × is the median of {rounds} interleaved "
        "rounds (lowest–highest). Histograms as in *Nearest neighbors under divergences*: crowded ones are smoothed "
        "counts of mixtures; flat ones, of a flat Dirichlet distribution, have no structure that a graph could use."
        "\n\n"
        + table(
            [
                "histograms",
                "depth",
                "recall",
                "build, s",
                "HNSW, ms a query",
                "exact, ms a query",
                "× exact",
                "alone: HNSW, µs",
                "exact, µs",
            ],
            rows,
        )
    )


def divergence(stored: Vectors, queries: Vectors, rounds: int) -> list[object]:
    metric, ids = KullbackLeibler(), np.arange(len(stored))
    graph = HNSWIndex(metric, recall=PROMISED, threads=1)
    start = time.perf_counter()
    graph.build(ids, stored)
    seconds = time.perf_counter() - start
    scan = LinearIndex(metric, threads=1)
    scan.build(ids, stored)
    found, true = graph.search(queries, K), scan.search(queries, K)
    recall = float(np.mean(found.distances <= true.distances[:, -1:] * (1 + 1e-6)))
    times = interleaved({"graph": batch(by(graph), queries), "scan": batch(by(scan), queries)}, rounds)
    gain = ratios(times["graph"], times["scan"])
    (segment,) = graph.stats()["segments"]
    return [
        segment.get("depth") or f"scan: {segment['why']}",
        recall,
        f"{seconds:.1f}",
        *(1000 * float(np.median(values)) for values in times.values()),
        f"{np.median(gain):.2f} ({min(gain):.2f}–{max(gain):.2f})",
        *(f"{alone(by(index), queries):,.0f}" for index in (graph, scan)),
    ]


def trees(sizes: Sequence[int], rounds: int) -> str:
    rows: list[list[object]] = []
    with threadpool_limits(1):
        faiss.omp_set_num_threads(1)
        for n in sizes:
            for dimension in DIMENSIONS:
                random = np.random.default_rng(0)
                stored, queries = (random.random((number, dimension), np.float32) for number in (n, 1000))
                rows.append([f"{n:,}", dimension, *tree(stored, queries, rounds)])
    return (
        "Uniform vectors, exact Euclidean neighbors, one thread: `TreeIndex` and `LinearIndex` through the whole "
        "contract, scikit-learn's KD-tree and FAISS flat bare. Milliseconds for 1,000 queries in a batch (median of "
        f"{rounds} interleaved rounds; fewer queries are asked where they take long), microseconds for a query alone "
        f"(median of {SINGLES}).\n\n"
        + table(
            ["vectors", "dimensions", *(f"{name}, {what}" for what in ("ms", "µs alone") for name in NAMES)],
            rows,
        )
    )


NAMES = ("TreeIndex", "KD-tree", "LinearIndex", "FAISS flat")


def tree(stored: Vectors, queries: Vectors, rounds: int) -> list[object]:
    ours = [
        TreeIndex(Euclidean(), threads=1),
        LinearIndex(Euclidean(), threads=1),
    ]
    for index in ours:
        index.build(np.arange(len(stored)), stored)
    grown, plain = KDTree(stored), faiss.IndexFlatL2(stored.shape[1])
    plain.add(stored)
    searches = [by(ours[0]), lambda some: grown.query(some, K), by(ours[1]), lambda some: plain.search(some, K)]
    times = interleaved({name: batch(one, queries) for name, one in zip(NAMES, searches, strict=True)}, rounds)
    return [
        *(f"{1e6 * np.median(values):,.1f}" for values in times.values()),
        *(f"{alone(one, queries):,.0f}" for one in searches),
    ]


def by(index: AnyIndex) -> Callable[[Vectors], object]:
    return lambda queries: index.search(queries, K)


def alone(answer: Callable[[Vectors], object], queries: Vectors) -> float:
    """Median microseconds of a single query."""
    seconds = []
    for query in queries[:SINGLES, None]:
        start = time.perf_counter()
        answer(query)
        seconds.append(time.perf_counter() - start)
    return 1e6 * float(np.median(seconds))
