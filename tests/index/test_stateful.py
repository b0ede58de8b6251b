"""An index, whatever is done to it in whatever order, holds and finds what a dictionary holds and a sort finds."""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.index.made import sorted_plainly
from tests.index.merger import Merger

from semelha.index import AutoIndex, HNSWIndex, Index, IVFIndex, LinearIndex, Snapshot, TreeIndex
from semelha.index.settings import settings as index_settings
from semelha.metrics import Cosine, Euclidean, JensenShannon, KullbackLeibler, Metric

D = 3
MOST = 60  # ids are below it: few, so that they come again
Held = dict[int, np.ndarray]
Make = Callable[..., Index]

EXACT: dict[str, tuple[Make, Metric]] = {
    "linear": (LinearIndex, Euclidean()),
    "linear, inner product": (LinearIndex, KullbackLeibler()),
    "linear, bounded": (LinearIndex, JensenShannon()),
    "kd-tree": (partial(TreeIndex, leaf_size=2), Cosine()),
    "ball tree": (partial(TreeIndex, tree="ball", leaf_size=2), Euclidean()),
    "auto": (partial(AutoIndex, recall=1), Cosine()),
}
APPROXIMATE: dict[str, tuple[Make, Metric]] = {
    "graph": (HNSWIndex, Euclidean()),
    "graph of 8 bits": (partial(HNSWIndex, quantize="8bit"), Cosine()),
    "graph of roots": (partial(HNSWIndex, quantize="f16", M=4), KullbackLeibler()),
    "cells": (partial(IVFIndex, n_cells=4), JensenShannon()),
    "cells of 8 bits": (partial(IVFIndex, n_cells=4, quantize="8bit"), Euclidean()),
    "auto": (AutoIndex, Cosine()),
}
# A few vectors do what many would.
SMALL = {"max_delta_size": 8, "min_rows": 16, "min_audit_queries": 4, "min_graph_size": 16}

numbers = st.integers(0, 2**16)
few = st.none() | st.sampled_from([40, 9, 2, 0])


def vectors(metric: Metric, n: int, seed: int) -> np.ndarray:
    """Of a coarse grid, so that some are equal, and equally far; rows that the metric takes."""
    grid = np.random.default_rng(seed).integers(1, 4, (n, D)).astype(np.float32)
    return grid / grid.sum(axis=1, keepdims=True) if metric.domain == "histograms" else grid


