"""Exact k-nearest-neighbor search: a matrix product in float32 screens the rows, candidates are ranked in float64.

The product is computed in float32 if the arrays are NumPy's. Every sum of m products of rounded numbers, in any order,
is within (m + 3) · 2⁻²⁴ · ‖a‖ ‖b‖ of the exact sum (Higham, Accuracy and Stability of Numerical Algorithms, 2002,
§ 3.1). A row whose product is farther than twice that below the k-th largest is none of the k nearest; all others are
candidates. Rounding loses no neighbor, and equal distances are ordered by position.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any, Literal

import numpy as np
from array_api_compat import device, is_numpy_namespace

from semelha.metrics.array_math import array_namespace, vecdot
from semelha.metrics.base import Array

Product = Literal["l2sq", "ip"]
Distances = Callable[[Array, Array], Array]
"""Distances row by row, (n, d), (n, d) → (n,), or between all pairs, (n, d), (m, d) → (n, m)."""

GROUPS = 512  # least number of groups whose maxima bound the k-th largest product
SAMPLE = 8  # tiles that the first limit is estimated from
MAX_PRODUCTS = 1 << 24  # of a block of queries, all of which may be candidates
BLOCK = 1 << 21  # numbers of a block of distances
PAIRS = 1 << 18  # numbers of a block of pairs that are ranked
MAX_GATHERED_FRACTION = 0.3  # fraction of candidates above which all distances are cheaper than those of gathered rows


def nearest_by_product(
    q: Array,
    s: Array,
    k: int,
    between: Distances,
    a: Array,
    b: Array,
    product: Product,
    *,
    stretch: float = 1.0,
    pairwise: Distances | None = None,
) -> tuple[Array, Array]:
    """Find the k nearest by `between` among the candidates that products of mapped rows leave: (n, k) each.

    q (n, d) and s (m, d) are float64, a (n, m') and b (m, m') are their maps. `stretch` is the largest factor by which
    the mapped distance of one of the k nearest can exceed the k-th smallest mapped distance; above 1 only with "l2sq".
    `pairwise` is used instead of `between` if many candidates are left.
    """
    xp = array_namespace(q, s)
    a, b = as_inner_products(a, b, product)
    dtype = xp.float32 if is_numpy_namespace(xp) else xp.float64
    rounding = float(xp.finfo(dtype).eps) / 2 * (a.shape[1] + 8)
    norms = xp.clip(xp.sqrt(vecdot(a, a)), min=xp.finfo(xp.float64).smallest_normal)
    squares = xp.sum(a[:, :-1] ** 2, axis=1) / norms if stretch != 1 else xp.zeros_like(norms)
    a, transposed = xp.astype(a / norms[:, None], dtype), xp.matrix_transpose(xp.astype(b, dtype))
    if is_numpy_namespace(xp):
        transposed = np.ascontiguousarray(transposed)  # products of small tiles are a quarter faster
    slack = (stretch + 1) * 1.2 * rounding  # rows of a have norm 1, rows of b at most 1.12

    def least_product(kth: Array, rows: slice) -> Array:
        """Smallest product of a candidate, if the k-th largest is `kth`: (rows,)."""
        kth = xp.astype(kth, xp.float64)
        # In squared distances, x = ‖a‖² − 2 ⟨a, b⟩, this is x ≤ stretch · x_k.
        limit = stretch * kth + (1 - stretch) / 2 * squares[rows] - slack
        # Rounding to float32 must not raise the limit.
        return xp.astype(limit - rounding * xp.abs(limit), dtype)

    parts = []
    step = max(1, min(GROUPS, MAX_PRODUCTS // s.shape[0]))
    for start in range(0, q.shape[0], step):
        rows = slice(start, start + step)
        candidates = _candidates(xp, a[rows], transposed, k, partial(least_product, rows=rows))
        if pairwise is not None and candidates[0].shape[0] > MAX_GATHERED_FRACTION * a[rows].shape[0] * s.shape[0]:
            parts.append(nearest_by_scan(q[rows], s, k, pairwise, between))
        else:
            parts.append(rank_candidates(xp, *candidates, q[rows], s, k, between))
    return _concatenate(xp, parts, q, k)


def nearest_by_scan(q: Array, s: Array, k: int, pairwise: Distances, between: Distances) -> tuple[Array, Array]:
    """Find the k nearest by `between`, from all distances by `pairwise`: both agree except for rounding."""
    xp = array_namespace(q, s)
    parts = []
    step = max(1, BLOCK // s.shape[0])
    for start in range(0, q.shape[0], step):
        rows = slice(start, start + step)
        distances = pairwise(q[rows], s)  # (rows, m)
        kth = -kth_largest(xp, -distances, k)
        slack = xp.where(xp.isfinite(kth), 1e-9 * (1 + xp.abs(kth)), xp.zeros_like(kth))
        near, positions = xp.nonzero(distances <= (kth + slack)[:, None])
        parts.append(rank_candidates(xp, near, positions, q[rows], s, k, between))
    return _concatenate(xp, parts, q, k)


def as_inner_products(a: Array, b: Array, product: Product, *, symmetric: bool = False) -> tuple[Array, Array]:
    """Transform mapped rows so that the larger inner product is the nearer; rows of b have norm 1.12 at most.

    −‖a − b‖² / 2 = ⟨a, b⟩ − ‖b‖² / 2 − ‖a‖² / 2: the second term is one more coordinate, and the third is constant for
    a row of a. Both are centered first, because a common offset would cost digits. With `symmetric`, a and b are one
    array: both are scaled, and the third term is added too, so that ⟨aᵢ, bⱼ⟩ = ⟨aⱼ, bᵢ⟩.
    """
    xp = array_namespace(a, b)
    tiny = xp.finfo(xp.float64).smallest_normal
    if product == "ip":
        b = b / xp.clip(xp.max(xp.sqrt(vecdot(b, b))), min=tiny)
        return b if symmetric else a, b
    middle = xp.mean(b, axis=0)
    a, b = a - middle, b - middle
    farthest = tiny  # in case all rows of b are equal
    if a.shape[0]:
        farthest = max(tiny, 1e-15 * float(xp.sqrt(xp.max(vecdot(a, a)))))
    scale = xp.clip(xp.sqrt(xp.max(vecdot(b, b))), min=farthest)
    a /= scale
    b /= scale
    one, half = xp.ones_like(a[:, :1]), -vecdot(b, b)[:, None] / 2
    if symmetric:
        return xp.concat([b, one, half], axis=1), xp.concat([b, half, one], axis=1)
    return xp.concat([a, one], axis=1), xp.concat([b, half], axis=1)


def kth_largest(xp: Any, x: Array, k: int) -> Array:
    """Compute a lower bound of the k-th largest number of each row: (n, m) → (n,). It is close, or exact.

    The columns are split into groups; k groups whose maximum is v or more have k numbers of v or more.
    """
    n, m = x.shape
    groups = max(GROUPS, 8 * k)
    if m >= 4 * groups:
        depth = m // groups
        x = xp.max(xp.reshape(x[:, : depth * groups], (n, depth, groups)), axis=1)
    place = x.shape[1] - k
    return np.partition(x, place, axis=1)[:, place] if is_numpy_namespace(xp) else xp.sort(x, axis=1)[:, place]


def rank_candidates(
    xp: Any, rows: Array, positions: Array, q: Array, s: Array, k: int, between: Distances
) -> tuple[Array, Array]:
    """Rank the candidates of each row of q by `between`: positions and distances of the k nearest, each (n, k).

    Candidate i of row `rows[i]` of q is row `positions[i]` of s; ascending by row, k or more of each row.
    """
    n = q.shape[0]
    step = max(1, PAIRS // max(1, q.shape[1]))
    blocks = [
        between(xp.take(q, rows[i : i + step], axis=0), xp.take(s, positions[i : i + step], axis=0))
        for i in range(0, rows.shape[0], step)
    ]
    distances = xp.concat(blocks)
    order = xp.argsort(distances, stable=True)
    order = xp.take(order, xp.argsort(xp.take(rows, order), stable=True))
    first = xp.searchsorted(rows, xp.arange(n, device=device(rows)))
    chosen = xp.take(order, xp.reshape(first[:, None] + xp.arange(k, device=device(rows))[None, :], (-1,)))
    return xp.reshape(xp.take(positions, chosen), (n, k)), xp.reshape(xp.take(distances, chosen), (n, k))


def _candidates(
    xp: Any, a: Array, transposed: Array, k: int, least_product: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """Rows and positions of the products that are large enough, k or more of each row; by row, then position.

    The products are made in tiles that fit in a core's cache. A sample of tiles gives a first limit; products above it
    are kept, and then compared with the limit that all tiles give.
    """
    m = transposed.shape[1]
    width = min(m, max(GROUPS, 8 * k))
    tiles = [slice(start, min(start + width, m)) for start in range(0, m, width)]
    full = m // width  # tiles of full width
    sample = {number: a @ transposed[:, tiles[number]] for number in range(0, full, max(1, full // SAMPLE))}
    largest = reduce(xp.maximum, sample.values())  # in each column of the tiles: (n, width)
    first = least_product(kth_largest(xp, largest, k))
    kept = []
    for number, tile in enumerate(tiles):
        products = sample[number] if number in sample else a @ transposed[:, tile]
        if number < full:
            largest = xp.maximum(largest, products)
        places = xp.nonzero(xp.reshape(products >= first[:, None], (-1,)))[0]
        columns = products.shape[1]
        values = xp.take(xp.reshape(products, (-1,)), places)
        kept.append((places // columns * m + tile.start + places % columns, values))
    places, values = (xp.concat(parts) for parts in zip(*kept, strict=True))
    enough = values >= xp.take(least_product(kth_largest(xp, largest, k)), places // m)
    places = xp.sort(places[enough])
    return places // m, places % m


def _concatenate(xp: Any, parts: list[tuple[Array, Array]], q: Array, k: int) -> tuple[Array, Array]:
    """Positions and distances of all blocks of queries: (n, k) each."""
    if not parts:
        where = {"device": device(q)}
        return xp.zeros((0, k), dtype=xp.int64, **where), xp.zeros((0, k), dtype=xp.float64, **where)
    return xp.concat([part[0] for part in parts]), xp.concat([part[1] for part in parts])
