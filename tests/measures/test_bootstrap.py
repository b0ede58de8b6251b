"""The bootstrap by subject: a resampled figure equals that of a data set with repeated subjects."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.metrics import roc_auc_score, roc_curve

from semelha.measures import open_set, oscr, verification
from semelha.measures.bootstrap import (
    percentile_interval,
    resample_open_set,
    resample_pairs,
    resample_weights,
    weighted_means,
)
from semelha.measures.pairs import count_pairs, sample_pairs
from semelha.measures.verification import equal_error_rate
from semelha.metrics import Euclidean


def test_resamples_have_as_many_subjects() -> None:
    weights = resample_weights(30, 500, np.random.default_rng(0))
    assert (weights.sum(axis=1) == 30).all()
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.2)
    assert weights.var() == pytest.approx(1 - 1 / 30, abs=0.05)


def test_means_equal_those_of_repeated_subjects() -> None:
    random = np.random.default_rng(0)
    values, subject = random.random(50), random.permutation(np.arange(50) % 8)
    weights = resample_weights(8, 20, random)
    for draw, found in enumerate(weighted_means(values, subject, weights)):
        pictures = np.repeat(np.arange(50), weights[draw, subject].astype(int))
        assert found == pytest.approx(values[pictures].mean())


@pytest.mark.parametrize("digits", [9, 1])
def test_open_set_equals_that_of_repeated_subjects(digits: int) -> None:
    """Each subject's probes stand as often as it was drawn; rounded to one digit, many distances tie."""
    random = np.random.default_rng(1)
    mated, right = random.normal(0, 1, 60).round(digits), random.random(60) < 0.8
    strangers = random.normal(1, 1, 90).round(digits)
    of_mated, of_strangers = random.permutation(np.arange(60) % 12), random.permutation(np.arange(90) % 17)
    weights = resample_weights(12, 15, random), resample_weights(17, 15, random)
    drawn = resample_open_set(mated, right, of_mated, strangers, of_strangers, weights, (0.3, 0.1, 0.05))
    for draw in range(15):
        m = np.repeat(np.arange(60), weights[0][draw, of_mated].astype(int))
        s = np.repeat(np.arange(90), weights[1][draw, of_strangers].astype(int))
        expected = open_set(mated[m], right[m], strangers[s], fpirs=(0.3, 0.1, 0.05))
        for rate, fnir in expected.fnir_at_fpir.items():
            assert drawn.fnir_at_fpir[rate][draw] == pytest.approx(fnir)
        truth = np.arange(len(m) + len(s)) < len(m)
        scores = -np.concatenate([mated[m], strangers[s]])
        assert drawn.auroc[draw] == pytest.approx(roc_auc_score(truth, scores))
        assert drawn.oscr[draw] == pytest.approx(oscr(mated[m], right[m], strangers[s]).area)


