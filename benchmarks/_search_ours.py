"""Our indexes as engines of `search.py`: everything goes through the whole contract, re-ranking in float64 included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from _search_data import K, Vectors
from _search_engines import EFFORT, LINKS, PEERS, Engine, Ids
from semelha.index import HNSWIndex, IVFIndex, LinearIndex, Snapshot
from semelha.index.recall import MeasuredRecall
from semelha.metrics import Cosine, Euclidean, Metric

PROMISED = 0.99

AnyIndex = Any
Made = Callable[[Metric, int], AnyIndex]
"""(metric, threads) → one of the indexes."""

MADE: dict[str, tuple[str, Made]] = {
    "LinearIndex": ("FAISS flat", lambda m, t: LinearIndex(m, threads=t)),
    "IVFIndex f32": (
        "FAISS IVF flat",
        lambda m, t: IVFIndex(m, recall=PROMISED, threads=t),
    ),
    "IVFIndex 8bit": (
        "FAISS IVF SQ8",
        lambda m, t: IVFIndex(m, recall=PROMISED, quantize="8bit", threads=t),
    ),
    "HNSWIndex f32": ("FAISS HNSW flat", lambda m, t: graph(m, "f32", t)),
    "HNSWIndex f16": ("FAISS HNSW fp16", lambda m, t: graph(m, "f16", t)),
    "HNSWIndex 8bit": ("FAISS HNSW SQ8", lambda m, t: graph(m, "8bit", t)),
}


def graph(metric: Metric, quantize: Any, threads: int) -> HNSWIndex:
    return HNSWIndex(metric, recall=PROMISED, quantize=quantize, M=LINKS, ef_construction=EFFORT, threads=threads)


class Ours(Engine):
    """One of `MADE`, under a metric."""

    def __init__(self, kind: str, metric: Metric) -> None:
        beside, self.make = MADE[kind]
        super().__init__(f"semelha {kind}" + ("" if isinstance(metric, Euclidean) else f", {metric.name}"), beside)
        self.metric = metric
        self.index: AnyIndex = None
        self._deep: dict[int, Snapshot] = {}

    def build(self, vectors: Vectors, threads: int) -> None:
        self.index = self.make(self.metric, threads)
        self.index.build(np.arange(len(vectors)), vectors)

    def search(self, queries: Vectors, depth: int, threads: int) -> Ids:
        """With the threads that it was loaded or built with."""
        if depth not in self._deep:
            self._deep[depth] = at_depth(self.index.snapshot(), depth)
        ids: Ids = self._deep[depth].search(queries, K).ids
        return ids

    def save(self, folder: Path) -> None:
        self.index.save(folder)

    def load(self, folder: Path, threads: int) -> None:
        self.index = self.make(self.metric, threads)
        self.index.load(folder)
        self._deep.clear()

    def depths(self) -> list[int]:
        (part,) = self.index.snapshot().parts
        structure = part.segment.structure
        if structure.kind == "cells":
            return list(structure.depths())
        return super().depths() if structure.kind == "hnsw" else [1]

    def promise(self) -> MeasuredRecall | None:
        """Depth and recall that the index found for `PROMISED`; None where it scans."""
        (part,) = self.index.snapshot().parts
        found: MeasuredRecall | None = getattr(part.segment.structure, "depth", None)
        return found

    def said(self) -> str:
        """Why it scans, where it was to do something else."""
        return str(self.index.stats()["segments"][0].get("why", ""))


def at_depth(snapshot: Snapshot, depth: int) -> Snapshot:
    """The same of one segment, searched as deep, where it is not scanned."""
    (part,) = snapshot.parts
    if not hasattr(part.segment.structure, "at"):
        return snapshot
    deep = part.segment.structure.at(MeasuredRecall(depth, 0.0, 0.0, 0))
    return replace(snapshot, parts=(replace(part, segment=replace(part.segment, structure=deep)),))


METRICS: tuple[Metric, ...] = (Euclidean(), Cosine())


def ours(metric: Metric) -> list[Ours]:
    return [Ours(kind, metric) for kind in MADE]


def engines() -> list[Engine]:
    """Ours under the Euclidean metric and the peers, by the raw FAISS that they are like, ours first."""
    own, peers = ours(Euclidean()), [make() for make in PEERS]
    return [engine for first in own for engine in (first, *(peer for peer in peers if peer.beside == first.beside))]


def named(name: str) -> Engine:
    own = [one for metric in METRICS for one in ours(metric)]
    return {engine.name: engine for engine in (*own, *(make() for make in PEERS))}[name]
