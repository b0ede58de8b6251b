"""The k nearest, exactly: a cheap product leaves few rows over, and these are ranked in float64.

The product is computed in float32 where the arrays are NumPy's. Every sum of m products of rounded numbers, in any
order, is within (m + 3) · 2⁻²⁴ · ‖a‖ ‖b‖ of what it should be (Higham, Accuracy and Stability of Numerical Algorithms,
2002, § 3.1), so that a row whose product is farther than twice that below the k-th largest is none of the k nearest;
all the others are ranked again. Nothing is lost to rounding, and equal distances come in the order of their position.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import device, is_numpy_namespace

from semelha.metrics.namespace import array_namespace, inner

if TYPE_CHECKING:
    from semelha.metrics.base import Array, Each
    from semelha.metrics.mapped import MappedMetric

GROUPS = 512
SAMPLE = 8  # tiles that the first limit is taken from
ROOM = 1 << 24  # products that a block of rows has, all of which may be left over
BLOCK = 1 << 21  # numbers of a block of distances
PAIRS = 1 << 18  # numbers of a block of pairs that are ranked again
MANY = 0.3  # part of all rows beyond which it is quicker to compute them all than to gather them


def filtered(
    metric: MappedMetric,
    q: Array,
    s: Array,
    k: int,
    each: Each,
    *,
    stretch: float = 1.0,
    every: Each | None = None,
) -> tuple[Array, Array]:
    """The k nearest by `each` among those that the products of `metric` leave over.

    Parameters
    ----------
    q, s : (n, d), (m, d) float64
    k : int
        From 1 to m.
    stretch : float
        How many times farther by `metric`, whose product is then "l2sq", one of the k nearest can be than the k-th
        nearest by it.
    every : callable, optional
        `pairwise` of what `each` computes: does the work where the products leave many over.
    """
    xp = array_namespace(q, s)
    a, b = _as_inner_products(xp, metric.query_map(q), metric.stored_map(s), metric.product)
    quick = xp.float32 if is_numpy_namespace(xp) else xp.float64
    rounding = float(xp.finfo(quick).eps) / 2 * (a.shape[1] + 8)
    lengths = xp.clip(xp.sqrt(inner(a, a)), min=xp.finfo(xp.float64).smallest_normal)
    squares = xp.sum(a[:, :-1] ** 2, axis=1) / lengths if stretch != 1 else xp.zeros_like(lengths)
    a, transposed = xp.astype(a / lengths[:, None], quick), xp.matrix_transpose(xp.astype(b, quick))
    if is_numpy_namespace(xp):
        transposed = np.ascontiguousarray(transposed)  # products of small tiles are a quarter quicker
    slack = (stretch + 1) * 1.2 * rounding  # rows of a are of length 1, those of b no longer than 1.12

    def least(kth: Array, rows: slice) -> Array:
        """What a product must reach, if the k-th largest is `kth`: (high,)."""
        kth = xp.astype(kth, xp.float64)
        # In squared distances, x = ‖a‖² − 2 ⟨a, b⟩, this is x ≤ stretch · x_k.
        limit = stretch * kth + (1 - stretch) / 2 * squares[rows] - slack
        # Rounded to float32, the limit must not come out above what it was.
        return xp.astype(limit - rounding * xp.abs(limit), quick)

    parts = []
    high = max(1, min(GROUPS, ROOM // s.shape[0]))
    for start in range(0, q.shape[0], high):
        rows = slice(start, start + high)
        wanted = _left_over(xp, a[rows], transposed, k, partial(least, rows=rows))
        if every is not None and wanted[0].shape[0] > MANY * a[rows].shape[0] * s.shape[0]:
            parts.append(scanned(q[rows], s, k, every, each))
        else:
            parts.append(ranked(xp, *wanted, q[rows], s, k, each))
    return _joined(xp, parts, q, k)


def _left_over(xp: Any, a: Array, transposed: Array, k: int, least: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Rows and positions of the products that are large enough, k or more in each row; ascending by row, then position.

    The products are made in tiles that stay in a core's cache. Some of them, spread over all, give a first limit; what
    reaches it is kept, and sifted by the limit that all of them give.
    """
    m = transposed.shape[1]
    wide = min(m, max(GROUPS, 8 * k))
    tiles = [slice(start, min(start + wide, m)) for start in range(0, m, wide)]
    even = m // wide  # tiles of full width
    sample = {number: a @ transposed[:, tiles[number]] for number in range(0, even, max(1, even // SAMPLE))}
    best = reduce(xp.maximum, sample.values())  # of each column of the tiles, the largest: (n, wide)
    first = least(kth_largest(xp, best, k))
    found = []
    for number, tile in enumerate(tiles):
        products = sample[number] if number in sample else a @ transposed[:, tile]
        if number < even:
            best = xp.maximum(best, products)
        places = xp.nonzero(xp.reshape(products >= first[:, None], (-1,)))[0]
        width = products.shape[1]
        values = xp.take(xp.reshape(products, (-1,)), places)
        found.append((places // width * m + tile.start + places % width, values))
    places, values = (xp.concat(parts) for parts in zip(*found, strict=True))
    enough = values >= xp.take(least(kth_largest(xp, best, k)), places // m)
    places = xp.sort(places[enough])
    return places // m, places % m


def scanned(q: Array, s: Array, k: int, every: Each, each: Each) -> tuple[Array, Array]:
    """The k nearest by `each`, from all distances that `every` gives of blocks of q: rounding aside, the same."""
    xp = array_namespace(q, s)
    parts = []
    high = max(1, BLOCK // s.shape[0])
    for start in range(0, q.shape[0], high):
        rows = slice(start, start + high)
        distances = every(q[rows], s)  # (high, m)
        kth = -kth_largest(xp, -distances, k)
        slack = xp.where(xp.isfinite(kth), 1e-9 * (1 + xp.abs(kth)), xp.zeros_like(kth))
        near, positions = xp.nonzero(distances <= (kth + slack)[:, None])
        parts.append(ranked(xp, near, positions, q[rows], s, k, each))
    return _joined(xp, parts, q, k)


def _as_inner_products(xp: Any, a: Array, b: Array, product: str) -> tuple[Array, Array]:
    """Rows whose inner product is larger for the nearer, those of b no longer than 1.12.

    ‖a − b‖² is ‖a‖² − 2 (⟨a, b⟩ − ‖b‖² / 2), so that a squared distance is one more coordinate. It is centered first: a
    common offset would only cost digits.
    """
    tiny = xp.finfo(xp.float64).smallest_normal
    if product == "ip":
        longest = xp.max(xp.sqrt(inner(b, b)))
        return a, b / xp.clip(longest, min=tiny)
    middle = xp.mean(b, axis=0)
    a, b = a - middle, b - middle
    farthest = tiny  # where all of b is one point
    if a.shape[0]:
        farthest = max(tiny, 1e-15 * float(xp.sqrt(xp.max(inner(a, a)))))
    scale = xp.clip(xp.sqrt(xp.max(inner(b, b))), min=farthest)
    a /= scale
    b /= scale
    b = xp.concat([b, -inner(b, b)[:, None] / 2], axis=1)
    return xp.concat([a, xp.ones_like(a[:, :1])], axis=1), b


def kth_largest(xp: Any, x: Array, k: int) -> Array:
    """A number that k of each row reach, the k-th largest or little below: (n, m) → (n,).

    The columns are dealt to groups; k groups whose largest is v or more have k numbers of v or more.
    """
    n, m = x.shape
    groups = max(GROUPS, 8 * k)
    if m >= 4 * groups:
        deep = m // groups
        x = xp.max(xp.reshape(x[:, : deep * groups], (n, deep, groups)), axis=1)
    place = x.shape[1] - k
    return np.partition(x, place, axis=1)[:, place] if is_numpy_namespace(xp) else xp.sort(x, axis=1)[:, place]


def ranked(xp: Any, rows: Array, positions: Array, q: Array, s: Array, k: int, each: Each) -> tuple[Array, Array]:
    """The k nearest of each row of q among its positions of s, k or more, ascending: (n, k) positions, distances."""
    n = q.shape[0]
    step = max(1, PAIRS // max(1, q.shape[1]))
    found = [
        each(xp.take(q, rows[i : i + step], axis=0), xp.take(s, positions[i : i + step], axis=0))
        for i in range(0, rows.shape[0], step)
    ]
    distances = xp.concat(found)
    order = xp.argsort(distances, stable=True)
    order = xp.take(order, xp.argsort(xp.take(rows, order), stable=True))
    first = xp.searchsorted(rows, xp.arange(n, device=device(rows)))
    chosen = xp.take(order, xp.reshape(first[:, None] + xp.arange(k, device=device(rows))[None, :], (-1,)))
    return xp.reshape(xp.take(positions, chosen), (n, k)), xp.reshape(xp.take(distances, chosen), (n, k))


def _joined(xp: Any, parts: list[tuple[Array, Array]], q: Array, k: int) -> tuple[Array, Array]:
    if not parts:
        where = {"device": device(q)}
        return xp.zeros((0, k), dtype=xp.int64, **where), xp.zeros((0, k), dtype=xp.float64, **where)
    return xp.concat([part[0] for part in parts]), xp.concat([part[1] for part in parts])
