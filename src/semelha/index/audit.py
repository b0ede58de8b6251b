"""Measure the recall of a segment again, with vectors that were added after it was built."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from semelha.index.cells import Cells
from semelha.index.flat import Flat
from semelha.index.graph import Graph
from semelha.index.ranking import K
from semelha.index.recall import found_distances, measure_recall, tune_depth
from semelha.index.rows import Rows
from semelha.index.snapshot import SegmentView

QUERIES = 300
LEAST = 30  # queries that are enough to measure with

logger = logging.getLogger(__name__)


def audited(part: SegmentView, newer: Rows, recall: float, seed: int = 0) -> SegmentView:
    """Return the segment with its recall measured now: searched deeper if that is too low, or scanned.

    Parameters
    ----------
    part : SegmentView
    newer : Rows
        Vectors that its structure has not seen. A random sample of them becomes the queries.
    recall : float
        Recall that the index keeps.
    seed : int
    """
    structure, live = part.segment.structure, part.live_rows()
    if not isinstance(structure, Graph | Cells) or len(newer) < LEAST or len(live) < K:
        return part
    drawn = np.random.default_rng(seed).choice(len(newer), min(QUERIES, len(newer)), replace=False)
    queries, rows = newer.space.queries(newer.vectors[np.sort(drawn)]), part.segment.rows
    ordered = live.sorted()
    exact = Flat(ordered)
    true = found_distances(queries, lambda some: exact.nearest(ordered, some, K))
    now = measure_recall(structure, rows, queries, true, structure.depth.depth, part.deleted)
    if now.may_keep(recall):
        return replace(part, segment=replace(part.segment, structure=structure.at(now)))
    deeper = tune_depth(structure, rows, queries, true, recall, part.deleted)
    if deeper.keeps(recall):
        logger.info("a segment of %d vectors is searched to depth %d, not %d", len(rows), deeper.depth, now.depth)
        return replace(part, segment=replace(part.segment, structure=structure.at(deeper)))
    why = f"its recall fell to {now.recall:.3f}, and no depth that is faster than a scan exceeds {deeper.recall:.3f}"
    logger.warning("exact search among %d vectors: %s", len(live), why)
    return SegmentView(replace(part.segment, rows=ordered, structure=Flat(ordered, exact.mapped, why=why), file=None))
