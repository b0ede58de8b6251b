"""Open-set error rates in galleries of growing size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.errors import CalibrationError
from semelha.evaluation.result import GallerySize, MeanRange
from semelha.measures import open_set
from semelha.measures.search import SearchTask, SubjectDistances, search_subjects
from semelha.metrics import Metric
from semelha.recognition import full_conformal

GALLERIES = 8  # of each size
SIZES = 5
MIN_SUBJECTS = 8

Vectors = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OpenSetRoles:
    """The subjects of an open set's probes and enrolled pictures.

    Attributes
    ----------
    probe_subjects : (p,) int64
        Number of each probe's subject among the enrolled; −1 if it is not enrolled.
    picture_subjects : (e,) int64
        Of each enrolled picture.
    mated, non_mated : (p,) bool
        A probe of an enrolled subject that may match none of its pictures is neither.
    """

    probe_subjects: Numbers
    picture_subjects: Numbers
    mated: NDArray[np.bool_]
    non_mated: NDArray[np.bool_]


def measure_gallery_sizes(
    probes: Vectors,
    pictures: Vectors,
    own: Vectors,
    roles: OpenSetRoles,
    *,
    metric: Metric,
    groups: tuple[NDArray[Any] | None, NDArray[Any] | None],
    fpir: float,
    seed: int,
) -> tuple[GallerySize, ...]:
    """Measure FNIR at FPIR, and the rates that calibration achieves, in random galleries that double in size.

    The first subjects of each random order make one gallery of each size. Distances are computed once.

    Parameters
    ----------
    probes, pictures : (p, d), (e, d)
    own : (subjects, d)
        One enrolled picture of each subject, to calibrate on.
    roles : OpenSetRoles
    metric : Metric
    groups : (p,) and (e,), or None
        Probes and pictures of one group never match.
    fpir : float
    seed : int
    """
    subjects = len(own)
    sizes = sorted({subjects >> step for step in range(SIZES) if subjects >> step >= MIN_SUBJECTS} | {subjects})
    random = np.random.default_rng([seed, 1])
    orders = np.stack([random.permutation(subjects) for _ in range(GALLERIES)])
    task = SearchTask.build(probes, roles.probe_subjects, pictures, roles.picture_subjects, *groups)
    distances, nearest = _nearest_in_galleries(probes, task, roles.picture_subjects, orders, sizes, metric)
    task = SearchTask.build(own, np.arange(subjects), pictures, roles.picture_subjects)
    scores, _ = _nearest_in_galleries(own, task, roles.picture_subjects, orders, sizes, metric, exclude_own=True)
    found = []
    for i, size in enumerate(sizes):
        galleries = 1 if size == subjects else GALLERIES
        rates = [
            _error_rates(distances[g, i], nearest[g, i], scores[g, i], np.sort(orders[g, :size]), roles, fpir)
            for g in range(galleries)
        ]
        found.append(GallerySize(size, galleries, *(_mean_range(values) for values in zip(*rates, strict=True))))
    return tuple(found)


def _nearest_in_galleries(
    queries: Vectors,
    task: SearchTask,
    picture_subjects: Numbers,
    orders: Numbers,
    sizes: list[int],
    metric: Metric,
    *,
    exclude_own: bool = False,
) -> tuple[Floats, Numbers]:
    """Distance and number of the nearest subject in each gallery: (orders, sizes, n) each.

    With `exclude_own`, query i is not compared with subject i.
    """
    distances = np.full((len(orders), len(sizes), len(queries)), np.inf)
    nearest = np.full(distances.shape, -1)
    first_pictures = np.unique(task.reference_labels, return_index=True)[1]
    columns = np.argsort(picture_subjects[first_pictures])  # of `SubjectDistances.subjects`, by subject number

    def visit(found: SubjectDistances) -> None:
        subjects = found.subjects[:, columns]
        if exclude_own:
            subjects[np.arange(len(found.rows)), found.rows] = np.inf
        for g, order in enumerate(orders):
            best, who = np.full(len(found.rows), np.inf), np.full(len(found.rows), -1)
            for i, (start, end) in enumerate(zip([0, *sizes], sizes, strict=False)):
                part = subjects[:, order[start:end]]
                first = part.argmin(axis=1)
                value = part[np.arange(len(part)), first]
                nearer = value < best
                best, who = np.where(nearer, value, best), np.where(nearer, order[start:end][first], who)
                distances[g, i, found.rows], nearest[g, i, found.rows] = best, who

    search_subjects(queries, task, visit, metric=metric)
    return distances, nearest


def _error_rates(
    distances: Floats, nearest: Numbers, scores: Floats, members: Numbers, roles: OpenSetRoles, fpir: float
) -> tuple[float | None, float | None, float | None]:
    """FNIR at FPIR with hindsight, FPIR achieved and FNIR achieved in one gallery."""
    mated, non_mated = roles.mated & np.isin(roles.probe_subjects, members), roles.non_mated
    correct = nearest == roles.probe_subjects
    hindsight = open_set(distances[mated], correct[mated], distances[non_mated], fpirs=(fpir,)).fnir_at_fpir[fpir]
    try:
        calibration = full_conformal(scores[members], fpir)
    except CalibrationError:
        return hindsight, None, None
    position = np.full(len(scores) + 1, -1)  # the last entry is for no subject, −1
    position[members] = np.arange(len(members))
    accepted = calibration.accepts(distances, position[nearest])
    return (
        hindsight,
        float(accepted[non_mated].mean()) if non_mated.any() else None,
        float(1 - (accepted & correct)[mated].mean()) if mated.any() else None,
    )


def _mean_range(values: tuple[float | None, ...]) -> MeanRange | None:
    """None if any value is None."""
    known = [value for value in values if value is not None]
    return MeanRange(float(np.mean(known)), min(known), max(known)) if len(known) == len(values) else None
