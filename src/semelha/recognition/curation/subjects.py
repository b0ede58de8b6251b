"""Subjects that seem to be one under two names, and subjects that seem to be two under one name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.curation.chance import chance_of_fault
from semelha.recognition.curation.enrolled import Enrolled, Rows

MOST = 128  # examples of a subject that are looked at
MADE = 2000  # subjects that are halved, and pairs that are joined, on purpose
CANDIDATES = 3  # other subjects that each is compared with


@dataclass(frozen=True, eq=False)
class Found:
    """Subjects, (found, 1 or 2), how likely each is a fault, and the rows of its two sides."""

    subjects: Rows
    chance: NDArray[np.float64]
    sides: list[tuple[Rows, Rows]]


def under_two_names(enrolled: Enrolled, seed: int) -> Found:
    """How likely two subjects are one.

    What is looked at is the mean distance between the two, by the mean distance within them. What one subject under two
    names looks like is seen where subjects are halved by chance.
    """
    random = np.random.default_rng(seed)
    several = [subject for subject, rows in enumerate(enrolled.rows_of) if len(rows) >= 4]
    halved = random.permutation(several)[:MADE] if several else np.empty(0, np.int64)
    made = []
    for subject in halved.tolist():
        rows = random.permutation(enrolled.rows_of[subject])[:MOST]
        made.append(_apart(enrolled, rows[: len(rows) // 2], rows[len(rows) // 2 :]))
    pairs = _candidates(enrolled)
    sides = [(_some(enrolled.rows_of[a], random), _some(enrolled.rows_of[b], random)) for a, b in pairs.tolist()]
    observed = np.array([_apart(enrolled, *two) for two in sides])
    return Found(pairs, chance_of_fault(-observed, -np.array(made)), sides)


def _candidates(enrolled: Enrolled) -> Rows:
    """Pairs of subjects with two examples or more, some of which are neighbors: (pairs, 2)."""
    owners = np.where(enrolled.neighbors >= 0, enrolled.subjects[enrolled.neighbors], -1)
    foreign = (owners >= 0) & (owners != enrolled.subjects[:, None])
    rows = np.flatnonzero(foreign.any(axis=1))
    if not len(rows):
        return np.empty((0, 2), np.int64)
    first = owners[rows, foreign[rows].argmax(axis=1)]  # the subject of the nearest example of another
    pairs, votes = np.unique(np.stack([enrolled.subjects[rows], first], axis=1), axis=0, return_counts=True)
    order = np.lexsort((-votes, pairs[:, 0]))
    pairs = pairs[order]
    starts = np.flatnonzero(np.append(True, pairs[1:, 0] != pairs[:-1, 0]))
    rank = np.arange(len(pairs)) - np.repeat(starts, np.diff(np.append(starts, len(pairs))))
    pairs = np.unique(np.sort(pairs[rank < CANDIDATES], axis=1), axis=0)
    chosen: Rows = pairs[(enrolled.sizes[pairs] >= 2).all(axis=1)]
    return chosen


def two_under_one_name(enrolled: Enrolled, seed: int) -> Found:
    """How likely a subject is two: it has two groups of two examples or more, far apart.

    What is looked at is the mean distance between its groups, by that within them. What two subjects under one
    name look like is seen where half of one and half of another, drawn by chance, are taken as one.
    """
    random = np.random.default_rng(seed)
    several = [subject for subject, rows in enumerate(enrolled.rows_of) if len(rows) >= 4]
    made = []
    if len(several) >= 2:
        for subject in random.permutation(several)[:MADE].tolist():
            other = int(random.choice([each for each in random.choice(several, 2, replace=False) if each != subject]))
            halves = [_half(enrolled.rows_of[each], random) for each in (subject, other)]
            joined = np.concatenate(halves)
            parted = _parted(enrolled, joined)
            if parted is not None:
                made.append(_apart(enrolled, *parted))
    subjects, sides = [], []
    for subject in several:
        parted = _parted(enrolled, _some(enrolled.rows_of[subject], random))
        if parted is not None:
            subjects.append([subject])
            sides.append(parted)
    observed = np.array([_apart(enrolled, *two) for two in sides])
    return Found(np.array(subjects, np.int64).reshape(-1, 1), chance_of_fault(observed, np.array(made)), sides)


def _parted(enrolled: Enrolled, rows: Rows) -> tuple[Rows, Rows] | None:
    """The two groups of two rows or more that average linkage joins last; None where there are no such."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    table = enrolled.table(rows, rows)
    table = (table + table.T) / 2
    np.fill_diagonal(table, 0)
    tree = linkage(squareform(table, checks=False), "average")
    members = [[row] for row in range(len(rows))]
    for a, b in tree[:, :2].astype(int).tolist():
        members.append(members[a] + members[b])
    for a, b in tree[::-1, :2].astype(int).tolist():
        if min(len(members[a]), len(members[b])) >= 2:
            return rows[members[a]], rows[members[b]]
    return None


def _apart(enrolled: Enrolled, a: Rows, b: Rows) -> float:
    """The logarithm of the mean distance between two groups, by the mean distance within them, weighed by pairs."""
    tiny = np.finfo(np.float64).tiny
    tables = [enrolled.table(group, group) for group in (a, b) if len(group) > 1]
    pairs = sum(len(table) * (len(table) - 1) for table in tables)
    within = sum(float(table.sum() - np.trace(table)) for table in tables) / max(pairs, 1)
    between = float(enrolled.table(a, b).mean())
    return float(np.log(max(between, tiny)) - np.log(max(within, tiny)))


def _half(rows: Rows, random: np.random.Generator) -> Rows:
    return random.permutation(rows)[: min(MOST, len(rows)) // 2]


def _some(rows: Rows, random: np.random.Generator) -> Rows:
    return rows if len(rows) <= MOST else np.sort(random.permutation(rows)[:MOST])
