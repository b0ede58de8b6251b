"""Results of an evaluation: figures, curves, intervals, and their JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semelha.errors import PictureError
from semelha.evaluation.probability import ProbabilityCalibration
from semelha.evaluation.verdict import Estimate, Facts, judge
from semelha.html import thumbnail
from semelha.html.notebook import Tile, notebook_html
from semelha.images import Dataset
from semelha.language import Verdict, Words, words_in
from semelha.measures import Balanced, FoldAccuracy, Interval, OpenSet, Oscr, Retrieval, Verification

STANDARD_BASELINES = ("raw_pixels", "untrained")
MAX_WRONG = 4  # queries in a notebook
INSUFFICIENT_DATA = "insufficient data"
"""Shown for a figure that the data cannot measure; in JSON it is null."""


class MeanRange(NamedTuple):
    """Mean, lowest and highest value over several galleries."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class GallerySize:
    """Galleries of one size, their subjects drawn at random, with the same non-mated probes.

    A rate is None if the probes or the enrolled subjects are too few to measure it.
    """

    subjects: int  # enrolled in each gallery
    galleries: int
    fnir_at_fpir: MeanRange | None
    fpir_achieved: MeanRange | None  # with each gallery calibrated
    fnir_achieved: MeanRange | None

    def to_json(self) -> dict[str, Any]:
        """As numbers, dicts and None."""
        ranges = {name: getattr(self, name) for name in ("fnir_at_fpir", "fpir_achieved", "fnir_achieved")}
        values = {name: None if value is None else value._asdict() for name, value in ranges.items()}
        return {"subjects": self.subjects, "galleries": self.galleries, **values}


@dataclass(frozen=True, eq=False)
class OpenSetProbes:
    """Every probe of the open set."""

    mated: NDArray[np.float64]  # (m,) distance to the nearest subject
    non_mated: NDArray[np.float64]  # (n,)
    correct: NDArray[np.bool_]  # (m,) whether the nearest subject is the right one
    mated_subject: NDArray[np.int64]  # (m,) numbers among all classes
    non_mated_subject: NDArray[np.int64]  # (n,)
    mated_accepted: NDArray[np.bool_] | None  # (m,) by the calibrated rule; None without one
    non_mated_accepted: NDArray[np.bool_] | None  # (n,)


@dataclass(frozen=True, eq=False)
class OpenSetResult:
    """Open-set identification, with thresholds chosen with hindsight and with the calibrated rule.

    A figure is None if the probes or the enrolled subjects are too few to measure it.
    """

    hindsight: OpenSet  # at thresholds chosen on these very probes
    fnir_at_fpir: float | None  # at the target rate, with hindsight
    fpir_target: float
    fpir_achieved: float | None  # with the rule calibrated on the enrolled pictures
    fnir_achieved: float | None
    balanced: Balanced  # with the calibrated rule
    oscr: Oscr
    auroc: float | None  # mated against non-mated probes, over all thresholds
    enrolled: int  # number of enrolled subjects
    enrolled_pictures: int
    gallery_sizes: tuple[GallerySize, ...]  # smallest first; the last is the whole gallery
    probes: OpenSetProbes
    probability: ProbabilityCalibration  # without a gallery in the protocol: of a gallery with two pictures each
    note: str  # what the calibrated figures assume, or why they are not measured


@dataclass(frozen=True, eq=False)
class Intervals:
    """95% intervals of a result's figures; None for a figure without one."""

    figures: dict[str, Interval | None]  # by the names of `Result.to_json`
    tar_at_far: dict[float, Interval | None]
    fnir_at_fpirs: dict[float, Interval | None]
    cmc: NDArray[np.float64]  # (2, ranks): low and high

    def to_json(self) -> dict[str, Any]:
        """Low and high by the names of the figures."""

        def ends(interval: Interval | None) -> list[float] | None:
            return None if interval is None else list(interval)

        return {
            **{name: ends(interval) for name, interval in self.figures.items()},
            "tar_at_far": {f"{rate:g}": ends(interval) for rate, interval in self.tar_at_far.items()},
            "fnir_at_fpirs": {f"{rate:g}": ends(interval) for rate, interval in self.fnir_at_fpirs.items()},
        }


@dataclass(frozen=True, eq=False)
class Result:
    """The measures of one embedder."""

    retrieval: Retrieval
    map_retrieval: Retrieval  # the search that MAP@R and R-precision come from
    cmc: NDArray[np.float64]  # (ranks,) fraction of probes whose subject is among the k nearest subjects, k from 1
    verification: Verification
    folds: FoldAccuracy | None  # None if the subjects are too few for ten folds
    open_set: OpenSetResult
    intervals: Intervals | None  # None with `resamples=0`

    def to_json(self) -> dict[str, Any]:
        """The figures by name; None for figures that could not be measured."""
        open_set, reliability = self.open_set, self.open_set.probability.reliability
        values = {
            **{f"r_at_{k}": value for k, value in self.retrieval.r_at.items()},
            "r_precision": self.map_retrieval.r_precision,
            "map_at_r": self.map_retrieval.map_at_r,
            "cmc": [_finite(value) for value in self.cmc.tolist()],
            "fnir_at_fpir": open_set.fnir_at_fpir,
            "fnir_at_fpirs": {f"{rate:g}": value for rate, value in open_set.hindsight.fnir_at_fpir.items()},
            "fpir_target": open_set.fpir_target,
            "fpir_achieved": open_set.fpir_achieved,
            "fnir_achieved": open_set.fnir_achieved,
            "baks": open_set.balanced.baks,
            "baus": open_set.balanced.baus,
            "oscr": open_set.oscr.area,
            "auroc": open_set.auroc,
            "ece": None if reliability is None else reliability.ece,
            "brier": None if reliability is None else reliability.brier,
            "reliability": None if reliability is None else reliability.to_json(),
            "gallery_sizes": [size.to_json() for size in open_set.gallery_sizes],
            "tar_at_far": {f"{rate:g}": value for rate, value in self.verification.tar_at_far.items()},
            "eer": self.verification.eer,
            "auc": self.verification.auc,
            "fold_accuracy": None if self.folds is None else self.folds.mean,
            "intervals": {} if self.intervals is None else self.intervals.to_json(),
        }
        return {name: _finite(value) if isinstance(value, float) else value for name, value in values.items()}


