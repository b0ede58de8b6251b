"""An interval for every figure: other subjects drawn, nothing searched again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.evaluation.certainty import Certainty
from semelha.evaluation.lfw import FoldPairs
from semelha.evaluation.open_set import OpenProbes, OpenSetResult
from semelha.measures import FoldAccuracy, Interval, Retrieval, Verification
from semelha.measures.bootstrap import (
    Draws,
    Weights,
    interval,
    means,
    multiplicities,
    open_set_draws,
    pair_draws,
)
from semelha.measures.pairs import PairSample
from semelha.measures.reliability import error_interval, gaps

Places = NDArray[np.int64]
Found = dict[str, Interval | None]


@dataclass(frozen=True, eq=False)
class Intervals:
    """95% intervals of a result's figures; None where a figure has none.

    Attributes
    ----------
    figures : dict of str to (Interval or None)
        By the names of `Result.to_json`.
    tar_at_far, fnir_at_fpirs : dict of float to (Interval or None)
    cmc : (2, ranks) float64
        Low and high of each rank.
    """

    figures: Found
    tar_at_far: dict[float, Interval | None]
    fnir_at_fpirs: dict[float, Interval | None]
    cmc: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """Low and high by the names of the figures."""
        return {
            **{name: _told(found) for name, found in self.figures.items()},
            "tar_at_far": {f"{rate:g}": _told(found) for rate, found in self.tar_at_far.items()},
            "fnir_at_fpirs": {f"{rate:g}": _told(found) for rate, found in self.fnir_at_fpirs.items()},
        }


def closed_set_intervals(
    found: Retrieval, spread: Retrieval, subjects: tuple[Places, Places], draws: int, seed: int
) -> Found:
    """Of R@k, R-precision and MAP@R; subjects are those of either's queries."""
    figures: Found = {}
    weights, subject, count = _weights(subjects[0], found.used, draws, seed)
    for k, value in found.r_at.items():
        within = (found.first[found.used] < k).astype(float)
        figures[f"r_at_{k}"] = interval(means(within, subject, weights), value, subjects=count)
    weights, subject, count = _weights(subjects[1], spread.used, draws, seed)
    for name, values, value in (
        ("r_precision", spread.precision, spread.r_precision),
        ("map_at_r", spread.average_precision, spread.map_at_r),
    ):
        figures[name] = interval(means(values[spread.used], subject, weights), value, subjects=count)
    return figures


def cmc_band(ranks: Places, subjects: Places, upto: int, draws: int, seed: int) -> NDArray[np.float64]:
    """Low and high of the CMC curve: (2, upto)."""
    counted = ranks > 0
    weights, subject, count = _weights(subjects, counted, draws, seed)
    band = np.full((2, upto), np.nan)
    if count:
        at = np.zeros((count, upto + 2))
        np.add.at(at, (subject, np.minimum(ranks[counted], upto + 1)), 1)
        within = np.cumsum(at, axis=1)  # (subjects, ranks): probes of rank k or better
        drawn = (weights @ within[:, 1 : upto + 1]) / (weights @ within[:, -1])[:, None]
        points = within.sum(axis=0)[1 : upto + 1] / counted.sum()
        for rank in range(upto):
            band[:, rank] = interval(drawn[:, rank], float(points[rank]), subjects=count) or points[rank]
    return band


def open_set_intervals(found: OpenSetResult, draws: int, seed: int) -> tuple[Found, dict[float, Interval | None]]:
    """Of the open set's figures, known subjects and strangers drawn apart; and of FNIR at each FPIR."""
    probes = found.probes
    everyone = np.ones(len(probes.mated), bool), np.ones(len(probes.strangers), bool)
    of_mated, mated_subject, known = _weights(probes.mated_subject, everyone[0], draws, seed)
    of_strangers, stranger_subject, unknown = _weights(probes.stranger_subject, everyone[1], draws, seed + 1)
    rates = found.hindsight.fnir_at_fpir
    if not known or not unknown:
        return {}, dict.fromkeys(rates)
    drawn = open_set_draws(
        probes.mated, probes.right, mated_subject, probes.strangers, stranger_subject,
        (of_mated, of_strangers), tuple(rates),
    )  # fmt: skip
    at = {rate: interval(drawn.fnir_at_fpir[rate], value, subjects=known) for rate, value in rates.items()}
    figures: Found = {
        "fnir_at_fpir": at[found.fpir_target],
        "oscr": interval(drawn.oscr, found.oscr.area),
        "auroc": interval(drawn.auroc, found.auroc),
        **_ruled(probes, found, (of_mated, mated_subject, known), (of_strangers, stranger_subject, unknown)),
    }
    return figures, at


