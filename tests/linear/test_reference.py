"""Learners in closed form, and ITML, against scikit-learn or their papers' formulas in plain loops."""

from typing import Any

import numpy as np
import pytest
from scipy.linalg import eigh, sqrtm
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from tests.linear.made import clusters, every_pair
from tests.linear.test_objectives import nca

from semelha.errors import UsageError
from semelha.linear import GMML, ITML, KISSME, LDA, LFDA, NCA, RCA, XQDA, PCAWhitening
from semelha.linear.nca import step

X, Y = clusters(5, n=80, d=5, classes=4, spread=1.3)
PAIRS, SAME = every_pair(Y)


def assert_matrix(learner: Any, expected: Any, rtol: float = 1e-8) -> None:
    np.testing.assert_allclose(learner.get_mahalanobis_matrix(), expected, atol=rtol * np.abs(expected).max())


def moments() -> tuple[Any, Any]:
    sums = []
    for kind in (SAME, ~SAME):
        total = sum(np.outer(X[i] - X[j], X[i] - X[j]) for i, j in PAIRS[kind])
        sums.append(total / kind.sum())
    return sums[0], sums[1]


def test_pca_whitening_is_scikit_learn_s() -> None:
    """But for the center, which distances do not see, and the sign of axes."""
    for count in (None, 3):
        ours, theirs = PCAWhitening(count).fit(X), PCA(count, whiten=True, svd_solver="full").fit(X)
        scaled = theirs.components_ / np.sqrt(theirs.explained_variance_)[:, None]
        np.testing.assert_allclose(np.abs(ours.components_), np.abs(scaled), rtol=1e-8)
    np.testing.assert_allclose(np.cov(PCAWhitening().fit_transform(X).T), np.eye(5), atol=1e-10)


def test_lda_is_scikit_learn_s() -> None:
    x, y = X[:-7], Y[:-7]  # classes of unlike sizes
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(x, y)
    for count in (None, 2):
        ours = LDA(count).fit(x, y)
        np.testing.assert_allclose(np.abs(ours.components_), np.abs(theirs.scalings_[:, : count or 3].T), rtol=1e-6)


def test_lda_shrinks_the_covariance_within() -> None:
    means = np.array([X[y == Y].mean(axis=0) for y in Y])
    within, between = (np.cov(part.T, bias=True) for part in (X - means, means))
    shrunk = within + 0.25 * np.trace(within) / 5 * np.eye(5)
    vectors = eigh(between, shrunk)[1][:, :1:-1].T
    np.testing.assert_allclose(np.abs(LDA(shrinkage=0.25).fit(X, Y).components_), np.abs(vectors), rtol=1e-6)


def test_rca_is_the_inverse_of_the_covariance_within() -> None:
    within = sum(np.outer(x - X[y == Y].mean(axis=0), x - X[y == Y].mean(axis=0)) for x, y in zip(X, Y, strict=True))
    assert_matrix(RCA().fit(X, Y), np.linalg.inv(within / len(X)))


def test_rca_takes_chains_of_pairs_for_chunklets() -> None:
    chains = np.concatenate(
        [np.stack([rows[:-1], rows[1:]], axis=1) for rows in map(np.flatnonzero, np.arange(4)[:, None] == Y)]
    )
    pairs, same = np.concatenate([chains, [[0, 1]]]), np.append(np.ones(len(chains)), 0)
    assert_matrix(RCA().fit_pairs(X, pairs, same), RCA().fit(X, Y).get_mahalanobis_matrix())


def test_rca_reduces_by_fisher_s_criterion() -> None:
    ours, within = RCA(2).fit(X, Y), RCA().fit(X, Y).get_mahalanobis_matrix()
    _, vectors = eigh(np.cov(X.T), np.linalg.inv(within))
    assert_matrix(ours, vectors[:, -2:] @ vectors[:, -2:].T)


def test_lfda_is_the_paper_s_sum_over_pairs() -> None:
    """Equations 9 to 12 of Sugiyama (2007), pair by pair."""
    n, d = X.shape
    distances = np.linalg.norm(X[:, None] - X[None], axis=2)
    sigma = [np.sort(distances[i, Y[i] == Y])[7] for i in range(n)]
    within, between = np.zeros((d, d)), np.zeros((d, d))
    for i, j in PAIRS:
        outer, size = np.outer(X[i] - X[j], X[i] - X[j]), (Y[i] == Y).sum()
        affinity = np.exp(-(distances[i, j] ** 2) / (sigma[i] * sigma[j]))
        within += outer * (affinity / size if Y[i] == Y[j] else 0)
        between += outer * (affinity * (1 / n - 1 / size) if Y[i] == Y[j] else 1 / n)
    values, vectors = eigh(between, within)
    for count in (5, 2):
        kept = vectors[:, -count:] * np.sqrt(np.clip(values[-count:], 0, None))
        assert_matrix(LFDA(count).fit(X, Y), kept @ kept.T, rtol=1e-5)


def test_kissme_is_the_difference_of_inverse_covariances() -> None:
    same, different = moments()
    m = np.linalg.inv(same) - np.linalg.inv(different)
    values, vectors = np.linalg.eigh(m)
    expected = (vectors * np.clip(values, 0, None)) @ vectors.T
    assert_matrix(KISSME().fit(X, Y), expected)
    assert_matrix(KISSME().fit_pairs(X, PAIRS, SAME), expected)


