"""Pairs and triplets of examples: draw them from labels, find near ones, and sum their outer products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from semelha.errors import VectorsError
from semelha.linear.base import Labels, Tuples
from semelha.linear.subspace import Matrix

BLOCK = 1 << 22  # distances at a time: 16 MB in float32
Single = NDArray[np.float32]


def class_ranges(labels: NDArray[np.intp]) -> Iterator[tuple[int, int, int]]:
    """(label, start, stop) of each class among sorted labels."""
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    for start, stop in zip(starts, np.append(starts[1:], len(labels)), strict=True):
        yield int(labels[start]), int(start), int(stop)


def with_partner(labels: Labels) -> NDArray[np.intp]:
    """Rows of the examples whose class has another. Raises `VectorsError` without any."""
    rows = np.flatnonzero(np.bincount(labels)[labels] > 1)
    if not len(rows):
        raise VectorsError("no class has two examples, so there is no pair of the same class")
    return rows


def draw_pairs(labels: Labels, count: int, rng: np.random.RandomState) -> tuple[Tuples, NDArray[np.bool_]]:
    """Up to `count` random pairs of the same class and as many of different ones: (m, 2), (m,) bool. No pair twice.

    Raises `VectorsError` if no class has two examples.
    """
    triplets = draw_triplets(labels, count, rng)
    pairs = np.concatenate([triplets[:, :2], triplets[:, [0, 2]]])
    pairs.sort(axis=1)
    pairs = np.unique(pairs, axis=0)
    return pairs, np.asarray(labels[pairs[:, 0]] == labels[pairs[:, 1]])


def draw_triplets(labels: Labels, count: int, rng: np.random.RandomState) -> Tuples:
    """`count` random (anchor, one of its class, one of another class): (m, 3)."""
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    starts = np.cumsum(sizes) - sizes
    within = with_partner(labels)
    anchors = within[rng.randint(len(within), size=count)]
    size, start = sizes[labels[anchors]], starts[labels[anchors]]
    place = np.empty(len(labels), np.intp)
    place[order] = np.arange(len(labels))
    step = 1 + (rng.random_sample(count) * (size - 1)).astype(np.intp)  # never back to the anchor itself
    positives = order[start + (place[anchors] - start + step) % size]
    other = (rng.random_sample(count) * (len(labels) - size)).astype(np.intp)
    negatives = order[np.where(other < start, other, other + size)]
    return np.stack([anchors, positives, negatives], axis=1)


def nearest(x: Matrix, labels: Labels, rows: NDArray[np.intp], k: int, *, same: bool) -> Tuples:
    """The k nearest of `rows`, of the same class or of the others: (len(rows), k), the nearest first.

    If fewer than k exist, the last is repeated; if none exist, the row itself is.
    """
    z = x.astype(np.float32)
    squares = np.einsum("ij,ij->i", z, z)
    found = np.repeat(rows[:, None], k, axis=1)
    for label in np.unique(labels[rows]):
        candidates = np.flatnonzero((labels == label) == same)
        places = np.flatnonzero(labels[rows] == label)
        width = min(k, len(candidates) - same)
        if width < 1:
            continue
        for part in np.array_split(places, max(1, -(-len(places) * len(candidates) // BLOCK))):
            distances = squares[candidates] - 2 * (z[rows[part]] @ z[candidates].T)  # (part, candidates)
            if same:
                distances[np.arange(len(part)), np.searchsorted(candidates, rows[part])] = np.inf
            if width < len(candidates):
                near = np.argpartition(distances, width - 1, axis=1)[:, :width]
            else:
                near = np.repeat(np.arange(width)[None], len(part), axis=0)
            order = np.argsort(np.take_along_axis(distances, near, axis=1), axis=1, kind="stable")
            found[part, :width] = candidates[np.take_along_axis(near, order, axis=1)]
            found[part, width:] = found[part, width - 1 : width]
    return found


def near_triplets(x: Matrix, labels: Labels, k: int, most: int, rng: np.random.RandomState) -> Tuples:
    """Each anchor with its k nearest of the same class and its k nearest of other classes: (m, 3), m ≤ `most`.

    Anchors are drawn at random if all would give more. Raises `VectorsError` if no class has two examples.
    """
    k, anchors = min(k, len(x)), with_partner(labels)
    count = max(1, most // (k * k))
    if len(anchors) > count:
        anchors = np.sort(rng.permutation(anchors)[:count])
    friends = nearest(x, labels, anchors, k, same=True)  # (anchors, k)
    others = nearest(x, labels, anchors, k, same=False)
    triplets = np.stack(
        [np.repeat(anchors, k * k), np.repeat(friends, k, axis=1).ravel(), np.tile(others, (1, k)).ravel()], axis=1
    )
    return np.unique(triplets, axis=0)


def squared_distances(z: NDArray[Any], left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[Any]:
    """‖zᵢ − zⱼ‖² of pairs, as two (m,) arrays of rows, in blocks."""
    found = np.empty(len(left), z.dtype)
    step = max(1, BLOCK // (4 * z.shape[1]))
    for start in range(0, len(left), step):
        between = z[left[start : start + step]]
        between -= z[right[start : start + step]]
        np.einsum("ij,ij->i", between, between, out=found[start : start + step])
    return found


def laplacian(pairs: Tuples, weights: NDArray[Any], n: int) -> sparse.csr_matrix:
    """Λ (n, n) with XᵀΛX = Σ w (xᵢ − xⱼ)(xᵢ − xⱼ)ᵀ: one sparse matrix instead of a sum of outer products."""
    left, right = pairs[:, 0], pairs[:, 1]
    degree = np.bincount(left, weights, n) + np.bincount(right, weights, n)
    rows = np.concatenate([left, right, np.arange(n)])
    columns = np.concatenate([right, left, np.arange(n)])
    values = np.concatenate([-weights, -weights, degree.astype(weights.dtype)])
    return sparse.csr_matrix((values, (rows, columns)), shape=(n, n))


def scatter(x: Matrix, pairs: Tuples, weights: NDArray[Any] | None = None) -> Matrix:
    """Σ w (xᵢ − xⱼ)(xᵢ − xⱼ)ᵀ, (d, d)."""
    weights = np.ones(len(pairs)) if weights is None else weights
    return np.asarray(x.T @ (laplacian(pairs, weights, len(x)) @ x))


def class_scatter(x: Matrix, labels: Labels) -> tuple[Matrix, Matrix]:
    """Scatter within classes Σ (x − μ_c)(x − μ_c)ᵀ, (d, d), and the class means (classes, d)."""
    sizes = np.bincount(labels)
    one = sparse.csr_matrix((np.ones(len(x)), (labels, np.arange(len(x)))), shape=(len(sizes), len(x)))
    means = (one @ x) / sizes[:, None]
    inside = x - means[labels]
    return inside.T @ inside, means


def mean_outer_products(x: Matrix, labels: Labels) -> tuple[Matrix, Matrix]:
    """Means of (xᵢ − xⱼ)(xᵢ − xⱼ)ᵀ over *all* pairs of the same class, and over all of different ones.

    In closed form, O(n d²): over a class of n_c examples the sum is n_c times its scatter, and likewise over all
    examples.
    """
    sizes = np.bincount(labels)
    paired = with_partner(labels)
    same_pairs = float((sizes[labels[paired]] - 1).sum() / 2)
    _, means = class_scatter(x, labels)
    inside = (x - means[labels]) * np.sqrt(sizes[labels])[:, None]
    outside = x - x.mean(axis=0)
    same = inside.T @ inside
    different = len(x) * (outside.T @ outside) - same
    return same / same_pairs, different / (len(x) * (len(x) - 1) / 2 - same_pairs)
