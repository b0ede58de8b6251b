"""Softmax over distances: neighborhood components analysis and the nearest-class-mean metric."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import log_softmax
from sklearn.utils import check_random_state

from semelha.errors import UsageError
from semelha.linear.base import Labels, LinearLearner, width
from semelha.linear.descent import Adam, lbfgs
from semelha.linear.pairs import Single, class_ranges, class_scatter
from semelha.linear.subspace import Matrix

SCALE_FACTOR = np.float32(0.25)  # at the best scale most pᵢ are 0 or 1, and gradients are near 0
MIN_EXPONENT = np.float32(-60)  # exponents below are cut: e⁻⁶⁰ changes no sum, and denormal numbers are slow


class NCA(LinearLearner):
    """Neighborhood components analysis: raises the probability that a stochastic nearest neighbor is of the same class.

    pᵢⱼ ∝ exp(−‖Lxᵢ − Lxⱼ‖²), j ≠ i, and pᵢ is the sum of pᵢⱼ over the class of i. Adam on mini-batches of anchors i
    among mini-batches of candidates j, in float32. It starts from the principal axes, at a quarter of the scale that is
    best for a sample of the examples.

    Parameters
    ----------
    n_components : int, optional
        At most 32 by default.
    objective : {"log", "sum"}
        Σ log pᵢ, the log-probability that all are correct, or Σ pᵢ, the expected number of correct ones. The first also
        moves examples that are far from their class.
    batch, candidates : int
        Anchors and candidates of a step.
    learning_rate : float
        Of Adam, in units of one over the mean standard deviation of a feature.
    tol : float
        Training stops when the running mean of 1 − pᵢ is below.

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
        if self.candidates < 2:
            raise UsageError(f"candidates is {self.candidates}: an anchor needs 2 or more")
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
    # 2⟨za, zc⟩ − ‖zc‖², (anchors, candidates), in one product; later steps overwrite it in place.
    d = np.column_stack([2 * za, np.full(len(a), -1, np.float32)]) @ np.column_stack([zc, squares]).T
    place = np.minimum(np.searchsorted(candidates, anchors), len(candidates) - 1)
    own = np.flatnonzero(candidates[place] == anchors)
    d[own, place[own]] = -np.inf
    d -= d.max(axis=1, keepdims=True)
    np.maximum(d, MIN_EXPONENT, out=d)
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
    # Negative slope of −objective in ‖za − zc‖²: pᵢⱼ (pᵢ − [same]), and over pᵢ for the logarithm.
    for rows, columns in blocks:
        weights[rows, columns] *= (1 - 1 / p[rows])[:, None]
    gain = (1 if objective == "log" else p) / total
    # Rows of the slope sum to 0, so that anchors have no term of their own.
    mixed = (weights @ c) * gain[:, None]  # (anchors, d)
    gradient = 2 * (za.T @ mixed + (mixed @ l.T).T @ a - (zc * (gain @ weights)[:, None]).T @ c)
    return p, gradient / np.float32(len(a))


def _part(rng: np.random.RandomState, n: int, size: int) -> Labels:
    """A sorted random sample of `size` of n rows, or all."""
    return np.arange(n) if size >= n else np.sort(rng.permutation(n)[:size])


def _best_scale(axes: Single, x: Single, labels: Labels, objective: str) -> Single:
    all_rows, anchors = np.arange(len(x)), np.arange(0, len(x), 4)
    best, found = -np.inf, axes
    for scale in 2.0 ** np.arange(-3, 4):
        l = axes * np.float32(scale)  # noqa: E741
        p, _ = step(l, x, labels, anchors, all_rows, objective)
        gain = float((np.log(p) if objective == "log" else p).mean())
        if gain > best:
            best, found = gain, l
    return found * SCALE_FACTOR


class NCMML(LinearLearner):
    """Nearest-class-mean metric learning: log-likelihood of a softmax over the distances to class means.

    p(c | x) ∝ exp(−½ ‖Lx − Lμ_c‖²); maximized by L-BFGS on all examples. New classes need only their mean.

    Parameters
    ----------
    n_components : int, optional
        At most 128 by default.
    alpha : float
        Weight of ½ σ² ‖L‖² beside the mean negative log-likelihood, where σ² is the mean variance of a feature: it
        keeps L finite if the classes can be separated without error.
    max_iter : int
        Maximal number of iterations of L-BFGS.

    References
    ----------
    Mensink, Verbeek, Perronnin and Csurka, "Distance-based image classification: generalizing to new classes at
    near-zero cost", IEEE TPAMI 35 (2013), equations 3 to 5.
    """

    def __init__(self, n_components: int | None = None, *, alpha: float = 1e-3, max_iter: int = 200) -> None:
        self.n_components = n_components
        self.alpha = alpha
        self.max_iter = max_iter

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        scale = np.sqrt(x.var(axis=0).mean())
        x = x / scale
        _, means = class_scatter(x, labels)
        target = np.zeros((len(x), len(means)))
        target[np.arange(len(x)), labels] = 1

        def value(l: Matrix) -> tuple[float, Matrix]:  # noqa: E741
            z, centers = x @ l.T, means @ l.T  # (n, k), (classes, k)
            log_p = log_softmax(z @ centers.T - (centers**2).sum(axis=1) / 2, axis=1)
            slope = (target - np.exp(log_p)) / (2 * len(x))  # of the loss in each squared distance; rows sum to 0
            crossed = slope.T @ x  # (classes, d)
            gradient = 2 * (
                (centers * slope.sum(axis=0)[:, None]).T @ means - centers.T @ crossed - z.T @ slope @ means
            )
            loss = -float(log_p[np.arange(len(x)), labels].mean())
            return loss + self.alpha / 2 * float((l**2).sum()), gradient + self.alpha * l

        count = width(self.n_components, x.shape[1], default=128)
        axes = np.linalg.eigh(x.T @ x)[1][:, : -count - 1 : -1].T
        found, self.n_iter_ = lbfgs(value, axes, steps=self.max_iter)
        return np.asarray(found / scale)
