"""Confidence intervals of an evaluation's figures, by bootstrap over subjects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semelha.evaluation.probability import ProbabilityCalibration
from semelha.evaluation.result import Intervals, OpenSetResult, Result
from semelha.measures import FoldAccuracy, Interval, Retrieval, Verification
from semelha.measures.bootstrap import (
    Values,
    Weights,
    percentile_interval,
    resample_open_set,
    resample_pairs,
    resample_weights,
    weighted_means,
)
from semelha.measures.pairs import PairSample
from semelha.measures.reliability import ece_interval, resample_gaps
from semelha.measures.verification import FoldPairs

Rows = NDArray[np.int64]
Figures = dict[str, Interval | None]
Rates = dict[float, Interval | None]


def compute_intervals(
    result: Result,
    ranks: Rows,
    probes: Rows,
    map_queries: Rows,
    subjects: Rows,
    pairs: PairSample,
    fold_pairs: FoldPairs | None,
    resamples: int,
    seed: int,
) -> Intervals:
    """Compute the 95% interval of every figure of a result.

    `ranks` come from `subject_ranks`; `probes` and `map_queries` are the rows searched for `result.retrieval` and
    `result.map_retrieval`; `subjects`, (n,), numbers the subject of each picture from 0.
    """
    figures = _closed_set(
        result.retrieval, result.map_retrieval, subjects[probes], subjects[map_queries], resamples, seed
    )
    of_open_set, at_fpirs = _open_set(result.open_set, resamples, seed)
    of_pairs, at_fars = _verification(result.verification, pairs, int(subjects.max()) + 1, resamples, seed)
    figures |= of_open_set | _probability(result.open_set.probability, resamples, seed) | of_pairs
    figures["fold_accuracy"] = None
    if result.folds is not None and fold_pairs is not None:
        figures["fold_accuracy"] = _folds(result.folds, fold_pairs, subjects, resamples, seed)
    band = _cmc_band(ranks, subjects[probes], len(result.cmc), resamples, seed)
    return Intervals(figures, at_fars, at_fpirs, band)


def _closed_set(
    found: Retrieval, map_found: Retrieval, subjects: Rows, map_subjects: Rows, resamples: int, seed: int
) -> Figures:
    figures: Figures = {}
    weights, subject, count = _resample(subjects[found.has_match], resamples, seed)
    for k, value in found.r_at.items():
        hits = (found.first_ranks[found.has_match] < k).astype(float)
        figures[f"r_at_{k}"] = percentile_interval(weighted_means(hits, subject, weights), value, subjects=count)
    weights, subject, count = _resample(map_subjects[map_found.has_match], resamples, seed)
    for name, values, value in (
        ("r_precision", map_found.r_precisions, map_found.r_precision),
        ("map_at_r", map_found.average_precisions, map_found.map_at_r),
    ):
        means = weighted_means(values[map_found.has_match], subject, weights)
        figures[name] = percentile_interval(means, value, subjects=count)
    return figures


def _cmc_band(ranks: Rows, subjects: Rows, max_rank: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """Low and high of the CMC curve: (2, max_rank)."""
    counted = ranks > 0
    weights, subject, count = _resample(subjects[counted], resamples, seed)
    band = np.full((2, max_rank), np.nan)
    if count:
        histogram = np.zeros((count, max_rank + 2))
        np.add.at(histogram, (subject, np.minimum(ranks[counted], max_rank + 1)), 1)
        within = np.cumsum(histogram, axis=1)  # (subjects, ranks): probes of rank k or better
        curves = (weights @ within[:, 1 : max_rank + 1]) / (weights @ within[:, -1])[:, None]
        points = within.sum(axis=0)[1 : max_rank + 1] / counted.sum()
        for rank in range(max_rank):
            point = float(points[rank])
            band[:, rank] = percentile_interval(curves[:, rank], point, subjects=count) or point
    return band


def _open_set(found: OpenSetResult, resamples: int, seed: int) -> tuple[Figures, Rates]:
    """Enrolled and other subjects are resampled separately."""
    probes = found.probes
    weights, subject, count = _resample(probes.mated_subject, resamples, seed)
    other_weights, other_subject, other_count = _resample(probes.non_mated_subject, resamples, seed + 1)
    rates = found.hindsight.fnir_at_fpir
    if not count or not other_count:
        return {}, dict.fromkeys(rates)
    values = resample_open_set(
        probes.mated, probes.correct, subject, probes.non_mated, other_subject, (weights, other_weights), tuple(rates)
    )
    at = {rate: percentile_interval(values.fnir_at_fpir[rate], point, subjects=count) for rate, point in rates.items()}
    figures: Figures = {
        "fnir_at_fpir": at[found.fpir_target],
        "oscr": percentile_interval(values.oscr, found.oscr.area),
        "auroc": percentile_interval(values.auroc, found.auroc),
    }
    if probes.mated_accepted is not None and probes.non_mated_accepted is not None:
        named, accepted = probes.mated_accepted & probes.correct, probes.non_mated_accepted
        for name, means, point, number in (
            ("fnir_achieved", weighted_means(~named, subject, weights), found.fnir_achieved, count),
            ("fpir_achieved", weighted_means(accepted, other_subject, other_weights), found.fpir_achieved, other_count),
            ("baks", _subject_means(named, subject, weights), found.balanced.baks, count),
            ("baus", _subject_means(~accepted, other_subject, other_weights), found.balanced.baus, other_count),
        ):
            figures[name] = percentile_interval(means, point, subjects=number)
    return figures, at


def _subject_means(correct: NDArray[np.bool_], subject: Rows, weights: Weights) -> Values:
    """The mean over subjects of the fraction of each that is correct, in each resample."""
    fractions = np.bincount(subject, correct) / np.bincount(subject)
    return weighted_means(fractions, np.arange(len(fractions)), weights)


def _probability(found: ProbabilityCalibration, resamples: int, seed: int) -> Figures:
    """Of the expected calibration error and the Brier score; enrolled and other subjects are resampled separately."""
    if found.predictions is None or found.reliability is None:
        return {}
    predictions = found.predictions
    never = np.zeros(len(predictions.non_mated), bool)
    resampled, gaps, errors = [], [], []
    for probability, correct, subjects, half_seed in (
        (predictions.mated, predictions.correct, predictions.mated_subject, seed),
        (predictions.non_mated, never, predictions.non_mated_subject, seed + 1),
    ):
        weights, subject, count = _resample(subjects, resamples, half_seed)
        resampled.append(resample_gaps(probability, correct, subject, weights))
        gaps.append(resample_gaps(probability, correct, subject, np.ones((1, count), np.float32))[0])
        errors.append(weighted_means((probability - correct) ** 2, subject, weights))
    return {
        "ece": ece_interval((resampled[0] + resampled[1]) / 2, (gaps[0] + gaps[1]) / 2),
        "brier": percentile_interval((errors[0] + errors[1]) / 2, found.reliability.brier),
    }


def _verification(
    found: Verification, pairs: PairSample, subjects: int, resamples: int, seed: int
) -> tuple[Figures, Rates]:
    weights = resample_weights(subjects, resamples, np.random.default_rng([seed, 4]))
    values = resample_pairs(pairs, weights, tuple(found.tar_at_far))
    at = {
        rate: percentile_interval(values.tar_at_far[rate], point, subjects=subjects)
        for rate, point in found.tar_at_far.items()
    }
    eer = percentile_interval(values.eer, found.eer, subjects=subjects)
    return {"eer": eer, "auc": percentile_interval(values.auc, found.auc)}, at


def _folds(found: FoldAccuracy, pairs: FoldPairs, subject: Rows, resamples: int, seed: int) -> Interval | None:
    """Of the accuracy in folds, with fixed thresholds."""
    first, second = subject[pairs.first], subject[pairs.second]
    subjects = int(subject.max()) + 1
    weights = resample_weights(subjects, resamples, np.random.default_rng([seed, 5]))
    sums, folds = np.zeros(resamples), np.unique(pairs.fold)
    for fold in folds:
        inside = pairs.fold == fold
        of_first, of_second = weights[:, first[inside]], weights[:, second[inside]]
        of_pair = np.where(pairs.same[inside], of_first, of_first * of_second)
        with np.errstate(invalid="ignore"):
            sums += (of_pair @ found.correct[inside]) / of_pair.sum(axis=1)
    return percentile_interval(sums / len(folds), found.mean, subjects=subjects)


def _resample(subjects: Rows, resamples: int, seed: int) -> tuple[Weights, Rows, int]:
    """Resampled weights of the subjects of some probes, the subject of each probe from 0, and their number."""
    names, subject = np.unique(subjects, return_inverse=True)
    return resample_weights(len(names), resamples, np.random.default_rng([seed, 3])), subject, len(names)
