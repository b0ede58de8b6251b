"""The same strangers before galleries of growing size: more subjects are more to be mistaken for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.errors import CalibrationError
from semelha.evaluation.open_set import GallerySize, Spread
from semelha.measures import open_set
from semelha.measures.among import Among
from semelha.measures.subjects import Near, to_subjects
from semelha.metrics import Metric
from semelha.recognition import full_conformal

GALLERIES = 8  # drawn of each size
SIZES = 5
SMALLEST = 8  # subjects

Vectors = NDArray[np.floating[Any]]
Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Enrolled:
    """Who is who in an open set.

    Attributes
    ----------
    of_probe : (p,) int64
        Number of each probe's subject among the enrolled; −1 for none of them.
    of_picture : (e,) int64
        Of each enrolled picture.
    stranger, mated : (p,) bool
        A probe that may match no picture of its subject is neither.
    """

    of_probe: Places
    of_picture: Places
    stranger: NDArray[np.bool_]
    mated: NDArray[np.bool_]


def measure_sizes(
    probes: Vectors,
    pictures: Vectors,
    own: Vectors,
    enrolled: Enrolled,
    *,
    metric: Metric,
    groups: tuple[NDArray[Any] | None, NDArray[Any] | None],
    fpir: float,
    seed: int,
) -> tuple[GallerySize, ...]:
    """FNIR at FPIR, and what the calibrated rule achieves, in galleries that double in size.

    Each of some orders of the subjects, drawn by chance, gives one gallery of each size: its first so many. Everybody
    is compared once with all of them.

    Parameters
    ----------
    probes, pictures : (p, d), (e, d)
    own : (subjects, d)
        One enrolled picture of each, on which the rule is calibrated.
    enrolled : Enrolled
    metric : Metric
    groups : (p,) and (e,), or None
        Probes and pictures of one group never match.
    fpir : float
    seed : int
    """
    subjects = len(own)
    sizes = sorted({subjects >> step for step in range(SIZES) if subjects >> step >= SMALLEST} | {subjects})
    random = np.random.default_rng([seed, 1])
    orders = np.stack([random.permutation(subjects) for _ in range(GALLERIES)])
    among = Among.of(probes, enrolled.of_probe, pictures, enrolled.of_picture, *groups)
    distances, nearest = _in_each(probes, among, enrolled, orders, sizes, metric, itself=False)
    others = Among.of(own, np.arange(subjects), pictures, enrolled.of_picture, None, None)
    scores, _ = _in_each(own, others, enrolled, orders, sizes, metric, itself=True)
    found = []
    for place, size in enumerate(sizes):
        galleries = 1 if size == subjects else GALLERIES
        each = [
            _one(
                distances[number, place],
                nearest[number, place],
                scores[number, place],
                np.sort(orders[number, :size]),
                enrolled,
                fpir,
            )
            for number in range(galleries)
        ]
        found.append(GallerySize(size, galleries, *(_spread(values) for values in zip(*each, strict=True))))
    return tuple(found)


def _in_each(
    queries: Vectors,
    among: Among,
    enrolled: Enrolled,
    orders: Places,
    sizes: list[int],
    metric: Metric,
    *,
    itself: bool,
) -> tuple[NDArray[np.float64], Places]:
    """Distance to the nearest subject of each gallery, and which it is: (orders, sizes, n) each.

    With `itself` query i is not compared with subject i.
    """
    distances = np.full((len(orders), len(sizes), len(queries)), np.inf)
    nearest = np.full(distances.shape, -1)

    places_of = np.unique(among.labels, return_index=True)[1]  # a picture of each column's subject
    columns = np.argsort(enrolled.of_picture[places_of])

    def look(near: Near) -> None:
        subjects = near.subjects[:, columns]
        if itself:
            subjects[np.arange(len(near.rows)), near.rows] = np.inf
        for number, order in enumerate(orders):
            best, who = np.full(len(near.rows), np.inf), np.full(len(near.rows), -1)
            for place, (start, end) in enumerate(zip([0, *sizes], sizes, strict=False)):
                part = subjects[:, order[start:end]]
                first = part.argmin(axis=1)
                value = part[np.arange(len(part)), first]
                nearer = value < best
                best, who = np.where(nearer, value, best), np.where(nearer, order[start:end][first], who)
                distances[number, place, near.rows], nearest[number, place, near.rows] = best, who

    to_subjects(queries, among, look, metric=metric)
    return distances, nearest


def _one(
    distances: NDArray[np.float64],
    nearest: Places,
    scores: NDArray[np.float64],
    members: Places,
    enrolled: Enrolled,
    fpir: float,
) -> tuple[float | None, float | None, float | None]:
    """FNIR at FPIR, FPIR achieved and FNIR achieved in one gallery of some subjects."""
    mated = enrolled.mated & np.isin(enrolled.of_probe, members)
    right, stranger = nearest == enrolled.of_probe, enrolled.stranger
    hindsight = open_set(distances[mated], right[mated], distances[stranger], fpirs=(fpir,)).fnir_at_fpir[fpir]
    try:
        calibration = full_conformal(scores[members], fpir)
    except CalibrationError:
        return hindsight, None, None
    place = np.full(len(scores) + 1, -1)
    place[members] = np.arange(len(members))
    accepted = calibration.accepts(distances, place[nearest])  # the last place is that of nobody
    return (
        hindsight,
        float(accepted[stranger].mean()) if stranger.any() else None,
        float(1 - (accepted & right)[mated].mean()) if mated.any() else None,
    )


def _spread(values: tuple[float | None, ...]) -> Spread | None:
    """None where one of them is."""
    known = [value for value in values if value is not None]
    return Spread(float(np.mean(known)), min(known), max(known)) if len(known) == len(values) else None
