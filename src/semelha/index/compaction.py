"""Choose the segments to merge, and merge them, while vectors are added and removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from semelha.index.flat import Flat
from semelha.index.rows import Rows
from semelha.index.segment import Segment, delta_segment
from semelha.index.snapshot import SegmentView
from semelha.index.structures import Builder

DELETED = 0.2  # part of a segment that is deleted before it is rebuilt
LARGER = 2.0  # a segment is merged too if it has at most this many times the rows that are merged already


def select_for_merge(parts: Sequence[SegmentView]) -> list[SegmentView]:
    """Select waiting segments and those with many deletions, and with them the segments of similar size.

    Segment sizes then grow geometrically: their number is logarithmic, and so is how often a vector is merged.
    """
    chosen = [part for part in parts if part.segment.state == "waiting" or _has_many_deletions(part)]
    if not chosen:
        return []
    others = sorted((part for part in parts if part.segment.state == "made" and part not in chosen), key=len)
    total = sum(map(len, chosen))
    for part in others:
        if len(part) > LARGER * total:
            break
        chosen.append(part)
        total += len(part)
    return chosen


def merge_views(parts: Sequence[SegmentView], builder: Builder, stop: Callable[[], None]) -> SegmentView | None:
    """One segment of all live rows; None if there are none."""
    rows = reduce(Rows.joined, (part.live_rows() for part in parts))
    return build_view(rows, builder, stop) if len(rows) else None


def build_view(rows: Rows, builder: Builder, stop: Callable[[], None] = lambda: None) -> SegmentView:
    """A segment with the structure of the index."""
    rows, structure = builder.build(rows, stop)
    return SegmentView(Segment(rows, structure, "made"))


def carry_deletions_forward(new: SegmentView, before: Sequence[SegmentView], now: Sequence[SegmentView]) -> SegmentView:
    """Delete from a merged segment what was removed from its sources while it was built."""
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
    return part.deleted is not None and part.deleted.count > DELETED * len(part.segment.rows)
