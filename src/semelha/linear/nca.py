"""Neighborhood components analysis."""

from __future__ import annotations

from typing import Literal

import numpy as np
from sklearn.utils import check_random_state

from semelha.errors import UsageError
from semelha.linear.base import Labels, LinearLearner, width
from semelha.linear.descent import Adam
from semelha.linear.pairs import Single, class_ranges
from semelha.linear.subspace import Matrix

SOFTER = np.float32(0.25)  # from the best scale at once most pᵢ are 0 or 1, and nothing moves
FAR = np.float32(-60)  # exponents below are cut: e⁻⁶⁰ changes no sum, and denormal numbers are slow


class NCA(LinearLearner):
    """Raises the probability that an example's stochastic nearest neighbor is of its own class.

    pᵢⱼ ∝ exp(−‖Lxᵢ − Lxⱼ‖²), j ≠ i, and pᵢ is the sum of pᵢⱼ over the class of i. Adam on mini-batches of anchors i
    among mini-batches of candidates j, in float32; the start is the principal axes at a quarter of the scale that
    is best for a part of the examples.

    Parameters
    ----------
    n_components : int, optional
        At most 32 if not given.
    objective : {"log", "sum"}
        Σ log pᵢ, the probability that all are right, or Σ pᵢ, the expected number of right ones. The first also moves
        examples that are far from their class.
    max_iter : int
        Steps; fewer are taken where nothing is left to gain.
    batch, candidates : int
        Anchors and candidates of a step.
    learning_rate : float
        Adam's, in units of one over the mean standard deviation of a feature.
    tol : float
        Ends where the running mean of 1 − pᵢ falls below.
    random_state : int, RandomState or None

    Attributes
    ----------
    n_iter_ : int
        Number of steps.

    References
    ----------
    Goldberger, Roweis, Hinton and Salakhutdinov, "Neighbourhood components analysis", NIPS 2004, equations 3 to 7.
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        objective: Literal["log", "sum"] = "log",
        max_iter: int = 400,
        batch: int = 512,
        candidates: int = 1024,
        learning_rate: float = 0.03,
        tol: float = 1e-2,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.n_components = n_components
        self.objective = objective
        self.max_iter = max_iter
        self.batch = batch
        self.candidates = candidates
        self.learning_rate = learning_rate
        self.tol = tol
        self.random_state = random_state

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        if self.objective not in ("log", "sum"):
            raise UsageError(f'the objective is "log" or "sum", not {self.objective!r}')
        rng = check_random_state(self.random_state)
        order = np.argsort(labels, kind="stable")  # classes are then ranges, and sums over a class are over slices
        scale = np.sqrt(x.var(axis=0).mean())
        sorted_x, sorted_labels = (x[order] / scale).astype(np.float32), labels[order]
        axes = np.linalg.eigh(x.T @ x)[1][:, : -width(self.n_components, x.shape[1], default=32) - 1 : -1].T.astype(
            np.float32
        )
        some = _part(rng, len(x), self.candidates)
        adam = Adam(
            _best_scale(axes, sorted_x[some], sorted_labels[some], self.objective),
            steps=self.max_iter,
            rate=self.learning_rate,
        )
        missed = 1.0
        for _ in range(self.max_iter):
            anchors, candidates = _part(rng, len(x), self.batch), _part(rng, len(x), self.candidates)
            p, gradient = step(adam.at, sorted_x, sorted_labels, anchors, candidates, self.objective)
            missed += 0.5 * (1 - float(p.mean()) - missed)
            if missed < self.tol:
                break
            adam.step(gradient)
        self.n_iter_ = max(1, adam.taken)
        return np.asarray(adam.at.astype(np.float64) / scale)


def step(
    l: Single,  # noqa: E741
    x: Single,
    labels: Labels,
    anchors: Labels,
    candidates: Labels,
    objective: str,
) -> tuple[Single, Single]:
    """p of each anchor among the candidates, (m,), and the gradient of −objective / m in L, (k, d).

    `labels` are sorted, and so are the rows `anchors` and `candidates`.
    """
    a, c = x[anchors], x[candidates]
    za, zc = a @ l.T, c @ l.T
    squares = np.einsum("ij,ij->i", zc, zc)
    # 2⟨za, zc⟩ − ‖zc‖², (anchors, candidates), in one product; then, in place, what each name below says.
    d = np.column_stack([2 * za, np.full(len(a), -1, np.float32)]) @ np.column_stack([zc, squares]).T
    place = np.minimum(np.searchsorted(candidates, anchors), len(candidates) - 1)
    own = np.flatnonzero(candidates[place] == anchors)
    d[own, place[own]] = -np.inf
    d -= d.max(axis=1, keepdims=True)
    np.maximum(d, FAR, out=d)
    weights = np.exp(d, out=d)
    weights[own, place[own]] = 0
    total = weights @ np.ones(len(c), np.float32)
    blocks = []
    p = np.zeros(len(a), np.float32)
    for label, start, stop in class_ranges(labels[anchors]):
        first, last = np.searchsorted(labels[candidates], (label, label + 1))
        p[start:stop] = weights[start:stop, first:last].sum(axis=1) / total[start:stop]
        blocks.append((slice(start, stop), slice(first, last)))
    p = np.maximum(p, np.float32(1e-12))
    # Slope of −objective in ‖za − zc‖², but for its sign: pᵢⱼ (pᵢ − [same]), and over pᵢ for the logarithm.
    for rows, columns in blocks:
        weights[rows, columns] *= (1 - 1 / p[rows])[:, None]
    gain = (1 if objective == "log" else p) / total
    # Rows of the slope sum to 0, so that anchors have no term of their own.
    mixed = (weights @ c) * gain[:, None]  # (anchors, d)
    gradient = 2 * (za.T @ mixed + (mixed @ l.T).T @ a - (zc * (gain @ weights)[:, None]).T @ c)
    return p, gradient / np.float32(len(a))


def _part(rng: np.random.RandomState, n: int, size: int) -> Labels:
    """Sorted rows, `size` of n at random, or all."""
    return np.arange(n) if size >= n else np.sort(rng.permutation(n)[:size])


def _best_scale(axes: Single, x: Single, labels: Labels, objective: str) -> Single:
    everyone, anchors = np.arange(len(x)), np.arange(0, len(x), 4)
    best, found = -np.inf, axes
    for scale in 2.0 ** np.arange(-3, 4):
        l = axes * np.float32(scale)  # noqa: E741
        p, _ = step(l, x, labels, anchors, everyone, objective)
        gain = float((np.log(p) if objective == "log" else p).mean())
        if gain > best:
            best, found = gain, l
    return found * SOFTER
