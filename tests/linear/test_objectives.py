"""Every iterative learner goes down its own objective, written here as plain loops in float64."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from tests.linear.made import clusters, every_pair

from semelha.linear import ITML, LMNN, NCA, NCMML, BoostedSimilarity, BoostMetric, RankSVM, SignedRankSVM
from semelha.linear.descent import Adam, lbfgs
from semelha.linear.lmnn import find_impostors, hinge, target_pairs
from semelha.linear.nca import step
from semelha.linear.pairs import near_triplets
from semelha.linear.ranksvm import order

X, Y = clusters(2, n=60, d=5)
SORTED = np.argsort(Y, kind="stable")
XS, YS = X[SORTED], Y[SORTED]
random = np.random.default_rng(0)
L = 0.4 * random.normal(size=(3, 5))


def squares(components: Any, x: Any = X) -> Any:
    z = x @ components.T
    return ((z[:, None] - z[None]) ** 2).sum(axis=2)


def nca(components: Any, x: Any = X, y: Any = Y) -> Any:
    """p of each example."""
    d = squares(components, x)
    p = np.empty(len(x))
    for i in range(len(x)):
        others = np.flatnonzero(np.arange(len(x)) != i)
        weights = np.exp(-(d[i, others] - d[i, others].min()))
        p[i] = weights[y[others] == y[i]].sum() / weights.sum()
    return p


def lmnn(components: Any, x: Any = X, y: Any = Y, k: int = 3) -> float:
    """Target neighbors are those of the vectors as they come."""
    plain, d, total = squares(np.eye(x.shape[1]), x), squares(components, x), 0.0
    for i in range(len(x)):
        friends = [j for j in range(len(x)) if y[j] == y[i] and j != i]
        for j in sorted(friends, key=lambda j: plain[i, j])[:k]:
            total += 0.5 * d[i, j]
            total += 0.5 * sum(max(0.0, 1 + d[i, j] - d[i, l]) for l in range(len(x)) if y[l] != y[i])  # noqa: E741
    return total


def ncm(components: Any, x: Any = X, y: Any = Y) -> float:
    means = np.stack([x[y == c].mean(axis=0) for c in range(3)])
    total = 0.0
    for row, label in zip(x, y, strict=True):
        logits = np.array([-0.5 * ((components @ (row - mean)) ** 2).sum() for mean in means])
        total -= logits[label] - np.log(np.exp(logits).sum())
    return total / len(x)


def itml(m: Any, x: Any, pairs: Any, same: Any, u: float, l: float, gamma: float = 1.0) -> float:  # noqa: E741
    total = np.trace(m) - np.linalg.slogdet(m)[1] - len(m)
    for (i, j), alike in zip(pairs, same, strict=True):
        d = (x[i] - x[j]) @ m @ (x[i] - x[j])
        if alike and d > u:
            total += gamma * (d / u - np.log(d / u) - 1)
        if not alike and d < l:
            total += gamma * (d / l - np.log(d / l) - 1)
    return float(total)


def margins(components: Any, triplets: Any) -> Any:
    d = squares(components)
    return np.array([d[a, n] - d[a, p] for a, p, n in triplets])


@pytest.mark.parametrize("objective", ["log", "sum"])
def test_nca_step_is_value_and_gradient(objective: str) -> None:
    everyone = np.arange(len(XS))
    p, gradient = step(L.astype(np.float32), XS.astype(np.float32), YS, everyone, everyone, objective)
    np.testing.assert_allclose(p, nca(L, XS, YS), rtol=1e-4)

    def loss(flat: Any) -> float:
        p = nca(flat.reshape(L.shape), XS, YS)
        return -float((np.log(p) if objective == "log" else p).mean())

    expected = approx_fprime(L.ravel(), loss, 1e-6).reshape(L.shape)
    np.testing.assert_allclose(gradient, expected, atol=2e-4 * np.abs(expected).max())


def test_nca_step_on_a_part_is_that_of_the_part() -> None:
    """Anchors that are candidates too are not their own neighbors; those that are not have nothing to leave out."""
    anchors, candidates = np.arange(0, 60, 3), np.arange(0, 60, 2)
    p, _ = step(L.astype(np.float32), XS.astype(np.float32), YS, anchors, candidates, "log")
    d = squares(L, XS)
    for place, i in enumerate(anchors):
        near = candidates[candidates != i]
        weights = np.exp(-d[i, near])
        np.testing.assert_allclose(p[place], weights[YS[near] == YS[i]].sum() / weights.sum(), rtol=1e-3)


@pytest.mark.parametrize("objective", ["log", "sum"])
def test_nca_rises(objective: Any) -> None:
    """From whatever scale of the principal axes, to near what scikit-learn finds."""
    x, y = clusters(3, n=120, d=8, spread=1.5)
    found = nca(NCA(objective=objective).fit(x, y).components_, x, y)
    axes = np.linalg.eigh(np.cov(x.T))[1].T

    def score(p: Any) -> float:
        return float((np.log(np.maximum(p, 1e-300)) if objective == "log" else p).mean())

    assert score(found) > max(score(nca(scale * axes, x, y)) for scale in 2.0 ** np.arange(-6, 6)) + 0.03


def test_lmnn_hinge_is_value_and_gradient() -> None:
    """With every impostor looked at."""
    targets = target_pairs(XS, YS, 3)
    pairs, same = every_pair(YS)
    others = np.concatenate([pairs[~same], pairs[~same][:, ::-1]])
    value, gradient = hinge(L, XS.astype(np.float32), targets, others, 0.5)
    assert value == pytest.approx(lmnn(L, XS, YS), rel=1e-5)
    expected = approx_fprime(L.ravel(), lambda flat: lmnn(flat.reshape(L.shape), XS, YS), 1e-6).reshape(L.shape)
    np.testing.assert_allclose(gradient, expected, atol=1e-3 * np.abs(expected).max())


def test_lmnn_finds_just_the_impostors() -> None:
    targets = target_pairs(XS, YS, 3)
    d = squares(L, XS)
    found = find_impostors((XS @ L.T).astype(np.float32), YS, targets, 60)
    reach = np.zeros(60)
    for i, j in targets:
        reach[i] = max(reach[i], 1 + d[i, j])
    expected = [i * 60 + l for i in range(60) for l in range(60) if YS[i] != YS[l] and d[i, l] < reach[i]]  # noqa: E741
    np.testing.assert_array_equal(np.sort(found), expected)
    few = find_impostors((XS @ L.T).astype(np.float32), YS, targets, 2)
    for i in range(60):
        mine = [number % 60 for number in expected if number // 60 == i]
        nearest_two = sorted(mine, key=lambda l: d[i, l])[:2]  # noqa: E741
        assert sorted(few[few // 60 == i] % 60) == sorted(nearest_two)


def test_lmnn_falls_and_is_the_minimum() -> None:
    """Convex in M: from there, no small step in any of many directions goes lower."""
    x, y = clusters(3, n=60, d=4, spread=2)
    learner = LMNN(rounds=1, max_iter=300, max_impostors=60, tol=1e-6).fit(x, y)
    m = learner.get_mahalanobis_matrix()
    found = lmnn(learner.components_, x, y)
    assert found < 0.9 * lmnn(np.eye(4), x, y)
    for _ in range(50):
        other = np.linalg.cholesky(
            m + 0.02 * np.linalg.norm(m) * (a := random.normal(size=(4, 4))) @ a.T * random.random()
        )
        assert lmnn(other.T, x, y) > 0.999 * found
        assert lmnn(np.sqrt(0.98) * learner.components_, x, y) > 0.999 * found


def test_ncmml_falls() -> None:
    learner = NCMML().fit(X, Y)
    sigma = X.var(axis=0).mean()
    penalty = 1e-3 / 2 * sigma

    def objective(components: Any) -> float:
        return ncm(components) + penalty * float((components**2).sum())

    found = objective(learner.components_)
    assert found < objective(np.eye(5) / np.sqrt(sigma))
    slope = approx_fprime(learner.components_.ravel(), lambda flat: objective(flat.reshape(-1, 5)), 1e-7)
    assert np.abs(slope).max() < 1e-3


def test_itml_is_the_minimum() -> None:
    """Convex in M, so where the slope vanishes."""
    pairs, same = every_pair(Y)
    learner = ITML(bounds=(4.0, 20.0)).fit_pairs(X, pairs[::7], same[::7])
    m = learner.get_mahalanobis_matrix()

    def objective(m: Any) -> float:
        return itml(m, X, pairs[::7], same[::7], 4.0, 20.0)

    assert objective(m) < objective(np.eye(5))
    for _ in range(30):
        way = random.normal(size=(5, 5))
        way = 1e-3 * np.linalg.norm(m) * (way + way.T) / np.linalg.norm(way)
        assert objective(m + way) > objective(m)


def test_boostmetric_falls_round_by_round() -> None:
    triplets = near_triplets(X - X.mean(axis=0), Y, 3, 10_000, np.random.RandomState(0))
    scale = X.var(axis=0).mean()

    def objective(rounds: int) -> float:
        m = BoostMetric(n_rounds=rounds).fit_triplets(X, triplets).components_
        return float(np.log(np.exp(-scale * margins(m, triplets) / scale).sum()))

    values = [np.log(len(triplets)), *(objective(rounds) for rounds in (1, 2, 4, 8, 30))]
    assert (np.diff(values) < 0).all()


def test_boostmetric_takes_the_best_first_step() -> None:
    """The first matrix of rank one has the steepest slope of all unit vectors, and its weight is the best."""
    triplets = near_triplets(X, Y, 3, 10_000, np.random.RandomState(0))
    (row,) = BoostMetric(n_rounds=1).fit_triplets(X, triplets).components_
    xi = row / np.linalg.norm(row)

    def slope(v: Any) -> float:
        return float(margins(v[None], triplets).sum())

    for _ in range(200):
        v = random.normal(size=5)
        assert slope(v / np.linalg.norm(v)) <= slope(xi)
    best = np.exp(-margins(row[None], triplets)).sum()
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert np.exp(-margins(factor * row[None], triplets)).sum() > best


@pytest.mark.parametrize("positive", [True, False])
def test_ranking_weights_are_the_minimum(positive: bool) -> None:
    deltas = random.normal(size=(300, 6)) + np.array([1, 0.5, 0, 0, -0.5, -1])
    w, _ = order(deltas.astype(np.float32), 50.0, 500, positive=positive)

    def objective(w: Any) -> float:
        return 0.5 * sum(w**2) + 50 * float(np.mean([max(0.0, 1 - row @ w) ** 2 for row in deltas]))

    assert (w >= 0).all() == positive
    for j in range(6):
        for small in (-1e-2, 1e-2):
            other = w + small * (np.arange(6) == j)
            if not positive or other[j] >= 0:
                assert objective(other) > objective(w)


def test_ranksvm_weighs_what_tells() -> None:
    weights = RankSVM().fit(X, Y).weights_
    assert weights[:2].min() > weights[2:].max()
    np.testing.assert_allclose(np.diag(RankSVM().fit(X, Y).get_mahalanobis_matrix()), weights, rtol=1e-12)


def test_ranksvm_says_when_no_feature_helps() -> None:
    """Each example has its one friend far off, and a stranger near."""
    x = np.array([[0.0], [10.0], [0.1], [10.1]])
    with pytest.warns(UserWarning, match="no feature helps"):
        learner = RankSVM(n_neighbors=1).fit(x, [0, 0, 1, 1])
    assert not learner.weights_.any()


def test_signed_ranker_orders_candidates_anew() -> None:
    learner = SignedRankSVM().fit(X, Y)
    candidates = np.stack([random.permutation(60)[:10] for _ in range(60)])
    found = learner.rerank(X, X, candidates)
    for query in range(60):
        values = [np.abs(X[query] - X[row]) @ learner.weights_ for row in candidates[query]]
        np.testing.assert_array_equal(found[query], candidates[query][np.argsort(values, kind="stable")])
    firsts = (Y[found[:, :3]] == Y[:, None]).mean(), (Y[candidates[:, :3]] == Y[:, None]).mean()
    assert firsts[0] > firsts[1] + 0.3
    np.testing.assert_array_equal(learner.rerank(X[:1], X, [[-1, 3, -1]]), [[3, -1, -1]])
    for wrong in ([[60]], [[-2]], [[0.5]], [[0], [1]]):
        with pytest.raises(ValueError, match="candidates"):
            learner.rerank(X[:1], X, wrong)


def test_boosted_similarity_takes_the_best_threshold() -> None:
    """Of all features and thresholds; and its weight is AdaBoost's."""
    pairs, same = every_pair(Y)
    learner = BoostedSimilarity(n_rounds=1, n_thresholds=1000).fit_pairs(X, pairs, same)
    weights, kind = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum()), np.where(same, 1, -1)
    best = -1.0
    for column in X.T:
        for threshold in column:
            side = column <= threshold
            agrees = np.where(side[pairs[:, 0]] == side[pairs[:, 1]], 1, -1)
            best = max(best, float((weights * kind * agrees).sum()))
    assert learner.alphas_[0] == pytest.approx(0.5 * np.log((1 + best) / (1 - best)), rel=1e-9)