def test_xqda_is_kissme_in_its_directions() -> None:
    """Equation 7 of Liao et al.: M = W (Σ′_same⁻¹ − Σ′_different⁻¹) Wᵀ with Σ′ = Wᵀ Σ W."""
    same, different = moments()
    values, vectors = eigh(different, same)
    for count in (None, 2):
        w = vectors[:, values > 1][:, -count:] if count else vectors[:, values > 1]
        inner = np.linalg.inv(w.T @ same @ w) - np.linalg.inv(w.T @ different @ w)
        assert_matrix(XQDA(count).fit(X, Y), w @ inner @ w.T)
        assert_matrix(XQDA(count).fit_pairs(X, PAIRS, SAME), w @ inner @ w.T)


@pytest.mark.parametrize("t", [0.0, 0.3, 0.5, 1.0])
def test_gmml_is_on_the_geodesic(t: float) -> None:
    same, different = moments()
    inverse = np.linalg.inv(same)
    half = sqrtm(inverse)
    back = np.linalg.inv(half)
    values, vectors = np.linalg.eigh(back @ different @ back)
    expected = half @ (vectors * values**t) @ vectors.T @ half
    assert_matrix(GMML(t=t).fit(X, Y), expected)
    assert_matrix(GMML(t=t).fit_pairs(X, PAIRS, SAME), expected)


def test_gmml_is_the_minimum_of_its_objective() -> None:
    """tr(MS) + tr(M⁻¹D), whose slope is S − M⁻¹DM⁻¹."""
    same, different = moments()
    m = np.linalg.inv(GMML().fit(X, Y).get_mahalanobis_matrix())
    np.testing.assert_allclose(m @ different @ m, same, atol=1e-8 * np.abs(same).max())


def test_gmml_takes_no_other_t() -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        GMML(t=1.5).fit(X, Y)


def projections(x: Any, pairs: Any, same: Any, u: float, l: float, gamma: float, prior: Any) -> Any:  # noqa: E741
    """ITML as its paper has it: cyclic Bregman projections (algorithm 1), a plain loop until nothing moves."""
    m, slack, duals = prior.copy(), np.where(same, u, l), np.zeros(len(pairs))
    for _ in range(3000):
        before = duals.copy()
        for c, (i, j) in enumerate(pairs):
            sign = 1 if same[c] else -1
            v = x[i] - x[j]
            p = v @ m @ v
            alpha = min(duals[c], gamma / (gamma + 1) * sign * (1 / p - 1 / slack[c]))
            duals[c] -= alpha
            beta = sign * alpha / (1 - sign * alpha * p)
            slack[c] = gamma * slack[c] / (gamma + sign * alpha * slack[c])
            m += beta * np.outer(m @ v, m @ v)
        if np.abs(duals - before).max() < 1e-10:
            break
    return m


@pytest.mark.parametrize("gamma", [0.3, 1.0, 10.0])
def test_itml_is_where_bregman_projections_go(gamma: float) -> None:
    rows = np.random.default_rng(0).permutation(len(PAIRS))[:60]
    prior = np.diag([1.0, 2.0, 0.5, 1.0, 1.0])
    learner = ITML(gamma=gamma, bounds=(3.0, 15.0), prior=prior).fit_pairs(X, PAIRS[rows], SAME[rows])
    expected = projections(X, PAIRS[rows], SAME[rows], 3.0, 15.0, gamma, prior)
    np.testing.assert_allclose(learner.get_mahalanobis_matrix(), expected, atol=1e-3 * np.abs(expected).max())


def test_itml_without_broken_bounds_is_its_prior() -> None:
    learner = ITML(bounds=(1e6, 1e-6)).fit(X, Y)
    assert_matrix(learner, np.eye(5))


def test_itml_refuses_what_cannot_be() -> None:
    for prior in (np.eye(4), -np.eye(5)):
        with pytest.raises(UsageError, match="prior"):
            ITML(prior=prior).fit(X, Y)
    with pytest.raises(UsageError, match="bounds"):
        ITML(bounds=(0, 1)).fit(X, Y)


def test_itml_leaves_out_equal_vectors_of_different_classes() -> None:
    x = np.concatenate([X, X[:1]])
    with pytest.warns(UserWarning, match="1 pairs of different classes and equal vectors were left out"):
        learner = ITML().fit_pairs(x, [*PAIRS[:200], [0, 80]], [*SAME[:200], False])
    assert_matrix(learner, ITML().fit_pairs(x, PAIRS[:200], SAME[:200]).get_mahalanobis_matrix(), rtol=1e-3)


def test_nca_s_objective_and_gradient_are_scikit_learn_s() -> None:
    order = np.argsort(Y, kind="stable")
    x, y = X[order], Y[order]
    theirs = NeighborhoodComponentsAnalysis()
    theirs.n_iter_ = 1
    components = 0.4 * np.random.default_rng(0).normal(size=(3, 5))
    value, slope = theirs._loss_grad_lbfgs(components.ravel(), x, y[:, None] == y, -1.0)
    everyone = np.arange(len(x))
    p, gradient = step(components.astype(np.float32), x.astype(np.float32), y, everyone, everyone, "sum")
    assert -p.sum() == pytest.approx(value, rel=1e-4)
    np.testing.assert_allclose(len(x) * gradient, slope.reshape(3, 5), atol=1e-4 * np.abs(slope).max())


def test_nca_gets_about_where_scikit_learn_does() -> None:
    """The objective has many maxima, so on the mean of some sets."""
    ours, theirs = [], []
    for seed in range(4):
        x, y = clusters(seed, n=80, d=5, classes=4, spread=1.3)
        ours.append(nca(NCA(objective="sum").fit(x, y).components_, x, y).mean())
        theirs.append(nca(NeighborhoodComponentsAnalysis(random_state=0).fit(x, y).components_, x, y).mean())
    assert np.mean(ours) > np.mean(theirs) - 0.03
