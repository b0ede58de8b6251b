"""A recall that is promised is kept on vectors that nobody has seen, or a scan is made and it is said."""

import logging
from collections.abc import Sequence
from itertools import pairwise
from math import log2

import numpy as np
import pytest

from semelha.errors import UsageError
from semelha.index import HNSWIndex, Index, IVFIndex, LinearIndex
from semelha.index.checks import check_recall
from semelha.index.recall import (
    MAX_HELD_OUT,
    MIN_ROWS_PER_HELD_OUT,
    STANDARD_ERRORS,
    MeasuredRecall,
    depth_ladder,
    hold_out,
    recall_of,
    smallest_depth,
)
from semelha.index.rows import Rows
from semelha.index.space import Space
from semelha.metrics import Cosine, Euclidean

random = np.random.default_rng(0)
Kind = type[HNSWIndex] | type[IVFIndex]
both = pytest.mark.parametrize("kind", [HNSWIndex, IVFIndex])


def least(recalls: Sequence[float], wanted: float, error: float = 0.0) -> tuple[MeasuredRecall, list[int]]:
    """What is chosen where depth i has the i-th recall, and the depths that were tried."""
    tried: list[int] = []

    def measure(depth: int) -> MeasuredRecall:
        tried.append(depth)
        return MeasuredRecall(depth, recalls[depth], error, 100)

    return smallest_depth(measure, range(len(recalls)), wanted), tried


@pytest.mark.parametrize("keeps", range(64))
def test_the_least_depth_that_keeps_the_recall(keeps: int) -> None:
    """Wherever it lies, and with few tries."""
    found, tried = least([0.5] * keeps + [0.99] * (64 - keeps), 0.9)
    assert found == MeasuredRecall(keeps, 0.99, 0.0, 100)
    assert len(tried) <= 1 + log2(64)


def test_the_deepest_where_none_keeps_the_recall() -> None:
    found, tried = least(np.linspace(0, 0.8, 30), 0.9)
    assert (found.depth, found.recall, tried) == (29, 0.8, [29])
    assert not found.keeps(0.9)


def test_an_only_depth() -> None:
    assert least([0.95], 0.9)[0].keeps(0.9)
    assert not least([0.85], 0.9)[0].keeps(0.9)