def test_boosted_similarity_falls_round_by_round() -> None:
    pairs, same = every_pair(Y)
    kind, start = np.where(same, 1, -1), np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    z = BoostedSimilarity(n_rounds=40).fit_pairs(X, pairs, same).transform(X)
    values = [1.0]
    for rounds in range(1, z.shape[1] + 1):
        inner = (z[pairs[:, 0], :rounds] * z[pairs[:, 1], :rounds]).sum(axis=1)
        values.append(float((start * np.exp(-kind * inner)).sum()))
    assert (np.diff(values) < 0).all()
    assert np.ptp((z**2).sum(axis=1)) < 1e-9


def test_adam_and_lbfgs_find_the_minimum_of_a_bowl() -> None:
    bowl, goal = np.diag([1.0, 10.0, 100.0]), np.array([[1.0, -2.0, 3.0]])
    found, steps = lbfgs(
        lambda at: (float(((at - goal) @ bowl * (at - goal)).sum()), 2 * (at - goal) @ bowl), 0 * goal, steps=50
    )
    np.testing.assert_allclose(found, goal, atol=1e-3)
    assert 1 <= steps <= 50
    adam = Adam(0 * goal, steps=400, rate=0.1)
    for _ in range(400):
        adam.step(2 * (adam.at - goal) @ bowl)
    np.testing.assert_allclose(adam.at, goal, atol=0.05)
