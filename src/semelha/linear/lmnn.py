"""Large margin nearest neighbor."""

from __future__ import annotations

from functools import partial

import numpy as np

from semelha.errors import UsageError
from semelha.linear.base import Labels, LinearLearner, Tuples, width
from semelha.linear.descent import lbfgs
from semelha.linear.pairs import BLOCK, Single, class_ranges, laplacian, nearest, squared_distances, with_partner
from semelha.linear.subspace import Matrix

STEPS = 10  # iterations of L-BFGS with the same impostors
HALVINGS = 5


class LMNN(LinearLearner):
    """Large margin nearest neighbor: pulls target neighbors near and pushes other classes a margin of one away.

        (1 − μ) Σ dᵢⱼ + μ Σ [1 + dᵢⱼ − dᵢₗ]₊     j: targets of i;  l: impostors, of other classes;  d: squared distances

    minimized by L-BFGS on L. Impostors are fixed for some iterations, then searched again and added to the earlier
    ones, until the objective converges; the gradient is one product with a sparse matrix of weights. Targets are the
    nearest neighbors of the same class in the original space, and in each further round those in the learned space.

    Parameters
    ----------
    n_neighbors : int
        k; fewer in a class with fewer examples.
    n_components : int, optional
        Number of principal axes to start from; all by default.
    rounds : int
        How often targets are chosen. With 1 the objective is that of the first paper.
    regularization : float
        1 − μ.
    max_iter : int
        Maximal number of iterations of L-BFGS in a round.
    max_impostors : int
        Maximal number of impostors of an example in one search, the nearest.
    tol : float
        A round stops when a new search for impostors lowers the objective by less than this fraction.

    References
    ----------
    Weinberger, Blitzer and Saul, "Distance metric learning for large margin nearest neighbor classification", NIPS
    2005; Weinberger and Saul, JMLR 10 (2009), equations 11 to 13, and section 6.1 for rounds.
    """

    def __init__(
        self,
        n_neighbors: int = 3,
        n_components: int | None = None,
        *,
        rounds: int = 5,
        regularization: float = 0.5,
        max_iter: int = 30,
        max_impostors: int = 10,
        tol: float = 1e-3,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.n_components = n_components
        self.rounds = rounds
        self.regularization = regularization
        self.max_iter = max_iter
        self.max_impostors = max_impostors
        self.tol = tol

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        if not 0 < self.regularization < 1:
            raise UsageError(f"regularization is between 0 and 1, not {self.regularization}")
        count = width(self.n_components, x.shape[1])
        components = np.eye(count, x.shape[1])
        if count < x.shape[1]:
            components = np.linalg.eigh(x.T @ x)[1][:, : -count - 1 : -1].T
        order = np.argsort(labels, kind="stable")  # classes are then ranges
        single, labels = x[order].astype(np.float32), labels[order]
        self.n_iter_ = 0
        for turn in range(self.rounds):
            targets = target_pairs(single @ components.T, labels, self.n_neighbors)
            steps = self.max_iter if turn == self.rounds - 1 else STEPS
            components = self._round(single, labels, targets, components, steps)
        return components

    def _round(self, x: Single, labels: Labels, targets: Tuples, start: Matrix, steps: int) -> Matrix:
        """Minimize for these targets, with a new search for impostors every `STEPS` iterations."""

        def search(at: Matrix) -> Labels:
            return find_impostors(x @ at.T.astype(np.float32), labels, targets, self.max_impostors)

        def value(at: Matrix, impostors: Labels) -> tuple[float, Matrix]:
            return hinge(at, x, targets, np.stack(np.divmod(impostors, len(x)), axis=1), self.regularization)

        at, impostors = start, np.unique(search(start))
        for taken in range(0, steps, STEPS):
            frozen = impostors
            goal, count = lbfgs(partial(value, impostors=frozen), at, steps=min(STEPS, steps - taken), tol=1e-7)
            self.n_iter_ += count
            for _ in range(HALVINGS):
                impostors = np.union1d(frozen, search(goal))
                before, after = value(at, impostors)[0], value(goal, impostors)[0]
                if after < before:
                    break
                goal = (at + goal) / 2
            else:
                return at
            at = goal
            if before - after < self.tol * before:
                break
        return at


def target_pairs(z: Matrix, labels: Labels, k: int) -> Tuples:
    """Each example with its k nearest of the same class: (m, 2), sorted by the first. Raises `VectorsError`."""
    k, rows = min(k, len(z)), with_partner(labels)
    friends = nearest(z, labels, rows, k, same=True)
    return np.unique(np.stack([np.repeat(rows, k), friends.ravel()], axis=1), axis=0)


def find_impostors(z: Single, labels: Labels, targets: Tuples, most: int) -> Labels:
    """Find impostors (i, l), as numbers i n + l, (m,).

    l is of another class, and nearer to i than its farthest target plus one. Only the `most` nearest of each i.
    `labels` are sorted.
    """
    n = len(z)
    reach = np.full(n, -np.inf, np.float32)
    np.maximum.at(reach, targets[:, 0], 1 + squared_distances(z, *targets.T))
    squares = np.einsum("ij,ij->i", z, z)
    reach -= squares
    ones = np.ones((n, 1), np.float32)
    stored = np.concatenate([z, squares[:, None]], axis=1).T
    found = []
    for _, start, stop in class_ranges(labels):
        for rows in np.array_split(np.arange(start, stop), max(1, -(-(stop - start) * n // BLOCK))):
            # ‖zₗ‖² − 2⟨zᵢ, zₗ⟩ in one product; ‖zᵢ‖² is the same along a row and was taken off `reach`
            distances = np.concatenate([-2 * z[rows], ones[rows]], axis=1) @ stored  # (rows, n)
            distances[:, start:stop] = np.inf
            inside = distances < reach[rows, None]
            crowded = np.count_nonzero(inside, axis=1) > most
            if crowded.any():
                near = np.argpartition(distances[crowded], most - 1, axis=1)[:, :most]
                found.append((rows[crowded][:, None] * n + near).ravel())
            i, l = np.nonzero(inside[~crowded])  # noqa: E741
            found.append(rows[~crowded][i] * n + l)
    return np.concatenate(found)


def hinge(
    l: Matrix,  # noqa: E741
    x: Single,
    targets: Tuples,
    impostors: Tuples,
    regularization: float,
) -> tuple[float, Matrix]:
    """Compute the objective over these impostors and its gradient in L, (k, d). `targets` are sorted by their first."""
    n, push = len(x), 1 - regularization
    z = x @ l.T.astype(np.float32)
    near, far = squared_distances(z, *targets.T), squared_distances(z, *impostors.T)
    starts = np.searchsorted(targets[:, 0], np.arange(n + 1))
    loss = regularization * float(near.sum(dtype=np.float64))
    weights = np.full(len(targets), regularization, np.float32)
    broken = np.zeros(len(impostors), np.float32)
    sizes = np.diff(starts)[impostors[:, 0]]
    for turn in range(int(sizes.max(initial=0))):  # the first, second, … target of every example at once
        rows = np.flatnonzero(sizes > turn)
        target = starts[impostors[rows, 0]] + turn
        excess = 1 + near[target] - far[rows]
        active = excess > 0
        loss += push * float(excess[active].sum(dtype=np.float64))
        weights += push * np.bincount(target[active], minlength=len(targets)).astype(np.float32)
        broken[rows[active]] -= push
    pulled = laplacian(np.concatenate([targets, impostors]), np.concatenate([weights, broken]), n) @ z  # (n, k)
    return loss, 2 * (pulled.T @ x).astype(np.float64)
