"""Is the probability right? What a gallery says of each answer, learned from the enrolled alone, beside what is so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.measures import Reliability, reliability
from semelha.measures.among import Among
from semelha.measures.subjects import Near, to_subjects
from semelha.metrics import Metric
from semelha.recognition import full_conformal

FEWEST = 20  # subjects with two enrolled pictures
EXAMPLES = 2  # of each subject, where the protocol does not say who is enrolled

Vectors = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Said:
    """What was said of every probe.

    Attributes
    ----------
    mated, strangers : (m,), (n,) float64
        The probability that the nearest subject is the right one, where half of the probes are strangers.
    right : (m,) bool
        It is.
    mated_subject, stranger_subject : (m,), (n,) int64
        Whom each shows, as numbers among all classes.
    """

    mated: Floats
    strangers: Floats
    right: NDArray[np.bool_]
    mated_subject: Places
    stranger_subject: Places


@dataclass(frozen=True, eq=False)
class Certainty:
    """Probabilities beside outcomes, the known and the strangers half of the weight each.

    Attributes
    ----------
    reliability : Reliability or None
        None where there is too little to measure it.
    said : Said or None
    note : str
        What it rests on, or why it is not measured.
    """

    reliability: Reliability | None
    said: Said | None
    note: str


def measure_certainty(
    vectors: Vectors,
    metric: Metric,
    classes: Places,
    groups: NDArray[Any] | None,
    subjects: Places,
    gallery: Places | None,
    probes: Places,
    seed: int,
) -> Certainty:
    """Enroll some classes, learn the probability from their enrolled pictures, and probe.

    Parameters
    ----------
    vectors : (n, d)
    metric : Metric
    classes : (n,) int64
    groups : (n,) or None
        A probe matches none of its group. A gallery knows no groups, and so they are nothing to what it learns.
    subjects : (s,) int64
        The classes that are known.
    gallery : (e,) int64 or None
        The pictures of these that are enrolled. Where not given two of each subject that has three or more, drawn by
        the seed; other pictures of subjects that have fewer are left out.
    probes : (p,) int64
    seed : int
        Draws, too, the picture by which each subject stands in for a stranger.
    """
    random = np.random.default_rng([seed, 7])
    known = np.isin(classes, subjects)
    places = random.permutation(np.flatnonzero(known) if gallery is None else gallery)
    turn = _turns(classes[places])
    if gallery is None:
        plenty = np.bincount(classes)[classes[places]] > EXAMPLES
        places, turn = places[plenty & (turn < EXAMPLES)], turn[plenty & (turn < EXAMPLES)]
    enough = int((turn == 1).sum())
    if enough < FEWEST:
        more = "three pictures or more" if gallery is None else "two enrolled pictures or more"
        return Certainty(None, None, f"{enough} known subjects have {more}, and {FEWEST} are needed")
    stand_in = np.flatnonzero(turn == 0)
    enrolled = vectors[places]
    # A stand-in is hidden from itself alone: each picture is a group.
    among = Among.of(
        enrolled[stand_in], classes[places][stand_in], enrolled, classes[places], stand_in, np.arange(len(places))
    )
    own, other = _own_and_other(enrolled[stand_in], among, metric)
    curve = full_conformal(other, 0.5, own=own).probability
    rest = np.setdiff1d(probes, places)
    rest = rest[~known[rest] | np.isin(classes[rest], classes[places])]
    grouped = (None, None) if groups is None else (groups[rest], groups[places])
    among = Among.of(vectors[rest], classes[rest], enrolled, classes[places], *grouped)
    own, other = _own_and_other(vectors[rest], among, metric)
    nearest = np.minimum(own, other)
    told = np.isfinite(nearest)
    mated, strangers = told & (among.relevant() > 0), told & ~known[rest]
    if curve is None:
        return Certainty(None, None, "nothing enrolled is at a finite distance from what it may be mistaken for")
    if not mated.any() or not strangers.any():
        missing = "strangers" if mated.any() else "known things"
        return Certainty(None, None, f"there are no probes of {missing} that may match")
    said = Said(
        mated=curve(nearest[mated]),
        strangers=curve(nearest[strangers]),
        right=own[mated] < other[mated],
        mated_subject=classes[rest][mated],
        stranger_subject=classes[rest][strangers],
    )
    how = " with two enrolled pictures or more"
    if gallery is None:
        how = ", two enrolled pictures of each, in a gallery of its own"
    note = (
        f"learned from {enough:,} subjects{how} ({curve.method}); "
        f"{len(said.mated):,} probes of known things and {len(said.strangers):,} of strangers, half of the weight each"
    )
    return Certainty(_reliability(said), said, note)


def _reliability(said: Said) -> Reliability:
    return reliability(
        np.concatenate([said.mated, said.strangers]),
        np.concatenate([said.right, np.zeros(len(said.strangers), bool)]),
        np.repeat([0.5 / len(said.mated), 0.5 / len(said.strangers)], [len(said.mated), len(said.strangers)]),
    )


def _turns(classes: Places) -> Places:
    """How many of its class come before each: (n,) → (n,)."""
    order = np.argsort(classes, kind="stable")
    _, starts, counts = np.unique(classes[order], return_index=True, return_counts=True)
    turns = np.empty(len(classes), np.int64)
    turns[order] = np.arange(len(classes)) - np.repeat(starts, counts)
    return turns


def _own_and_other(queries: Vectors, among: Among, metric: Metric) -> tuple[Floats, Floats]:
    """Distances of each query to its own subject and to the nearest other, infinite where there is none: (n,) each."""
    own, other = np.full(len(queries), np.inf), np.full(len(queries), np.inf)
    columns = np.unique(among.labels)

    def look(near: Near) -> None:
        label = among.label[near.rows]
        column = np.searchsorted(columns, label).clip(max=len(columns) - 1)
        there = columns[column] == label
        mine = np.flatnonzero(there), column[there]
        own[near.rows[there]] = near.subjects[mine]
        near.subjects[mine] = np.inf
        other[near.rows] = near.subjects.min(axis=1)

    to_subjects(queries, among, look, metric=metric)
    return own, other
