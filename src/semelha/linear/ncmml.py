"""The nearest-class-mean metric."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from semelha.linear.base import Labels, LinearLearner, width
from semelha.linear.descent import lbfgs
from semelha.linear.pairs import class_scatter
from semelha.linear.subspace import Matrix


class NCMML(LinearLearner):
    """The metric in which class means are the best classifier: log-likelihood of a softmax over distances to means.

    p(c | x) ∝ exp(−½ ‖Lx − Lμ_c‖²); maximized by L-BFGS on all examples. New classes need only their mean.

    Parameters
    ----------
    n_components : int, optional
        At most 128 if not given.
    alpha : float
        Weight of ½ σ² ‖L‖² beside the mean negative log-likelihood, where σ² is the mean variance of a feature: it
        keeps L finite where the classes can be told apart without error.
    max_iter : int
        Iterations of L-BFGS, at most.

    Attributes
    ----------
    n_iter_ : int
        Number of iterations.

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
