"""Find subjects that may be one under two names, or two under one name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.curation.enrolled import EnrolledExamples, Rows
from semelha.recognition.curation.fault_probability import fault_probability

MAX_EXAMPLES = 128  # of a subject
SIMULATED = 2000  # halved subjects, and joined pairs
CANDIDATES = 3  # other subjects with which each is compared


@dataclass(frozen=True, eq=False)
class SubjectFindings:
    """Subjects (found, 1 or 2), the probability of a fault (found,), and the rows of the two groups of each."""

    subjects: Rows
    probability: NDArray[np.float64]
    sides: list[tuple[Rows, Rows]]


def merge_candidates(enrolled: EnrolledExamples, seed: int) -> SubjectFindings:
    """Estimate for pairs of near subjects the probability that they are one subject.

    The statistic is log(mean distance between the two / mean distance within them). One subject under two names is
    simulated by splitting subjects into random halves.
    """
    random = np.random.default_rng(seed)
    several = [subject for subject, rows in enumerate(enrolled.rows_of) if len(rows) >= 4]
    halved = random.permutation(several)[:SIMULATED] if several else np.empty(0, np.int64)
    simulated = []
    for subject in halved.tolist():
        rows = random.permutation(enrolled.rows_of[subject])[:MAX_EXAMPLES]
        simulated.append(_log_separation(enrolled, rows[: len(rows) // 2], rows[len(rows) // 2 :]))
    pairs = _candidates(enrolled)
    sides = [(_sample(enrolled.rows_of[a], random), _sample(enrolled.rows_of[b], random)) for a, b in pairs.tolist()]
    observed = np.array([_log_separation(enrolled, *two) for two in sides])
    return SubjectFindings(pairs, fault_probability(-observed, -np.array(simulated)), sides)


def _candidates(enrolled: EnrolledExamples) -> Rows:
    """Pairs of subjects with two or more examples, some of which are neighbors: (pairs, 2)."""
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


def split_candidates(enrolled: EnrolledExamples, seed: int) -> SubjectFindings:
    """Estimate for subjects of four or more examples the probability that they are two subjects.

    The statistic is log(mean distance between the two groups that average linkage joins last / mean distance within
    them). Two subjects under one name are simulated by joining half of one subject and half of another, at random.
    """
    random = np.random.default_rng(seed)
    several = [subject for subject, rows in enumerate(enrolled.rows_of) if len(rows) >= 4]
    simulated = []
    if len(several) >= 2:
        for subject in random.permutation(several)[:SIMULATED].tolist():
            other = int(random.choice([each for each in random.choice(several, 2, replace=False) if each != subject]))
            halves = [_half(enrolled.rows_of[each], random) for each in (subject, other)]
            joined = np.concatenate(halves)
            groups = _two_groups(enrolled, joined)
            if groups is not None:
                simulated.append(_log_separation(enrolled, *groups))
    subjects, sides = [], []
    for subject in several:
        groups = _two_groups(enrolled, _sample(enrolled.rows_of[subject], random))
        if groups is not None:
            subjects.append([subject])
            sides.append(groups)
    observed = np.array([_log_separation(enrolled, *two) for two in sides])
    return SubjectFindings(
        np.array(subjects, np.int64).reshape(-1, 1), fault_probability(observed, np.array(simulated)), sides
    )


def _two_groups(enrolled: EnrolledExamples, rows: Rows) -> tuple[Rows, Rows] | None:
    """The two groups of two or more rows that average linkage joins last, or None."""
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


def _log_separation(enrolled: EnrolledExamples, a: Rows, b: Rows) -> float:
    """log(mean distance between two groups / mean distance within them, weighted by pairs)."""
    tiny = np.finfo(np.float64).tiny
    tables = [enrolled.table(group, group) for group in (a, b) if len(group) > 1]
    pairs = sum(len(table) * (len(table) - 1) for table in tables)
    within = sum(float(table.sum() - np.trace(table)) for table in tables) / max(pairs, 1)
    between = float(enrolled.table(a, b).mean())
    return float(np.log(max(between, tiny)) - np.log(max(within, tiny)))


def _half(rows: Rows, random: np.random.Generator) -> Rows:
    return random.permutation(rows)[: min(MAX_EXAMPLES, len(rows)) // 2]


def _sample(rows: Rows, random: np.random.Generator) -> Rows:
    return rows if len(rows) <= MAX_EXAMPLES else np.sort(random.permutation(rows)[:MAX_EXAMPLES])
