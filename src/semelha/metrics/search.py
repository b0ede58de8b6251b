"""The k nearest, exactly: a cheap product leaves few rows over, and these are ranked in float64.

The product is computed in float32 where the arrays are NumPy's. Every sum of m products of rounded numbers, in any
order, is within (m + 3) · 2⁻²⁴ · ‖a‖ ‖b‖ of what it should be (Higham, Accuracy and Stability of Numerical Algorithms,
2002, § 3.1), so that a row whose product is farther than twice that below the k-th largest is none of the k nearest;
all the others are ranked again. Nothing is lost to rounding, and equal distances come in the order of their position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from array_api_compat import device, is_numpy_namespace

from semelha.metrics.namespace import array_namespace

if TYPE_CHECKING:
    from semelha.metrics.base import Array, Each
    from semelha.metrics.mapped import MappedMetric

BLOCK = 1 << 21  # numbers of a block of products
PAIRS = 1 << 16  # numbers of a block of pairs that are ranked again
GROUPS = 512
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
    lengths = xp.clip(xp.sqrt(xp.sum(a * a, axis=1)), min=xp.finfo(xp.float64).smallest_normal)
    squares = xp.sum(a[:, :-1] ** 2, axis=1) / lengths if stretch != 1 else xp.zeros_like(lengths)
    a, transposed = xp.astype(a / lengths[:, None], quick), xp.matrix_transpose(xp.astype(b, quick))
    slack = (stretch + 1) * 1.2 * rounding  # rows of a are of length 1, those of b no longer than 1.12
    parts = []
    high = max(1, BLOCK // s.shape[0])
    for start in range(0, q.shape[0], high):
        rows = slice(start, start + high)
        products = a[rows] @ transposed  # (high, m)
        kth = xp.astype(_kth_largest(xp, products, k), xp.float64)
        # In squared distances, x = ‖a‖² − 2 ⟨a, b⟩, this is x ≤ stretch · x_k.
        least = stretch * kth + (1 - stretch) / 2 * squares[rows] - slack
        # Rounded to float32, the limit must not come out above what it was.
        limit = xp.astype(least - rounding * xp.abs(least), products.dtype)
        wanted = products >= limit[:, None]
        if every is not None and int(xp.count_nonzero(wanted)) > MANY * products.shape[0] * s.shape[0]:
            parts.append(scanned(q[rows], s, k, every, each))
        else:
            parts.append(_ranked(xp, wanted, q[rows], s, k, each))
    return _joined(xp, parts, q, k)


def scanned(q: Array, s: Array, k: int, every: Each, each: Each) -> tuple[Array, Array]:
    """The k nearest by `each`, from all distances that `every` gives of blocks of q: rounding aside, the same."""
    xp = array_namespace(q, s)
    parts = []
    high = max(1, BLOCK // s.shape[0])
    for start in range(0, q.shape[0], high):
        rows = slice(start, start + high)
        distances = every(q[rows], s)  # (high, m)
        kth = -_kth_largest(xp, -distances, k)
        slack = xp.where(xp.isfinite(kth), 1e-9 * (1 + xp.abs(kth)), xp.zeros_like(kth))
        parts.append(_ranked(xp, distances <= (kth + slack)[:, None], q[rows], s, k, each))
    return _joined(xp, parts, q, k)


def _as_inner_products(xp: Any, a: Array, b: Array, product: str) -> tuple[Array, Array]:
    """Rows whose inner product is larger for the nearer, those of b no longer than 1.12.

    ‖a − b‖² is ‖a‖² − 2 (⟨a, b⟩ − ‖b‖² / 2), so that a squared distance is one more coordinate. It is centered first: a
    common offset would only cost digits.
    """
    tiny = xp.finfo(xp.float64).smallest_normal
    if product == "ip":
        longest = xp.max(xp.sqrt(xp.sum(b * b, axis=1)))
        return a, b / xp.clip(longest, min=tiny)
    middle = xp.mean(b, axis=0)
    a, b = a - middle, b - middle
    farthest = tiny  # where all of b is one point
    if a.shape[0]:
        farthest = max(tiny, 1e-15 * float(xp.sqrt(xp.max(xp.sum(a * a, axis=1)))))
    scale = xp.clip(xp.sqrt(xp.max(xp.sum(b * b, axis=1))), min=farthest)
    a, b = a / scale, b / scale
    b = xp.concat([b, -xp.sum(b * b, axis=1, keepdims=True) / 2], axis=1)
    return xp.concat([a, xp.ones_like(a[:, :1])], axis=1), b


def _kth_largest(xp: Any, x: Array, k: int) -> Array:
    """A number that k of each row reach, the k-th largest or little below: (n, m) → (n,).

    The columns are dealt to groups; k groups whose largest is v or more have k numbers of v or more.
    """
    n, m = x.shape
    groups = max(GROUPS, 8 * k)
    if m >= 4 * groups:
        deep = m // groups
        x = xp.max(xp.reshape(x[:, : deep * groups], (n, deep, groups)), axis=1)
    return xp.sort(x, axis=1)[:, x.shape[1] - k]


def _ranked(xp: Any, wanted: Array, q: Array, s: Array, k: int, each: Each) -> tuple[Array, Array]:
    """The k nearest of each row of q among the wanted, k or more of s: (n, m) bool → (n, k) positions, distances."""
    n, m = wanted.shape
    places = xp.nonzero(xp.reshape(wanted, (-1,)))[0]
    rows, positions = places // m, places % m  # ascending: ties stay in the order of positions
    step = max(1, PAIRS // max(1, q.shape[1]))
    found = [
        each(xp.take(q, rows[i : i + step], axis=0), xp.take(s, positions[i : i + step], axis=0))
        for i in range(0, places.shape[0], step)
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
