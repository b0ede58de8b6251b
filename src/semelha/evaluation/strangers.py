"""The open set: some classes are enrolled, and the others are strangers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.errors import CalibrationError
from semelha.evaluation.measures import open_set, retrieval
from semelha.evaluation.result import OpenSetResult
from semelha.metrics import Metric
from semelha.recognition import full_conformal


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
    """Enroll some classes, probe with the other pictures of these and with pictures of the rest."""
    random = np.random.default_rng(seed)
    names, classes = np.unique(labels, return_inverse=True)
    subjects = np.sort(random.permutation(len(names))[: max(1, round(known * len(names)))])
    places = np.arange(len(labels)) if gallery is None else gallery
    places = places[np.isin(classes[places], subjects)]
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
    hindsight = open_set(distances[mated], right[mated], distances[stranger], fpirs=(fpir,))
    order = sorted(drawn)
    try:
        calibration = full_conformal(
            _own_nearest(vectors, metric, classes, groups, enrolled, [drawn[c] for c in order]), fpir
        )
    except CalibrationError as error:
        return OpenSetResult(hindsight, hindsight.fnir_at_fpir[fpir], fpir, None, None, len(order), str(error))
    place = np.full(len(names), -1)
    place[order] = np.arange(len(order))
    accepted = calibration.accepts(distances, np.where(nearest >= 0, place[classes[enrolled[nearest]]], -1))
    return OpenSetResult(
        hindsight,
        hindsight.fnir_at_fpir[fpir],
        fpir,
        float(accepted[stranger].mean()) if stranger.any() else None,
        float(1 - (accepted & right)[mated].mean()) if mated.any() else None,
        len(order),
        calibration.assumption,
    )


def _own_nearest(
    vectors: NDArray[np.float32],
    metric: Metric,
    classes: NDArray[np.int64],
    groups: NDArray[Any] | None,
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
