"""Re-rank candidates by exact distances: with a guarantee for exact structures, without one for approximate ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from semelha.index.rows import DeletedMask, Found, Rows, no_neighbors
from semelha.index.space import Queries

SPARE_CANDIDATES = 4  # beyond k, that are re-ranked in float64
MAX_CANDIDATES = 1024  # of a query; if they are too few, everything is scanned in float64

K = 10
"""Number of neighbors for which search depth and recall are measured."""

Keys = NDArray[np.floating[Any]]


def rerank_exactly(
    rows: Rows,
    queries: Queries,
    k: int,
    deleted: DeletedMask | None,
    candidates: Callable[[Queries, int], tuple[Keys, NDArray[np.int64]]],
    rounding_error: Callable[[Queries, Keys], Keys],
) -> Found:
    """Find the exact k nearest of each query from a search whose only error is rounding.

    A query gets more candidates as long as a row beyond them may be nearer. Rows of equal distance must be in the order
    of ids. `candidates` maps (queries, c) to monotonic keys and rows, each (q, c). `rounding_error` maps (queries, keys
    of the k-th) to the largest difference of keys that rounding can explain, (q,).
    """
    n_live = len(rows) - (deleted.count if deleted else 0)
    if not n_live:
        return no_neighbors(len(queries), k)
    k = min(k, n_live)
    n_candidates = min(len(rows), (k + SPARE_CANDIDATES) * len(rows) // n_live)

    def attempt(some: Queries) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        """The k nearest candidates: ids and distances, (q, k); and whether another row may be nearer: (q,)."""
        if n_candidates == len(rows):
            live = np.arange(len(rows)) if deleted is None else np.flatnonzero(~deleted.mask)
            found = np.broadcast_to(live, (len(some), len(live)))
            return *rows.reranked(some, found, k), np.zeros(len(some), bool)
        keys, found = candidates(some, n_candidates)
        if deleted is not None:
            found[deleted.mask[found]] = -1
        ids, distances = rows.reranked(some, found, n_candidates)
        nearest = distances[:, :k]
        if deleted is None:
            kth, worst = keys[:, k - 1], distances[:, -1]
        else:
            lines, number = np.arange(len(keys)), np.cumsum(found >= 0, axis=1)
            kth, worst = keys[lines, np.argmax(number >= k, axis=1)], distances[lines, number[:, -1] - 1]
        # Another row may have the same key but for rounding, or the same distance; or deleted rows left too few.
        doubt = (np.abs(keys[:, -1] - kth) <= rounding_error(some, kth)) | (worst <= nearest[:, -1])
        return ids[:, :k], nearest, doubt

    ids, distances, doubt = attempt(queries)
    open_queries = np.arange(len(queries))
    while doubt.any():
        open_queries, queries = open_queries[doubt], queries.part(doubt)
        if n_candidates >= MAX_CANDIDATES:
            ids[open_queries], distances[open_queries] = rows.scanned(queries, k, deleted)
            break
        n_candidates = min(len(rows), 8 * n_candidates)
        ids[open_queries], distances[open_queries], doubt = attempt(queries)
    return ids, distances


def rerank_approximately(
    rows: Rows,
    queries: Queries,
    k: int,
    deleted: DeletedMask | None,
    candidates: Callable[[Queries, int, float, faiss.IDSelector | None], NDArray[np.int64]],
    *,
    n_candidates: int,
) -> Found:
    """Find about the k nearest of each query from a search that may miss some.

    `candidates` maps (queries, c, factor, selector) to rows (q, c), −1 for none; the factor multiplies the search depth
    that suffices for ten neighbors among all rows. At least `n_candidates` candidates are re-ranked.
    """
    n_live = len(rows) - (deleted.count if deleted else 0)
    if not n_live:
        return no_neighbors(len(queries), k)
    k = min(k, n_live)
    n_candidates = min(n_live, max(k, n_candidates))
    selector = faiss.IDSelectorBitmap(deleted.bitmap) if deleted else None
    found = candidates(queries, n_candidates, max(k, K) / K * len(rows) / n_live, selector)
    if n_candidates > 2 * k:
        found = rows.preselected(queries, found, k + k // 2)
    ids, distances = rows.reranked(queries, found, k)
    last = ids[:, -1]
    if last.min(initial=0) < 0:
        short = last < 0  # the search ended in a region with too few rows
        ids[short], distances[short] = rows.scanned(queries.part(short), k, deleted)
    return ids, distances
