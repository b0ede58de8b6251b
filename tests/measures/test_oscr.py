"""OSCR and AUROC: equal to scikit-learn and to trying every threshold."""

import numpy as np
import pytest
from sklearn.metrics import det_curve, roc_auc_score, roc_curve

from semelha.measures import auroc, open_set, oscr


def drawn(seed: int, digits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(0, 1, 80).round(digits), random.random(80) < 0.8, random.normal(1, 1, 120).round(digits)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("digits", [9, 1])
def test_equal_to_trying_every_threshold(seed: int, digits: int) -> None:
    """Rounded to one digit, many distances tie."""
    mated, right, strangers = drawn(seed, digits)
    found = oscr(mated, right, strangers)
    points = {(float(np.mean(strangers <= t)), float(np.mean((mated <= t) & right))) for t in [*mated, *strangers]}
    np.testing.assert_allclose(
        sorted({(0.0, 0.0), *points}), sorted(set(zip(found.fpr.tolist(), found.ccr.tolist(), strict=True)))
    )
    pairs = (mated[:, None] < strangers) + 0.5 * (mated[:, None] == strangers)
    assert found.area == pytest.approx(float((pairs * right[:, None]).mean()))


@pytest.mark.parametrize("digits", [9, 1])
def test_auroc_equals_scikit_learn(digits: int) -> None:
    mated, _, strangers = drawn(0, digits)
    truth, scores = np.arange(200) < 80, -np.concatenate([mated, strangers])
    assert auroc(mated, strangers) == pytest.approx(roc_auc_score(truth, scores))


@pytest.mark.parametrize("digits", [9, 1])
def test_with_correct_names_the_open_set_equals_det_curve_of_scikit_learn(digits: int) -> None:
    """FNIR against FPIR is then false negatives against false positives of known against unknown."""
    mated, _, strangers = drawn(1, digits)
    found = open_set(mated, np.ones(80, bool), strangers)
    truth, scores = np.arange(200) < 80, -np.concatenate([mated, strangers])
    fpr, fnr, thresholds = det_curve(truth, scores)
    place = np.searchsorted(found.thresholds, -thresholds)
    np.testing.assert_allclose(found.thresholds[place], -thresholds)
    np.testing.assert_allclose(found.fpir[place], fpr)
    np.testing.assert_allclose(found.fnir[place], fnr, atol=1e-12)
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(found.fpir, fpr)
    np.testing.assert_allclose(found.tpir, tpr)


def test_the_area_is_at_most_closed_set_accuracy() -> None:
    mated, right, strangers = drawn(2, 9)
    assert oscr(mated, right, strangers + 100).area == pytest.approx(right.mean())
    assert oscr(mated, right, strangers - 100).area == 0


def test_without_probes_of_both_kinds_there_is_no_area() -> None:
    assert oscr(np.empty(0), np.empty(0, bool), np.ones(3)).area is None
    assert auroc(np.ones(3), np.empty(0)) is None