@pytest.mark.parametrize("seed", range(20))
def test_a_curve_with_noise_gives_a_depth_that_was_seen_to_keep_it(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(scale=0.02, size=50)
    recalls = np.minimum(np.linspace(0.6, 1.05, 50) + noise, 1)
    recalls[-1] = 1
    found, tried = least(recalls, 0.9)
    assert found.depth in tried
    assert found.recall == recalls[found.depth] >= 0.9


def test_luck_is_taken_off() -> None:
    """A recall counts with what it is surely above: one more standard error and a half."""
    recalls = np.linspace(0, 1, 101)
    assert least(recalls, 0.9)[0].depth == 90
    assert least(recalls, 0.9, error=0.02)[0].depth == 90 + round(STANDARD_ERRORS * 2 + 0.5)
    assert not MeasuredRecall(1, 1.0, 0.01, 100).keeps(0.99)


def test_ladders_climb_by_an_eighth() -> None:
    for lowest, highest in ((10, 4096), (1, 1), (10, 20), (7, 8), (1, 3000)):
        steps = depth_ladder(lowest, highest)
        assert (steps[0], steps[-1]) == (lowest, highest)
        assert all(a < b <= a + max(1, a // 8) for a, b in pairwise(steps))


def test_measured_counts_what_is_as_near_as_the_last() -> None:
    true = np.array([[1.0, 2.0], [1.0, 1.0], [0.0, 0.0], [3.0, 4.0]])
    found = np.array([[1.0, 2.0 + 1e-9], [1.0, np.inf], [0.0, 1e-12], [np.inf, np.inf]])
    is_found = recall_of(found, true, 5)
    assert (is_found.depth, is_found.queries) == (5, 4)
    assert is_found.recall == np.mean([1, 0.5, 0.5, 0])
    assert is_found.error == pytest.approx(np.std([1, 0.5, 0.5, 0]) / 2)


@pytest.mark.parametrize("n", [10, 256, 9_999, 20_000])
def test_held_back_are_the_last(n: int) -> None:
    rows = Rows(Space(Euclidean()), np.arange(n), random.normal(size=(n, 2)).astype(np.float32))
    mixed, head = hold_out(rows, seed=3)
    assert n - head == min(MAX_HELD_OUT, n // MIN_ROWS_PER_HELD_OUT)
    assert sorted(mixed.ids.tolist()) == list(range(n))
    assert np.array_equal(mixed.vectors, rows.vectors[mixed.ids])
    assert np.array_equal(hold_out(rows, seed=3)[0].ids, mixed.ids)
    assert n == 10 or not np.array_equal(hold_out(rows, seed=4)[0].ids[head:], mixed.ids[head:])


def test_what_cannot_be_promised() -> None:
    for recall in (0, 1, -0.5, 1.5, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="take LinearIndex"):
            check_recall(recall)
    check_recall(0.5)


def clustered(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Overlapping clusters, as embeddings have them."""
    drawn = np.random.default_rng(seed)
    centers = np.random.default_rng(9).normal(size=(40, d))
    return (centers[drawn.integers(40, size=n)] + 0.7 * drawn.normal(size=(n, d))).astype(np.float32)


def recall(index: Index, vectors: np.ndarray, queries: np.ndarray) -> float:
    """Recall@10, beside a scan."""
    exact = LinearIndex(index.metric, threads=1)
    exact.build(np.arange(len(vectors)), vectors)
    true, found = exact.search(queries, 10).distances, index.search(queries, 10).distances
    return float((found <= true[:, -1:] * (1 + 1e-6) + 1e-12).mean())


def only(index: Index) -> dict[str, object]:
    """What it says of its only segment."""
    (segment,) = index.stats()["segments"]  # type: ignore[attr-defined]
    return segment  # type: ignore[no-any-return]


@both
def test_kept_on_vectors_that_nobody_has_seen(kind: Kind) -> None:
    vectors = clustered(2500, 16)
    index = kind(Euclidean(), recall=0.95, threads=1)
    index.build(np.arange(2500), vectors)
    segment = only(index)
    assert segment["kind"] in ("hnsw", "cells")
    assert segment["recall"] - STANDARD_ERRORS * segment["error"] >= 0.95  # type: ignore[operator]
    assert segment["queries"] == 250
    assert recall(index, vectors, clustered(300, 16, seed=1)) >= 0.94
    # Those that were held back are held like all others.
    assert (index.search(vectors, 1).distances[:, 0] == 0).mean() >= 0.95


@both
def test_more_recall_takes_more_depth(kind: Kind) -> None:
    """Among rows without clusters, where it is not to be had for nothing."""
    vectors, depths = np.random.default_rng(0).normal(size=(2500, 24)).astype(np.float32), []
    for wanted in (0.8, 0.86, 0.91):
        index = kind(Euclidean(), recall=wanted, threads=1)
        index.build(np.arange(2500), vectors)
        assert only(index)["kind"] != "linear"
        depths.append(only(index)["depth"])
    assert depths == sorted(set(depths))  # type: ignore[type-var]


@both
@pytest.mark.parametrize("metric", [Euclidean(), Cosine()], ids=lambda metric: metric.name)
def test_hubs_break_no_promise(kind: Kind, metric: Euclidean | Cosine, caplog: pytest.LogCaptureFixture) -> None:
    """Rows near the origin are near to everything, and lie across the ways of a graph."""
    vectors = clustered(2500, 24)
    vectors[:700] *= 0.02
    index = kind(metric, recall=0.95, threads=1)
    with caplog.at_level(logging.WARNING):
        index.build(np.arange(2500), vectors)
    segment = only(index)
    if segment["kind"] == "linear":
        assert "0.95" in str(segment["why"])
        assert f"exact search among 2500 vectors: {segment['why']}" in caplog.text
    else:
        assert caplog.text == ""
    queries = clustered(300, 24, seed=1)
    assert recall(index, vectors, queries) >= (1 if segment["kind"] == "linear" else 0.94)


@both
def test_a_recall_that_cannot_be_kept_is_a_scan(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    """Of noise without neighbors a graph finds too few where a scan is as quick; 8 bits blur what is close together."""
    vectors = random.random(size=(1500, 64)).astype(np.float32)
    wanted = 0.999
    index: Index = HNSWIndex(Euclidean(), recall=wanted, quantize="8bit", threads=1)
    if kind is IVFIndex:
        vectors[::5] *= 1e6  # for these are the 8 bits
        index = IVFIndex(Euclidean(), recall=wanted, quantize="8bit", n_cells=1, threads=1)
    with caplog.at_level(logging.WARNING):
        index.build(np.arange(len(vectors)), vectors)
    segment = only(index)
    assert segment["kind"] == "linear"
    assert f"not {wanted}" in str(segment["why"])
    assert str(segment["why"]) in caplog.text
    assert recall(index, vectors, vectors[6:10] + np.float32(1e-5)) == 1


@both
def test_few_vectors_are_scanned(kind: Kind) -> None:
    index = kind(Euclidean(), threads=1)
    index.build(np.arange(255), clustered(255, 8))
    assert (only(index)["kind"], only(index)["why"]) == ("linear", "fewer than 256 vectors")


@both
def test_the_same_seed_makes_the_same(kind: Kind) -> None:
    vectors, queries = clustered(1000, 8), clustered(50, 8, seed=1)
    found = []
    for seed in (5, 5):
        index = kind(Euclidean(), recall=0.9, seed=seed, threads=1)
        index.build(np.arange(1000), vectors)
        found.append((only(index), index.search(queries, 10).ids.tolist()))
    assert found[0] == found[1]
