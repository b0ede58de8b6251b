"""From candidates to neighbors: for certain, where a search errs by rounding alone; likely, where it may miss some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from semelha.index.rows import Found, Hidden, Rows, nothing
from semelha.index.space import Queries

SPARE = 4  # candidates beyond k that are ranked again in float64
WIDEST = 1024  # candidates that are tried before everything is scanned in float64

K = 10
"""Neighbors that the depth of a likely search is meant for."""

Keys = NDArray[np.floating[Any]]


def certain(
    rows: Rows,
    queries: Queries,
    k: int,
    hidden: Hidden | None,
    candidates: Callable[[Queries, int], tuple[Keys, NDArray[np.int64]]],
    rounding: Callable[[Queries, Keys], Keys],
) -> Found:
    """The k nearest of each query, ranked by `between`; more candidates for those where a row beyond may be nearer.

    Parameters
    ----------
    rows : Rows
        In the order of ids, so that equal distances come in it too.
    queries : Queries
    k : int
    hidden : Hidden or None
    candidates : callable
        (queries, c) → keys (q, c), which go one way, and rows (q, c).
    rounding : callable
        (queries, keys of the k-th (q,)) → how far from it a key can be and its row yet be nearer: (q,).
    """
    shown = len(rows) - (hidden.count if hidden else 0)
    if not shown:
        return nothing(len(queries), k)
    k = min(k, shown)
    reach = min(len(rows), (k + SPARE) * len(rows) // shown)
    ids, distances, doubt = _attempt(rows, queries, k, reach, hidden, candidates, rounding)
    if not doubt.any():
        return ids, distances
    lacking = np.arange(len(queries))
    while doubt.any():
        lacking, queries = lacking[doubt], queries.part(doubt)
        if reach >= WIDEST:
            ids[lacking], distances[lacking] = rows.scanned(queries, k, hidden)
            break
        reach = min(len(rows), 8 * reach)
        better = _attempt(rows, queries, k, reach, hidden, candidates, rounding)
        ids[lacking], distances[lacking], doubt = better
    return ids, distances


def _attempt(
    rows: Rows,
    queries: Queries,
    k: int,
    reach: int,
    hidden: Hidden | None,
    candidates: Callable[[Queries, int], tuple[Keys, NDArray[np.int64]]],
    rounding: Callable[[Queries, Keys], Keys],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """The k nearest of `reach` candidates, (q, k) twice, and where another row may belong to them: (q,)."""
    if reach == len(rows):
        shown = np.arange(len(rows)) if hidden is None else np.flatnonzero(~hidden.mask)
        found = np.broadcast_to(shown, (len(queries), len(shown)))
        return *rows.ranked(queries, found, k), np.zeros(len(queries), bool)
    keys, found = candidates(queries, reach)
    if hidden is not None:
        found[hidden.mask[found]] = -1
    ids, distances = rows.ranked(queries, found, reach)
    nearest = distances[:, :k]
    if hidden is None:
        kth, worst = keys[:, k - 1], distances[:, -1]
    else:
        lines, number = np.arange(len(keys)), np.cumsum(found >= 0, axis=1)
        kth, worst = keys[lines, np.argmax(number >= k, axis=1)], distances[lines, number[:, -1] - 1]
    # Another row may be as near by its key, or have the same distance; or those that are hidden left too few.
    doubt = (np.abs(keys[:, -1] - kth) <= rounding(queries, kth)) | (worst <= nearest[:, -1])
    return ids[:, :k], nearest, doubt


def likely(
    rows: Rows,
    queries: Queries,
    k: int,
    hidden: Hidden | None,
    candidates: Callable[[Queries, int, float, faiss.IDSelector | None], NDArray[np.int64]],
    *,
    reach: int,
) -> Found:
    """About the k nearest of each query, ranked by `between`.

    Parameters
    ----------
    rows : Rows
    queries : Queries
    k : int
    hidden : Hidden or None
    candidates : callable
        (queries, c, times, selector) → rows (q, c), −1 for none, from a search that many times as deep as for ten
        neighbors among all rows.
    reach : int
        How many of them are ranked, at least.
    """
    shown = len(rows) - (hidden.count if hidden else 0)
    if not shown:
        return nothing(len(queries), k)
    k = min(k, shown)
    reach = min(shown, max(k, reach))
    selector = faiss.IDSelectorBitmap(hidden.shown) if hidden else None
    found = candidates(queries, reach, max(k, K) / K * len(rows) / shown, selector)
    if reach > 2 * k:
        found = rows.narrowed(queries, found, k + k // 2)
    ids, distances = rows.ranked(queries, found, k)
    last = ids[:, -1]
    if last.min(initial=0) < 0:
        lost = last < 0  # the search ended in a part that has too few
        ids[lost], distances[lost] = rows.scanned(queries.part(lost), k, hidden)
    return ids, distances
