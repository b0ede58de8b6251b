"""The open set: some classes are enrolled, and the others are strangers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.errors import CalibrationError, DatasetError
from semelha.evaluation.certainty import measure_certainty
from semelha.evaluation.open_set import OpenProbes, OpenSetResult
from semelha.evaluation.sizes import Enrolled, measure_sizes
from semelha.measures import Balanced, auroc, balanced, open_set, oscr, retrieval
from semelha.metrics import Metric
from semelha.recognition import full_conformal

RATES = (0.1, 0.01, 0.001)


def measure_open_set(
    vectors: NDArray[np.float32],
    metric: Metric,
    labels: NDArray[np.str_],
    groups: NDArray[Any] | None,
    gallery: NDArray[np.int64] | None,
    probes: NDArray[np.int64],
    known: float,
    fpir: float,
    seed: int,
) -> OpenSetResult:
    """Enroll some classes, probe with the other pictures of these and with pictures of the rest.

    Raises `DatasetError` where none of the classes that are drawn has a picture to enroll.
    """
    random = np.random.default_rng(seed)
    names, classes = np.unique(labels, return_inverse=True)
    subjects = np.sort(random.permutation(len(names))[: max(1, round(known * len(names)))])
    places = np.arange(len(labels)) if gallery is None else gallery
    places = places[np.isin(classes[places], subjects)]
    if not len(places):
        raise DatasetError(
            f"none of the {len(subjects)} classes drawn to be known has an enrolled picture: enroll more classes, or "
            "choose another seed or a larger known part"
        )
    drawn = {int(classes[i]): int(i) for i in random.permutation(places)}  # one enrolled picture of each subject
    enrolled = np.array(sorted(drawn.values()), np.int64) if gallery is None else places
    rest = np.setdiff1d(probes, enrolled)
    found = retrieval(
        vectors[rest],
        labels[rest],
        vectors[enrolled],
        labels[enrolled],
        metric=metric,
        query_groups=None if groups is None else groups[rest],
        reference_groups=None if groups is None else groups[enrolled],
        ks=(1,),
    )
    nearest, distances = found.nearest[:, 0], found.distances[:, 0].astype(np.float64)
    stranger = ~np.isin(classes[rest], subjects)
    mated = found.used & ~stranger
    right = (nearest >= 0) & (classes[enrolled[nearest]] == classes[rest])
    order = sorted(drawn)
    place = np.full(len(names), -1)
    place[order] = np.arange(len(order))
    ruled = _ruled(
        vectors, metric, classes, enrolled, [drawn[c] for c in order], fpir,
        distances, np.where(nearest >= 0, place[classes[enrolled[nearest]]], -1),
    )  # fmt: skip
    accepted = ruled.accepted
    answered = np.where(stranger, ~accepted, accepted & right) if accepted is not None else None
    told = mated | stranger
    hindsight = open_set(distances[mated], right[mated], distances[stranger], fpirs=tuple({fpir, *RATES}))
    setup = Enrolled(place[classes[rest]], place[classes[enrolled]], stranger, mated)
    groups_of = (None, None) if groups is None else (groups[rest], groups[enrolled])
    own = vectors[[drawn[c] for c in order]]
    return OpenSetResult(
        hindsight=hindsight,
        fnir_at_fpir=hindsight.fnir_at_fpir[fpir],
        fpir_target=fpir,
        fpir_achieved=None if answered is None or not stranger.any() else float(1 - answered[stranger].mean()),
        fnir_achieved=None if answered is None or not mated.any() else float(1 - answered[mated].mean()),
        balanced=Balanced(None, None)
        if answered is None
        else balanced(classes[rest][told], answered[told], stranger[told]),
        oscr=oscr(distances[mated], right[mated], distances[stranger]),
        auroc=auroc(distances[mated], distances[stranger]),
        enrolled=len(order),
        sizes=measure_sizes(
            vectors[rest], vectors[enrolled], own, setup, metric=metric, groups=groups_of, fpir=fpir, seed=seed
        ),
        probes=OpenProbes(
            distances[mated],
            distances[stranger],
            right[mated],
            classes[rest][mated],
            classes[rest][stranger],
            None if accepted is None else accepted[mated],
            None if accepted is None else accepted[stranger],
        ),
        certainty=measure_certainty(
            vectors, metric, classes, groups, subjects, None if gallery is None else places, probes, seed
        ),
        note=ruled.note,
    )


@dataclass(frozen=True, eq=False)
class _Ruled:
    """What the calibrated rule said of each probe, None where there is no rule, and why or under which assumption."""

    accepted: NDArray[np.bool_] | None
    note: str


def _ruled(
    vectors: NDArray[np.float32],
    metric: Metric,
    classes: NDArray[np.int64],
    enrolled: NDArray[np.int64],
    drawn: list[int],
    fpir: float,
    distances: NDArray[np.float64],
    nearest: NDArray[np.int64],
) -> _Ruled:
    """The rule of the enrolled alone, applied to probes at `distances` from the `nearest` subject, (probes,) each."""
    try:
        calibration = full_conformal(_own_nearest(vectors, metric, classes, enrolled, drawn), fpir)
    except CalibrationError as error:
        return _Ruled(None, str(error))
    return _Ruled(calibration.accepts(distances, nearest), calibration.assumption)


def _own_nearest(
    vectors: NDArray[np.float32],
    metric: Metric,
    classes: NDArray[np.int64],
    enrolled: NDArray[np.int64],
    drawn: list[int],
) -> NDArray[np.float64]:
    """Distance of each drawn picture to the nearest enrolled one of another subject: neighbors within its own subject
    are struck out by letting each subject be a group."""
    found = retrieval(
        vectors[drawn],
        np.arange(len(drawn)),
        vectors[enrolled],
        np.full(len(enrolled), -1),
        metric=metric,
        query_groups=classes[drawn],
        reference_groups=classes[enrolled],
        ks=(1,),
    )
    return found.distances[:, 0].astype(np.float64)
