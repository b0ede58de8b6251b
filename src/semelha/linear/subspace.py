"""The subspace that examples span, regularization of singular covariances, and square roots of matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.utils.extmath import randomized_svd

Matrix = NDArray[np.float64]

MAX_DENSE_DIM = 2048  # dimensions up to which d × d matrices are computed: 34 MB each
EPS = 10 * float(np.finfo(np.float64).eps)


class RankDeficiencyWarning(UserWarning):
    """The examples do not determine the whole metric; the message reports what was done."""


@dataclass(frozen=True, eq=False)
class Subspace:
    """The subspace in which a learner works.

    `axes` (r, d) are orthonormal rows, None for the whole space; `center` (d,) is the mean, subtracted from the
    examples.
    """

    axes: Matrix | None
    center: Matrix

    def into(self, x: Matrix) -> Matrix:
        """Coordinates in the subspace: (n, d) → (n, r)."""
        return x if self.axes is None else x @ self.axes.T

    def back(self, components: Matrix) -> Matrix:
        """A map of the subspace, (k, r), as a map of the whole space, (k, d)."""
        return components if self.axes is None else components @ self.axes


def principal_axes(x: Matrix, *, rank_only: bool, notes: list[str]) -> Matrix | None:
    """Axes of the subspace to learn in, from centered examples (n, d); None for the whole space.

    With `rank_only`, the subspace that the examples span; beyond `MAX_DENSE_DIM` dimensions, their principal subspace.
    It is computed from the smaller of the d × d and n × n products, so that d may be large. Appends to `notes` what was
    done.
    """
    n, d = x.shape
    if d <= MAX_DENSE_DIM and not rank_only:
        return None
    if min(n, d) > MAX_DENSE_DIM:
        _, _, axes = randomized_svd(x, MAX_DENSE_DIM, random_state=0)
        notes.append(f"the first {MAX_DENSE_DIM} of {d} principal components were used")
        return np.asarray(axes, np.float64)
    values, vectors = eigh(x.T @ x if d <= n else x @ x.T)
    kept = values > values[-1] * max(n, d) * EPS
    rank = int(kept.sum())
    if rank == d:
        return None
    notes.append(f"the {n} examples span {rank} of {d} dimensions, so their principal subspace was used")
    found = vectors[:, kept][:, ::-1].T  # (rank, d or n), the largest variance first
    if d > n:
        found = (found @ x) / np.sqrt(values[kept][::-1, None])
    return np.ascontiguousarray(found)


def invertible(matrix: Matrix, name: str, *, ridge: float, notes: list[str]) -> Matrix:
    """Return a symmetric (d, d) matrix; if it is singular, with `ridge` times its mean eigenvalue on its diagonal.

    Appends to `notes` what was done. A matrix of zeros becomes `ridge` times the identity.
    """
    values = np.linalg.eigvalsh(matrix)
    rank = int((values > values[-1] * len(values) * EPS).sum()) if values[-1] > 0 else 0
    if rank == len(matrix):
        return matrix
    mean = float(np.trace(matrix)) / len(matrix)
    notes.append(
        f"the {name} has rank {rank} of {len(matrix)}, so {ridge:g} of its mean variance was added to its diagonal"
    )
    return matrix + ridge * (mean if mean > 0 else 1.0) * np.eye(len(matrix))


def root(matrix: Matrix, rank: int | None = None) -> Matrix:
    """Return L (k, d) with LᵀL = the symmetric (d, d) matrix, without negative eigenvalues; the largest come first.

    Rows of eigenvalue zero are omitted, but at least one row stays. `rank` limits k.
    """
    values, vectors = eigh(matrix)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = max(1, min(int((values > max(values[0], 0.0) * len(values) * EPS).sum()), rank or len(values)))
    return np.ascontiguousarray(np.sqrt(np.clip(values[:kept], 0, None))[:, None] * vectors[:, :kept].T)