def _ruled(
    probes: OpenProbes,
    found: OpenSetResult,
    of_mated: tuple[Weights, Places, int],
    strange: tuple[Weights, Places, int],
) -> Found:
    """Of what the calibrated rule achieved."""
    if probes.mated_accepted is None or probes.stranger_accepted is None:
        return {}
    missed, passed = ~(probes.mated_accepted & probes.right), probes.stranger_accepted
    weights, subject, known = of_mated
    of_strangers, stranger, unknown = strange
    return {
        "fnir_achieved": interval(means(missed, subject, weights), found.fnir_achieved, subjects=known),
        "fpir_achieved": interval(means(passed, stranger, of_strangers), found.fpir_achieved, subjects=unknown),
        "baks": interval(_balanced(~missed, subject, weights), found.balanced.baks, subjects=known),
        "baus": interval(_balanced(~passed, stranger, of_strangers), found.balanced.baus, subjects=unknown),
    }


def _balanced(right: NDArray[np.bool_], subject: Places, weights: Weights) -> Draws:
    """The mean over subjects of the part of each that is right, in each draw."""
    each = np.bincount(subject, right) / np.bincount(subject)
    return means(each, np.arange(len(each)), weights)


def certainty_intervals(found: Certainty, draws: int, seed: int) -> Found:
    """Of the expected calibration error and the Brier score, known subjects and strangers drawn apart."""
    if found.said is None or found.reliability is None:
        return {}
    said = found.said
    halves = (
        (said.mated, said.right, said.mated_subject, seed),
        (said.strangers, np.zeros(len(said.strangers), bool), said.stranger_subject, seed + 1),
    )
    moved, errors, at = [], [], []
    for probability, right, subjects, chance in halves:
        weights, subject, count = _weights(subjects, np.ones(len(subjects), bool), draws, chance)
        moved.append(gaps(probability, right, subject, weights))
        at.append(gaps(probability, right, subject, np.ones((1, count), np.float32))[0])
        errors.append(means((probability - right) ** 2, subject, weights))
    return {
        "ece": error_interval((moved[0] + moved[1]) / 2, (at[0] + at[1]) / 2),
        "brier": interval((errors[0] + errors[1]) / 2, found.reliability.brier),
    }


def pair_intervals(
    found: Verification, sample: PairSample, subjects: int, draws: int, seed: int
) -> tuple[Found, dict[float, Interval | None]]:
    """Of the equal error rate and the area under ROC; and of TAR at each FAR."""
    weights = multiplicities(subjects, draws, np.random.default_rng([seed, 4]))
    drawn = pair_draws(sample, weights, tuple(found.tar_at_far))
    at = {rate: interval(drawn.tar_at_far[rate], value, subjects=subjects) for rate, value in found.tar_at_far.items()}
    return {"eer": interval(drawn.eer, found.eer, subjects=subjects), "auc": interval(drawn.auc, found.auc)}, at


def fold_interval(found: FoldAccuracy, pairs: FoldPairs, subject: Places, draws: int, seed: int) -> Interval | None:
    """Of the accuracy in folds, with the thresholds as they are."""
    first, second = subject[pairs.first], subject[pairs.second]
    weights = multiplicities(int(subject.max()) + 1, draws, np.random.default_rng([seed, 5]))
    sums, folds = np.zeros(draws), np.unique(pairs.fold)
    for fold in folds:
        inside = pairs.fold == fold
        one, other = weights[:, first[inside]], weights[:, second[inside]]
        of_pair = np.where(pairs.same[inside], one, one * other)
        with np.errstate(invalid="ignore"):
            sums += (of_pair @ found.right[inside]) / of_pair.sum(axis=1)
    return interval(sums / len(folds), found.mean, subjects=int(subject.max()) + 1)


def _weights(subjects: Places, counted: NDArray[np.bool_], draws: int, seed: int) -> tuple[Weights, Places, int]:
    """Multiplicities of the subjects that have something counted, the number of each among these, and how many."""
    names, subject = np.unique(subjects[counted], return_inverse=True)
    return multiplicities(len(names), draws, np.random.default_rng([seed, 3])), subject, len(names)


def _told(found: Interval | None) -> list[float] | None:
    return None if found is None else [found.low, found.high]
