"""Which segments are merged, and their merging."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from semelha.index.flat import Flat
from semelha.index.rows import Rows
from semelha.index.segment import Segment, delta
from semelha.index.snapshot import Part
from semelha.index.structure import Maker

GONE = 0.2  # part of a segment that was removed, from which on it is made again
LARGER = 2.0  # times all that is merged already: a segment up to there is merged with it


def due(parts: Sequence[Part]) -> list[Part]:
    """What is to be merged: what waits, what has lost much, and with them the segments about their size.

    So the sizes of segments grow by a factor, their number is a logarithm, and so is how often a vector is merged.
    """
    chosen = [part for part in parts if part.segment.state == "waiting" or _worn(part)]
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


def merged(parts: Sequence[Part], maker: Maker, stop: Callable[[], None]) -> Part | None:
    """One segment of all that the parts hold, or None where that is nothing."""
    rows = reduce(Rows.joined, (part.held() for part in parts))
    return made(rows, maker, stop) if len(rows) else None


def made(rows: Rows, maker: Maker, stop: Callable[[], None] = lambda: None) -> Part:
    """A segment with the structure that the index asks for."""
    rows, structure = maker.make(rows, stop)
    return Part(Segment(rows, structure, "made"))


def caught_up(new: Part, before: Sequence[Part], now: Sequence[Part]) -> Part:
    """A merged segment without what was removed while it was made."""
    current = {id(part.segment): part for part in now}
    gone = []
    for part in before:
        later = current.get(id(part.segment))
        if later is None:
            gone.append(part.held().ids)
        elif later.removed is not None:
            fresh = later.removed.mask if part.removed is None else later.removed.mask & ~part.removed.mask
            gone.append(later.segment.rows.ids[fresh])
    ids = np.concatenate(gone) if gone else np.empty(0, np.int64)
    return new.without(new.locate(ids)) if len(ids) else new


def grown(part: Part, rows: Rows) -> Part:
    """The delta with more rows; what is mapped stays mapped."""
    held = part.held()
    both = held.joined(rows)
    flat = part.segment.structure
    mapped = None
    if isinstance(flat, Flat) and flat.mapped is not None and flat.mapped is not part.segment.rows.vectors:
        old = flat.mapped if part.removed is None else flat.mapped[~part.removed.mask]
        mapped = np.concatenate([old, rows.space.stored(rows.vectors)])
    if both.order is not None:
        mapped = None if mapped is None else mapped[both.order]
        both = both.sorted()
    return Part(delta(both, mapped))


def _worn(part: Part) -> bool:
    return part.removed is not None and part.removed.count > GONE * len(part.segment.rows)