def some_pairs(n: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(2)
    labels = np.arange(n) % classes
    return (random.normal(size=(n, 4)) + 1.5 * random.normal(size=(classes, 4))[labels]).astype(np.float32), labels


def test_pairs_are_weighted_by_both_subjects() -> None:
    """Two-way: equal to scikit-learn with the weight of every pair written out, where no pair is left undrawn."""
    vectors, labels = some_pairs(90, 15)
    counted = count_pairs(vectors, labels, metric=Euclidean(), groups=None)
    sample = sample_pairs(
        counted, vectors, labels, metric=Euclidean(), groups=None, random=np.random.default_rng(0), strata=1 << 16,
        pairs_per_stratum=1 << 20,
    )  # fmt: skip
    weights = resample_weights(15, 10, np.random.default_rng(3))
    drawn = resample_pairs(sample, weights, (0.1, 0.01))
    first, second = np.triu_indices(90, 1)
    same, distances = labels[first] == labels[second], pdist(vectors.astype(np.float64))
    for draw, weight in enumerate(weights):
        of_pair = np.where(same, weight[labels[first]], weight[labels[first]] * weight[labels[second]])
        far, tar, _ = roc_curve(same, -distances, sample_weight=of_pair, drop_intermediate=False)
        assert drawn.auc[draw] == pytest.approx(roc_auc_score(same, -distances, sample_weight=of_pair), abs=1e-4)
        assert drawn.eer[draw] == pytest.approx(equal_error_rate(far, tar), abs=2e-3)
        for rate in (0.1, 0.01):
            assert drawn.tar_at_far[rate][draw] == pytest.approx(np.interp(rate, far, tar), abs=5e-3)


def test_a_sample_of_pairs_is_enough() -> None:
    """Strata and a draw from each: hardly another answer than all pairs, and the figure itself where nothing is drawn
    anew."""
    vectors, labels = some_pairs(900, 60)
    counted = count_pairs(vectors, labels, metric=Euclidean(), groups=None)
    weights = np.concatenate([np.ones((1, 60), np.float32), resample_weights(60, 100, np.random.default_rng(4))])
    random = np.random.default_rng(0)
    samples = [
        sample_pairs(
            counted,
            vectors,
            labels,
            metric=Euclidean(),
            groups=None,
            random=random,
            strata=strata,
            pairs_per_stratum=each,
        )
        for strata, each in ((512, 512), (4096, 1 << 20))
    ]
    coarse, fine = (resample_pairs(sample, weights, (0.1, 0.01, 0.001)) for sample in samples)
    point = verification(vectors, labels, metric=Euclidean())
    assert coarse.auc[0] == pytest.approx(point.auc, abs=1e-4)
    assert coarse.eer[0] == pytest.approx(point.eer, abs=1e-3)
    assert coarse.tar_at_far[0.001][0] == pytest.approx(point.tar_at_far[0.001], abs=1e-3)
    for one, other in (
        (coarse.auc, fine.auc),
        (coarse.eer, fine.eer),
        (coarse.tar_at_far[0.01], fine.tar_at_far[0.01]),
    ):
        assert np.sqrt(np.mean((one - other) ** 2)) < 0.1 * np.std(other)


def test_the_interval_covers_the_truth_with_correlated_pictures() -> None:
    """Of 200 data sets of 60 subjects with 10 pictures each, hard or easy together, about 95% have the truth within;
    were pictures drawn and not subjects, far fewer would."""
    random = np.random.default_rng(5)
    subject, held, naive = np.repeat(np.arange(60), 10), 0, 0
    for _ in range(200):
        values = (random.random(600) < random.beta(2, 1, 60)[subject]).astype(float)
        point = float(values.mean())
        around = percentile_interval(weighted_means(values, subject, resample_weights(60, 300, random)), point)
        alone = percentile_interval(weighted_means(values, np.arange(600), resample_weights(600, 300, random)), point)
        assert around is not None
        assert alone is not None
        held += around.low <= 2 / 3 <= around.high
        naive += alone.low <= 2 / 3 <= alone.high
    assert 0.89 <= held / 200 <= 0.99
    assert naive / 200 < 0.85


def test_a_rate_of_zero_has_the_exact_bound() -> None:
    """No miss among 99 subjects: Clopper and Pearson."""
    none = percentile_interval(np.zeros(100), 0.0, subjects=99)
    every = percentile_interval(np.ones(100), 1.0, subjects=99)
    assert none == (0.0, pytest.approx(1 - 0.025 ** (1 / 99)))
    assert every == (pytest.approx(0.025 ** (1 / 99)), 1.0)


def test_no_interval_without_a_measured_figure() -> None:
    assert percentile_interval(np.linspace(0, 1, 100), None) is None
    assert percentile_interval(np.linspace(0, 1, 100), float("nan")) is None
    assert percentile_interval(np.full(100, np.nan), 0.5) is None
    assert percentile_interval(np.ones(100), 1.0) is None
    assert percentile_interval(np.array([np.nan, *np.linspace(0, 1, 99)]), 0.5) is not None
