"""The open-set protocol: some classes are enrolled; probes of the others are non-mated.

Error rates are measured in the whole gallery, and in random galleries of growing size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.errors import CalibrationError, DatasetError
from semelha.evaluation.probability import measure_probability
from semelha.evaluation.protocol import take
from semelha.evaluation.result import GallerySize, MeanRange, OpenSetProbes, OpenSetResult
from semelha.measures import Balanced, auroc, balanced, open_set, oscr, retrieval
from semelha.measures.search import SearchTask, SubjectDistances, search_subjects
from semelha.metrics import Metric
from semelha.recognition import full_conformal

FPIRS = (0.1, 0.01, 0.001)
GALLERIES = 8  # of each size
SIZES = 5
MIN_SUBJECTS = 8

Vectors = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OpenSetRoles:
    """The subjects of an open set's probes and enrolled pictures, numbered among the enrolled."""

    probe_subjects: Rows  # (p,), −1 for a subject that is not enrolled
    picture_subjects: Rows  # (e,)
    mated: NDArray[np.bool_]  # (p,), a probe of an enrolled subject that may match none of its pictures is neither
    non_mated: NDArray[np.bool_]  # (p,)


def measure_open_set(
    vectors: NDArray[np.float32],
    metric: Metric,
    labels: NDArray[np.str_],
    groups: NDArray[Any] | None,
    gallery: Rows | None,
    probes: Rows,
    enrolled_fraction: float,
    fpir: float,
    seed: int,
) -> OpenSetResult:
    """Enroll some classes at random; probe with their other pictures and with pictures of the other classes.

    Of the enrolled classes, the pictures in rows `gallery` are enrolled, or one random picture of each. Raises
    `DatasetError` if none of the classes drawn has a picture to enroll.
    """
    random = np.random.default_rng(seed)
    names, classes = np.unique(labels, return_inverse=True)
    subjects = np.sort(random.permutation(len(names))[: max(1, round(enrolled_fraction * len(names)))])
    rows = np.arange(len(labels)) if gallery is None else gallery
    rows = rows[np.isin(classes[rows], subjects)]
    if not len(rows):
        raise DatasetError(
            f"none of the {len(subjects)} classes drawn for enrollment has an enrolled picture: enroll more classes, "
            "or choose another seed or a larger enrolled_fraction"
        )
    picture_of = {int(classes[row]): int(row) for row in random.permutation(rows)}  # one of each subject
    own = np.array([picture_of[subject] for subject in sorted(picture_of)], np.int64)
    enrolled = np.sort(own) if gallery is None else rows
    rest = np.setdiff1d(probes, enrolled)
    rest_groups, enrolled_groups = take(groups, rest), take(groups, enrolled)
    found = retrieval(
        vectors[rest],
        labels[rest],
        vectors[enrolled],
        labels[enrolled],
        metric=metric,
        query_groups=rest_groups,
        reference_groups=enrolled_groups,
        ks=(1,),
    )
    nearest, distances = found.nearest[:, 0], found.distances[:, 0].astype(np.float64)
    non_mated = ~np.isin(classes[rest], subjects)
    mated = found.has_match & ~non_mated
    correct = (nearest >= 0) & (classes[enrolled[nearest]] == classes[rest])
    number_of = np.full(len(names), -1)
    number_of[sorted(picture_of)] = np.arange(len(own))
    nearest_subject = np.where(nearest >= 0, number_of[classes[enrolled[nearest]]], -1)
    accepted: NDArray[np.bool_] | None = None
    achieved: tuple[float | None, float | None] = (None, None)
    balance = Balanced(None, None)
    try:
        calibration = full_conformal(_nearest_other_subject(vectors, metric, classes, enrolled, own), fpir)
    except CalibrationError as error:
        note = str(error)
    else:
        note = calibration.assumption
        accepted = calibration.accepts(distances, nearest_subject)
        answered = np.where(non_mated, ~accepted, accepted & correct)
        achieved = _error_rate(answered[non_mated]), _error_rate(answered[mated])
        counted = mated | non_mated
        balance = balanced(classes[rest][counted], answered[counted], non_mated[counted])
    hindsight = open_set(distances[mated], correct[mated], distances[non_mated], fpirs=tuple({fpir, *FPIRS}))
    roles = OpenSetRoles(number_of[classes[rest]], number_of[classes[enrolled]], mated, non_mated)
    return OpenSetResult(
        hindsight=hindsight,
        fnir_at_fpir=hindsight.fnir_at_fpir[fpir],
        fpir_target=fpir,
        fpir_achieved=achieved[0],
        fnir_achieved=achieved[1],
        balanced=balance,
        oscr=oscr(distances[mated], correct[mated], distances[non_mated]),
        auroc=auroc(distances[mated], distances[non_mated]),
        enrolled=len(own),
        enrolled_pictures=len(enrolled),
        gallery_sizes=measure_gallery_sizes(
            vectors[rest],
            vectors[enrolled],
            vectors[own],
            roles,
            metric=metric,
            groups=(rest_groups, enrolled_groups),
            fpir=fpir,
            seed=seed,
        ),
        probes=OpenSetProbes(
            distances[mated],
            distances[non_mated],
            correct[mated],
            classes[rest][mated],
            classes[rest][non_mated],
            take(accepted, mated),
            take(accepted, non_mated),
        ),
        probability=measure_probability(
            vectors, metric, classes, groups, subjects, None if gallery is None else rows, probes, seed
        ),
        note=note,
    )


def _error_rate(correct: NDArray[np.bool_]) -> float | None:
    return float(1 - correct.mean()) if len(correct) else None


def _nearest_other_subject(
    vectors: NDArray[np.float32], metric: Metric, classes: Rows, enrolled: Rows, own: Rows
) -> NDArray[np.float64]:
    """Distance of one picture of each subject to the nearest enrolled picture of another subject: (subjects,)."""
    found = retrieval(
        vectors[own],
        np.arange(len(own)),
        vectors[enrolled],
        np.full(len(enrolled), -1),
        metric=metric,
        query_groups=classes[own],  # each subject is a group, so that it does not match itself
        reference_groups=classes[enrolled],
        ks=(1,),
    )
    return found.distances[:, 0].astype(np.float64)


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

    The first subjects of each random order make one gallery of each size. Distances are computed once. Galleries are
    calibrated on `own`, one enrolled picture of each subject. Groups are those of probes and of pictures.
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
            _gallery_error_rates(distances[g, i], nearest[g, i], scores[g, i], np.sort(orders[g, :size]), roles, fpir)
            for g in range(galleries)
        ]
        found.append(GallerySize(size, galleries, *(_mean_range(values) for values in zip(*rates, strict=True))))
    return tuple(found)


def _nearest_in_galleries(
    queries: Vectors,
    task: SearchTask,
    picture_subjects: Rows,
    orders: Rows,
    sizes: list[int],
    metric: Metric,
    *,
    exclude_own: bool = False,
) -> tuple[Floats, Rows]:
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


def _gallery_error_rates(
    distances: Floats, nearest: Rows, scores: Floats, members: Rows, roles: OpenSetRoles, fpir: float
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
    return hindsight, _error_rate(~accepted[non_mated]), _error_rate((accepted & correct)[mated])


def _mean_range(values: tuple[float | None, ...]) -> MeanRange | None:
    """None if any value is None."""
    known = [value for value in values if value is not None]
    return MeanRange(float(np.mean(known)), min(known), max(known)) if len(known) == len(values) else None
