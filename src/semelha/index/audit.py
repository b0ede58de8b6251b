"""Whether a segment still keeps its recall, asked with vectors that came after it was made."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from semelha.index.cells import Cells
from semelha.index.flat import Flat
from semelha.index.graph import Graph
from semelha.index.promise import distances, measure, tuned
from semelha.index.ranking import K
from semelha.index.rows import Rows
from semelha.index.snapshot import Part

QUERIES = 300
LEAST = 30  # queries that tell something

logger = logging.getLogger(__name__)


def audited(part: Part, newer: Rows, recall: float, seed: int = 0) -> Part:
    """The same part: with the recall that was measured now, searched deeper where that is too little, or scanned.

    Parameters
    ----------
    part : Part
    newer : Rows
        Vectors that its structure has not seen: some of them, drawn by chance, are looked for.
    recall : float
        That was promised.
    seed : int
    """
    structure, held = part.segment.structure, part.held()
    if not isinstance(structure, Graph | Cells) or len(newer) < LEAST or len(held) < K:
        return part
    drawn = np.random.default_rng(seed).choice(len(newer), min(QUERIES, len(newer)), replace=False)
    queries, rows = newer.space.queries(newer.vectors[np.sort(drawn)]), part.segment.rows
    ordered = held.sorted()
    exact = Flat(ordered)
    true = distances(queries, lambda some: exact.nearest(ordered, some, K))
    now = measure(structure, rows, queries, true, structure.depth.depth, part.removed)
    if now.may_keep(recall):
        return replace(part, segment=replace(part.segment, structure=structure.at(now)))
    deeper = tuned(structure, rows, queries, true, recall, part.removed)
    if deeper.keeps(recall):
        logger.info("a segment of %d vectors is searched %d deep instead of %d", len(rows), deeper.depth, now.depth)
        return replace(part, segment=replace(part.segment, structure=structure.at(deeper)))
    why = f"its recall fell to {now.recall:.3f}, and {deeper.recall:.3f} is the most that is quicker than a scan"
    logger.warning("exact search among %d vectors: %s", len(held), why)
    return Part(replace(part.segment, rows=ordered, structure=Flat(ordered, exact.mapped, why=why), file=None))
