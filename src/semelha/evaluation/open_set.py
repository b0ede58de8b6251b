"""The open-set protocol: some classes are enrolled; probes of the others are non-mated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.errors import CalibrationError, DatasetError
from semelha.evaluation.gallery_sizes import OpenSetRoles, measure_gallery_sizes
from semelha.evaluation.probability import measure_probability
from semelha.evaluation.protocol import take
from semelha.evaluation.result import OpenSetProbes, OpenSetResult
from semelha.measures import Balanced, auroc, balanced, open_set, oscr, retrieval
from semelha.metrics import Metric
from semelha.recognition import full_conformal

FPIRS = (0.1, 0.01, 0.001)

Rows = NDArray[np.int64]


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

    Parameters
    ----------
    vectors, labels : (n, d), (n,)
    metric : Metric
    groups : (n,) or None
        Pictures of one group never match.
    gallery : (e,) int64 or None
        Rows of the pictures to enroll if their class is; None: a random picture of each enrolled class.
    probes : (p,) int64
    enrolled_fraction, fpir : float
    seed : int

    Raises
    ------
    DatasetError
        None of the classes drawn has a picture to enroll.
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
    try:
        calibration = full_conformal(_nearest_other_subject(vectors, metric, classes, enrolled, own), fpir)
    except CalibrationError as error:
        note = str(error)
    else:
        note = calibration.assumption
        accepted = calibration.accepts(distances, nearest_subject)
    achieved: tuple[float | None, float | None] = (None, None)
    balance = Balanced(None, None)
    if accepted is not None:
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
