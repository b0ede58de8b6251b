"""Figures of a method over all folds, with intervals by bootstrap over classes, and paired tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semelha.comparison.measure import Answers, Measurement, Strangers
from semelha.comparison.result import Difference, Figure
from semelha.comparison.study import SELECTION, Study
from semelha.measures.bootstrap import percentile_interval, resample_open_set, resample_weights, weighted_means

RESAMPLES = 2000
OPEN_SET_RESAMPLES = 400
FLIPS = 10_000
"""Random signs of a permutation test."""

Values = NDArray[np.float64]
Names = NDArray[np.str_]


def answered_values(study: Study, several: Sequence[Measurement], name: str = "hits") -> tuple[Values, Names]:
    """Hits or precisions on the test classes of the measured folds, and the class of each: (n,), (n,)."""
    parts, labels = [], []
    for one in several:
        assert one.test is not None
        known = np.array(one.test.hits) >= 0
        parts.append(np.array(getattr(one.test, name), float)[known])
        labels.append(study.pictures.labels[study.measured(one.fold)][known])
    return np.concatenate(parts), np.concatenate(labels)


def selection_values(study: Study, several: Sequence[Answers], name: str = "hits") -> tuple[Values, Names]:
    """Hits or precisions on the selection classes, means over what was learned in several folds, and their classes."""
    known = np.array(several[0].hits) >= 0
    values = np.mean([np.array(getattr(one, name), float) for one in several], axis=0)
    return values[known], study.pictures.labels[study.measured(SELECTION)][known]


def mean_figure(values: Values, labels: Names, *, seed: int, is_rate: bool = True) -> Figure:
    """The mean and its 95% interval."""
    names, subject = np.unique(labels, return_inverse=True)
    weights = resample_weights(len(names), RESAMPLES, np.random.default_rng([seed, 24]))
    point = float(values.mean())
    number = len(names) if is_rate else None
    interval = percentile_interval(weighted_means(values, subject, weights), point, subjects=number)
    return Figure(point, *(interval or (None, None)))


def open_set_figure(several: Sequence[Strangers | None], fpir: float, *, seed: int) -> Figure | None:
    """FNIR at FPIR, the mean over folds, each with its own threshold; None if a fold cannot measure it."""
    points, resampled = [], []
    for one in several:
        if one is None or one.fnir_at_fpir is None:
            return None
        mated, others = (np.unique(of, return_inverse=True)[1] for of in (one.mated_subject, one.non_mated_subject))
        random = np.random.default_rng([seed, 25])
        weights = tuple(resample_weights(int(of.max()) + 1, OPEN_SET_RESAMPLES, random) for of in (mated, others))
        found = resample_open_set(
            np.array(one.mated),
            np.array(one.correct, bool),
            mated,
            np.array(one.non_mated),
            others,
            (weights[0], weights[1]),
            (fpir,),
        )
        points.append(one.fnir_at_fpir)
        resampled.append(found.fnir_at_fpir[fpir])
    interval = percentile_interval(np.mean(resampled, axis=0), float(np.mean(points)))
    return Figure(float(np.mean(points)), *(interval or (None, None)))


def paired_difference(values: Values, best: Values, labels: Names, *, seed: int) -> Difference:
    """Of one method less the best, on the same pictures, (n,); p by random signs of each class, not corrected."""
    figure = mean_figure(values - best, labels, seed=seed, is_rate=False)
    names, subject = np.unique(labels, return_inverse=True)
    sums = np.bincount(subject, weights=values - best, minlength=len(names))
    signs = np.random.default_rng([seed, 26]).choice(np.array([-1.0, 1.0]), (FLIPS, len(names)))
    extreme = int((np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9).sum())
    return Difference(figure.value, figure.low, figure.high, (1 + extreme) / (1 + FLIPS))


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected for their number (Holm, Scandinavian Journal of Statistics 1979)."""
    order = np.argsort(p_values)
    raised = np.asarray(p_values)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(1, np.maximum.accumulate(raised))
    return [float(value) for value in corrected]