def _estimate(value: float | None, interval: Interval | None) -> Estimate | None:
    """None for a figure that could not be measured."""
    if value is None or math.isnan(value):
        return None
    return Estimate(value, *(interval or (value, value)))


def _shown(value: float | None, words: Words) -> str:
    return words.t("insufficient") if value is None else words.rate(round(value, 3))


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of `evaluate`: a model and its baselines on one data set.

    Attributes
    ----------
    dataset : Dataset
        Without the pictures that cannot be decoded, which are in `dataset.skipped`.
    queries, references : (n,), (m,) int64
        Rows in the data set of the probes and of the pictures searched.
    notes : tuple of str
        How the figures were measured, and what to keep in mind.
    trained_classes : int
        Classes of the data set that the model was trained on.
    """

    dataset: Dataset
    queries: NDArray[np.int64]
    references: NDArray[np.int64]
    result: Result
    baselines: dict[str, Result] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    trained_classes: int = 0

    def verdict(self, language: str | None = None) -> Verdict:
        """Judge the figures in plain words, and choose the next step; `str` of it is one paragraph.

        The language is "en" or "pt-BR"; None is that of the locale. The rules are in docs/evaluation.md. Raises
        `UsageError` for another language.
        """
        return judge(self._facts(), words_in(language))

    def _facts(self) -> Facts:
        found, intervals = self.result.open_set, self.result.intervals
        figures = {} if intervals is None else intervals.figures
        is_calibrated = found.fpir_achieved is not None
        missed = "fnir_achieved" if is_calibrated else "fnir_at_fpir"
        at_fpirs = {} if intervals is None else intervals.fnir_at_fpirs
        looser = {
            rate: estimate
            for rate, value in sorted(found.hindsight.fnir_at_fpir.items())
            if rate > found.fpir_target and (estimate := _estimate(value, at_fpirs.get(rate))) is not None
        }
        return Facts(
            right=_estimate(self.result.retrieval.r_at.get(1), figures.get("r_at_1")),
            target=found.fpir_target,
            missed=_estimate(getattr(found, missed), figures.get(missed)),
            named=_estimate(found.fpir_achieved, figures.get("fpir_achieved")),
            looser=tuple(looser.items()),
            has_intervals=intervals is not None,
            pictures=len(self.dataset),
            subjects=len(self.dataset.classes),
            enrolled=found.enrolled,
            enrolled_pictures=found.enrolled_pictures,
            mated=found.hindsight.mated,
            non_mated=found.hindsight.non_mated,
            trained=self.trained_classes,
        )

    def _repr_html_(self) -> str:
        """For notebooks: the verdict, the main figures, and some queries whose nearest picture is of another class."""
        words, columns = words_in(None), ("r_at_1", "map_at_r", "fnir_at_fpir")
        target = words.rate(self.result.open_set.fpir_target)
        rows: list[Sequence[str]] = [("", "R@1", "MAP@R", words.t("tile.fnir", rate=target))]
        for name, result in {words.t("baseline.model"): self.result, **self.baselines}.items():
            figures = result.to_json()
            rows.append((name.replace("_", " "), *(_shown(figures[key], words) for key in columns)))
        verdict = self.verdict(words.language)
        lines = (verdict.result, *verdict.steps, verdict.basis)
        return notebook_html(self.dataset.name, lines, table=rows, tiles=self._wrong_tiles())

    def _wrong_tiles(self) -> list[Tile]:
        found, labels, pictures = self.result.retrieval, self.dataset.labels, self.dataset.pictures
        nearest = self.references[np.maximum(found.nearest[:, 0], 0)]
        wrong = np.flatnonzero(found.has_match & (labels[nearest] != labels[self.queries]))
        tiles: list[Tile] = []
        for query in wrong[np.argsort(found.distances[wrong, 0], kind="stable")][:MAX_WRONG].tolist():
            for number, mark in ((int(self.queries[query]), "?"), (int(nearest[query]), "✗")):
                try:
                    url = thumbnail(pictures[number])
                except PictureError:
                    url = None
                tiles.append((url, (f"{mark} {pictures[number].label}", pictures[number].name)))
        return tiles

    def to_json(self) -> dict[str, Any]:
        """The figures of the model, those of each baseline under its name, counts, notes and seconds.

        A standard baseline that was not measured is None.
        """
        return {
            **self.result.to_json(),
            **dict.fromkeys(STANDARD_BASELINES),
            **{name: result.to_json() for name, result in self.baselines.items()},
            "pictures": len(self.dataset),
            "classes": len(self.dataset.classes),
            "skipped": len(self.dataset.skipped),
            "probes": len(self.queries),
            "enrolled_pictures": len(self.references),
            "notes": list(self.notes),
            "seconds": round(self.seconds, 2),
        }