def some_ids(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(MOST)[:n]


class Machine(RuleBasedStateMachine):
    """An index beside a dictionary; what is saved, and a snapshot, each beside a copy of it."""

    kinds = EXACT
    background = False

    @initialize(which=st.sampled_from(range(6)))
    def start(self, which: int) -> None:
        self.stack = ExitStack()
        self.stack.enter_context(patch.multiple(index_settings, **SMALL))
        self.stack.enter_context(patch.object(os, "fsync", lambda descriptor: None))
        self.folder = Path(tempfile.mkdtemp())
        make, self.metric = list(self.kinds.values())[which]
        self.exact = self.kinds is EXACT
        self.index = make(self.metric, threads=1)
        self.merger = Merger(self.index) if self.background else None
        self.held: Held = {}
        self.saved: Held | None = None
        self.then: tuple[Snapshot, Held] | None = None
        self.build(40, which)

    def teardown(self) -> None:
        if hasattr(self, "index"):
            if self.merger is not None:
                self.merger.close()
            self.stack.close()
            shutil.rmtree(self.folder)

    @rule(n=st.sampled_from([40, 17, 1, 0]), seed=numbers)
    def build(self, n: int, seed: int) -> None:
        ids, new = some_ids(n, seed), vectors(self.metric, n, seed)
        self.index.build(ids, new)
        self.held = dict(zip(ids.tolist(), new, strict=True))

    @rule(n=st.sampled_from([20, 9, 3, 1]), seed=numbers)
    def add(self, n: int, seed: int) -> None:
        ids, new = some_ids(n, seed), vectors(self.metric, n, seed)
        fresh = np.array([i not in self.held for i in ids.tolist()])
        if not fresh.all():
            with pytest.raises(ValueError, match="stored already"):
                self.index.add(ids, new)
        self.index.add(ids[fresh], new[fresh])
        self.held.update(zip(ids[fresh].tolist(), new[fresh], strict=True))

    @rule(n=st.sampled_from([3, 9, 20, MOST]), seed=numbers)
    def remove(self, n: int, seed: int) -> None:
        ids = some_ids(n, seed)
        there = np.array([i in self.held for i in ids.tolist()])
        if not there.all():
            with pytest.raises(KeyError):
                self.index.remove(ids)
        self.index.remove(ids[there])
        for i in ids[there].tolist():
            del self.held[i]

    @rule(whole=st.booleans())
    def merge(self, whole: bool) -> None:
        self.index.merge(full=whole)
        if whole:
            assert len(self.index.stats()["segments"]) <= 1  # type: ignore[arg-type]
        elif not self.background:
            assert not self.index.needs_merge

    @rule()
    def save(self) -> None:
        self.index.save(self.folder / "index", generation=len(self.held), fingerprint="mine")
        self.saved = dict(self.held)

    @precondition(lambda self: self.then is not None)
    @rule()
    def save_what_was(self) -> None:
        assert self.then is not None
        snapshot, held = self.then
        self.index.save(self.folder / "index", generation=len(held), fingerprint="mine", snapshot=snapshot)
        self.saved = dict(held)

    @precondition(lambda self: self.saved is not None)
    @rule()
    def load(self) -> None:
        assert self.saved is not None
        assert self.index.load(self.folder / "index", fingerprint="mine") == len(self.saved)
        self.held = dict(self.saved)

    @rule()
    def look(self) -> None:
        self.then = (self.index.snapshot(), dict(self.held))

    @rule(k=st.integers(1, 12), seed=numbers, within=few, queries=st.sampled_from([1, 3, 25]))
    def search(self, k: int, seed: int, within: int | None, queries: int) -> None:
        self.compare(self.index, self.held, k, seed, within, queries)

    @precondition(lambda self: self.then is not None)
    @rule(k=st.integers(1, 12), seed=numbers, within=few)
    def search_what_was(self, k: int, seed: int, within: int | None) -> None:
        assert self.then is not None
        self.compare(*self.then, k, seed, within, 2)

    @invariant()
    def holds_as_many(self) -> None:
        if hasattr(self, "index"):
            assert len(self.index) == len(self.held)
            assert self.index.stats()["vectors"] == len(self.held)

    def compare(self, index: Index | Snapshot, held: Held, k: int, seed: int, within: int | None, n: int) -> None:
        """What is found, with what is held: all of it in its order, or of the approximate some of it."""
        queries = vectors(self.metric, n, seed)
        among = None if within is None else some_ids(within, seed)
        found = index.search(queries, k, among)
        ids = np.array([i for i in held if among is None or i in among], np.int64)
        assert found.ids.shape == found.distances.shape == (n, k)
        width = min(k, len(ids))
        assert (found.ids[:, width:] == -1).all()
        assert np.isinf(found.distances[:, width:]).all()
        if not width:
            return
        stored = np.stack([held[i] for i in ids.tolist()])
        true_ids, true = sorted_plainly(self.metric, queries, ids, stored, len(ids))
        if self.exact:
            assert np.array_equal(found.ids[:, :width], true_ids[:, :width])
            assert np.array_equal(found.distances[:, :width], true[:, :width])
            return
        for line in range(n):
            distances = dict(zip(true_ids[line].tolist(), true[line].tolist(), strict=True))
            pairs = list(zip(found.distances[line, :width].tolist(), found.ids[line, :width].tolist(), strict=True))
            assert len({i for _, i in pairs}) == width
            assert pairs == sorted(pairs)
            assert all(distances.get(i) == distance for distance, i in pairs)


class Approximate(Machine):
    kinds = APPROXIMATE


class InTheBackground(Machine):
    background = True

    @rule()
    def wait(self) -> None:
        assert self.merger is not None
        self.merger.wait()


class ApproximateInTheBackground(InTheBackground):
    kinds = APPROXIMATE


MACHINES = [Machine, Approximate, InTheBackground, ApproximateInTheBackground]


def run(machine: type[Machine], examples: int, steps: int) -> None:
    often = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=often)  # type: ignore[no-untyped-call]


def walk(machine: type[Machine], which: int, seed: int, steps: int) -> None:
    """Long, and without a thought: what is done next is drawn evenly."""
    random = np.random.default_rng(seed)

    def drawn(*choices: int | None) -> int | None:
        return choices[random.integers(len(choices))]

    one = machine()
    one.start(which)
    try:
        for step in range(steps):
            number = 100 * seed + step
            if step % 40 == 0:
                one.build(40, number)
            if step % 13 == 0:
                one.save() if random.random() < 0.5 or one.saved is None else one.load()
            if step % 9 == 0:
                one.look()
            if step % 9 == 4 and random.random() < 0.5:
                one.save_what_was()
            if step % 7 == 0:
                one.merge(random.random() < 0.3)
            one.add(int(random.integers(1, 12)), number)
            one.remove(int(random.integers(1, 12)), number + 1)
            one.holds_as_many()
            one.search(int(random.integers(1, 14)), number, drawn(None, 40, 9), random.choice([1, 3, 25]))
            one.search_what_was(3, number, drawn(None, 9))
    finally:
        one.teardown()


@pytest.mark.parametrize("machine", MACHINES)
def test_beside_a_dictionary(machine: type[Machine]) -> None:
    run(machine, 40, 25)


@pytest.mark.parametrize("which", range(6))
@pytest.mark.parametrize("machine", MACHINES)
def test_a_long_walk_beside_a_dictionary(machine: type[Machine], which: int) -> None:
    walk(machine, which, seed=which, steps=60)


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_beside_a_dictionary_for_long(machine: type[Machine]) -> None:
    run(machine, 300, 50)
    for which in range(6):
        for seed in range(10):
            walk(machine, which, seed, steps=200)
