"""Choose the segments to merge, merge them while vectors are added and removed, and audit the recall of the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from semelha.index.exact import Flat
from semelha.index.ranking import K
from semelha.index.recall import Approximate, found_distances, measure_recall, tune_depth
from semelha.index.rows import Rows
from semelha.index.segment import Builder, Segment, delta_segment
from semelha.index.settings import settings
from semelha.index.snapshot import SegmentView

MAX_AUDIT_QUERIES = 300  # vectors with which a recall is measured again
MAX_DELETED_FRACTION = 0.2  # a segment with more deleted rows is rebuilt
MAX_SIZE_RATIO = 2.0  # a segment is merged too if it has at most this many times the rows selected before it

logger = logging.getLogger(__name__)


def select_for_merge(parts: Sequence[SegmentView], *, erase: bool = False) -> list[SegmentView]:
    """Select waiting segments and those with many deletions (any with `erase`), and segments of similar size.

    Segment sizes then grow geometrically: their number is logarithmic, and so is how often a vector is merged.
    """
    chosen = [
        part
        for part in parts
        if part.segment.state == "waiting" or _has_many_deletions(part) or (erase and part.keeps_deleted)
    ]
    if not chosen:
        return []
    others = sorted((part for part in parts if part.segment.state == "built" and part not in chosen), key=len)
    total = sum(map(len, chosen))
    for part in others:
        if len(part) > MAX_SIZE_RATIO * total:
            break
        chosen.append(part)
        total += len(part)
    return chosen


def build_view(rows: Rows, builder: Builder, check_cancelled: Callable[[], None] = lambda: None) -> SegmentView:
    """A segment with the structure of the index."""
    rows, structure = builder.build(rows, check_cancelled)
    return SegmentView(Segment(rows, structure, "built"))


def carry_deletions_forward(new: SegmentView, before: Sequence[SegmentView], now: Sequence[SegmentView]) -> SegmentView:
    """Delete from a merged segment the rows that were removed from its sources while it was built."""
    current = {id(part.segment): part for part in now}
    removed = []
    for part in before:
        later = current.get(id(part.segment))
        if later is None:
            removed.append(part.live_rows().ids)
        elif later.deleted is not None:
            fresh = later.deleted.mask if part.deleted is None else later.deleted.mask & ~part.deleted.mask
            removed.append(later.segment.rows.ids[fresh])
    ids = np.concatenate(removed) if removed else np.empty(0, np.int64)
    return new.without(new.locate(ids)) if len(ids) else new


def grow_delta(part: SegmentView, rows: Rows) -> SegmentView:
    """The delta with more rows; rows that are mapped already are not mapped again."""
    live = part.live_rows()
    both = live.joined(rows)
    flat = part.segment.structure
    mapped = None
    if isinstance(flat, Flat) and flat.mapped is not None and flat.mapped is not part.segment.rows.vectors:
        old = flat.mapped if part.deleted is None else flat.mapped[~part.deleted.mask]
        mapped = np.concatenate([old, rows.space.map_stored(rows.vectors)])
    if both.order is not None:
        mapped = None if mapped is None else mapped[both.order]
        both = both.sorted()
    return SegmentView(delta_segment(both, mapped))


def _has_many_deletions(part: SegmentView) -> bool:
    return part.deleted is not None and part.deleted.count > MAX_DELETED_FRACTION * len(part.segment.rows)


def audit(part: SegmentView, newer: Rows, recall: float) -> SegmentView:
    """Measure the recall of a segment again. Return the segment, searched deeper or scanned if its recall is too low.

    The queries are a random sample of `newer`: vectors that are not in the segment. `recall` is the index's target.
    """
    structure, live = part.segment.structure, part.live_rows()
    if not isinstance(structure, Approximate) or len(newer) < settings.min_audit_queries or len(live) < K:
        return part
    drawn = np.random.default_rng(0).choice(len(newer), min(MAX_AUDIT_QUERIES, len(newer)), replace=False)
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
    reason = f"its recall fell to {now.recall:.3f}, and no depth that is faster than a scan exceeds {deeper.recall:.3f}"
    logger.warning("exact search among %d vectors: %s", len(live), reason)
    return SegmentView(
        replace(part.segment, rows=ordered, structure=Flat(ordered, exact.mapped, reason=reason), file=None)
    )
