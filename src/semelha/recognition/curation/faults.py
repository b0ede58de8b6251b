"""Find wrong labels, near-duplicates and outliers among examples, and subjects to merge or split.

The probability of a fault is estimated from faults that are simulated where the fault is known to be absent, which
gives the density f₁ of a statistic among faults. The observed values are a mixture, f = (1 − π) f₀ + π f₁, and the
fraction of faults at a value is π f₁ / f: the complement of a local false discovery rate (Efron, Large-Scale Inference,
2010, chapter 5). Few observations do not show how far f₀ reaches, so the fraction is also bounded by a normal f₀ with
the median and median absolute deviation of the observations (the same, chapter 6). No threshold is set by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.curation.enrolled import N_NEAREST, EnrolledExamples, Rows

SIMULATED_LABELS = 4000
SIMULATED_SUBJECTS = 2000  # halved subjects, and joined pairs
DUPLICATE_RATIO = 10  # times nearer than usual, at which a pair has the score one half
TO_DEVIATION = 1.4826  # from the median absolute deviation to the standard deviation, under normality
MAX_EXAMPLES = 128  # of a subject
MAX_NEAR_SUBJECTS = 3  # other subjects with which each is compared
QUANTILES = np.arange(0.1, 0.55, 0.1)  # of the simulated faults, above which observations are counted
TOP = 0.2  # quantile of the simulated faults above which the probability is constant
MAD_EFFICIENCY = 0.37  # of the median absolute deviation, relative to the standard deviation, under normality


def mislabel_probabilities(enrolled: EnrolledExamples, seed: int) -> tuple[NDArray[np.float64], Rows]:
    """Estimate for each example the probability that it shows another subject, and which.

    The statistic is log(distance to its own subject / distance to the nearest other subject), each the mean over the
    nearest examples. Wrong labels are simulated: examples get the label of another subject, drawn at random.

    The probability (n,) of the only example of a subject is 0. The nearest other subject (n,) is −1 if none is among
    the neighbors.
    """
    others, far = enrolled.nearest_other_subject
    probability, own = np.zeros(len(enrolled)), enrolled.own_distance
    assessed = np.flatnonzero(np.isfinite(own) & np.isfinite(far))
    if not len(assessed) or len(enrolled.rows_of) < 2:
        return probability, others
    observed = _log_ratio(own[assessed], far[assessed])
    probability[assessed] = fault_probability(observed, _simulated_mislabels(enrolled, assessed, seed))
    probability[others < 0] = 0.0
    return probability, others


def _simulated_mislabels(enrolled: EnrolledExamples, assessed: Rows, seed: int) -> NDArray[np.float64]:
    """The statistic of examples under a wrong label: (simulated,)."""
    random, subjects = np.random.default_rng(seed), len(enrolled.rows_of)
    rows = random.permutation(assessed)[:SIMULATED_LABELS]
    wrong = (enrolled.subjects[rows] + random.integers(1, subjects, len(rows))) % subjects
    under_wrong = np.array(
        [enrolled.distance_to_subject(*pair) for pair in zip(rows.tolist(), wrong.tolist(), strict=True)]
    )
    _, far = enrolled.nearest_subject_except(rows, np.stack([enrolled.subjects[rows], wrong], axis=1))
    right = np.minimum(far, enrolled.own_distance[rows])  # its true subject is now another one, usually the nearest
    return _log_ratio(under_wrong, right)


def _log_ratio(own: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    tiny = np.finfo(np.float64).tiny
    return np.asarray(np.log(np.maximum(own, tiny)) - np.log(np.maximum(other, tiny)))


def near_duplicates(enrolled: EnrolledExamples) -> tuple[Rows, NDArray[np.float64]]:
    """Score pairs of examples of different subjects that are nearer than examples of one subject usually are.

    Returns each pair of rows once, the lower first, (pairs, 2), and its score (pairs,), w / (w + 10 d): d is their
    distance, w the usual one. One half if d is a tenth of w.
    """
    usual = _usual_distance(enrolled)
    others = np.where(enrolled.neighbors >= 0, enrolled.subjects[enrolled.neighbors], -1)
    foreign = (others >= 0) & (others != enrolled.subjects[:, None]) & (enrolled.distances <= usual)
    rows, places = np.nonzero(foreign)
    neighbors = enrolled.neighbors[rows, places]
    pairs = np.stack([np.minimum(rows, neighbors), np.maximum(rows, neighbors)], axis=1)
    pairs, once = np.unique(pairs, axis=0, return_index=True)
    distances = enrolled.distances[rows, places][once]
    score: NDArray[np.float64] = usual / (usual + DUPLICATE_RATIO * distances) if usual > 0 else np.ones(len(pairs))
    return pairs, score


def _usual_distance(enrolled: EnrolledExamples) -> float:
    """Median distance from an example to the nearest other one of its subject, or of any if no subject has two."""
    for found in (enrolled.nearest_own, enrolled.distances[:, :1]):
        finite = found[np.isfinite(found)]
        if len(finite):
            return float(np.median(finite))
    return 0.0


def outliers(enrolled: EnrolledExamples) -> NDArray[np.float64]:
    """Score how much farther each example is from all others than is usual: (n,) within [0, 1].

    The logarithm of the mean distance to its nearest examples of any subject (Ramaswamy, Rastogi & Shim, 2000) is
    standardized by median and median absolute deviation. The score is the probability that none of n normal draws is as
    large: at one half, every second gallery of this size would have such an example at random.
    """
    from scipy.special import log_ndtr

    near = enrolled.distances[:, :N_NEAREST]
    if not near.size or not np.isfinite(near).all():
        return np.zeros(len(enrolled))
    far = np.log(np.maximum(near.mean(axis=1), np.finfo(np.float64).tiny))
    middle = np.median(far)
    deviation = TO_DEVIATION * np.median(np.abs(far - middle))
    if not deviation > 0:
        return np.zeros(len(enrolled))
    return np.asarray(np.exp(len(far) * log_ndtr((far - middle) / deviation)))


@dataclass(frozen=True, eq=False)
class SubjectFindings:
    """Subjects (found, 1 or 2), the probability of a fault (found,), and the rows of the two groups of each."""

    subjects: Rows
    probability: NDArray[np.float64]
    groups: list[tuple[Rows, Rows]]


def merge_candidates(enrolled: EnrolledExamples, seed: int) -> SubjectFindings:
    """Estimate for pairs of near subjects the probability that they are one subject.

    The statistic is log(mean distance between the two / mean distance within them). One subject under two names is
    simulated by splitting subjects into random halves.
    """
    random = np.random.default_rng(seed)
    several = [subject for subject, rows in enumerate(enrolled.rows_of) if len(rows) >= 4]
    halved = random.permutation(several)[:SIMULATED_SUBJECTS] if several else np.empty(0, np.int64)
    simulated = []
    for subject in halved.tolist():
        rows = random.permutation(enrolled.rows_of[subject])[:MAX_EXAMPLES]
        simulated.append(_log_separation(enrolled, rows[: len(rows) // 2], rows[len(rows) // 2 :]))
    pairs = _candidates(enrolled)
    groups = [(_sample(enrolled.rows_of[a], random), _sample(enrolled.rows_of[b], random)) for a, b in pairs.tolist()]
    observed = np.array([_log_separation(enrolled, *two) for two in groups])
    return SubjectFindings(pairs, fault_probability(-observed, -np.array(simulated)), groups)


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
    pairs = np.unique(np.sort(pairs[rank < MAX_NEAR_SUBJECTS], axis=1), axis=0)
    return np.asarray(pairs[(enrolled.sizes[pairs] >= 2).all(axis=1)])


def split_candidates(enrolled: EnrolledExamples, seed: int) -> SubjectFindings:
    """Estimate for subjects of four or more examples the probability that they are two subjects.

    The statistic is log(mean distance between the two groups that average linkage joins last / mean distance within
    them). Two subjects under one name are simulated by joining half of one subject and half of another, at random.
    """
    random = np.random.default_rng(seed)
    several = [subject for subject, rows in enumerate(enrolled.rows_of) if len(rows) >= 4]
    simulated = []
    if len(several) >= 2:
        for subject in random.permutation(several)[:SIMULATED_SUBJECTS].tolist():
            other = int(random.choice([each for each in random.choice(several, 2, replace=False) if each != subject]))
            halves = [_half(enrolled.rows_of[each], random) for each in (subject, other)]
            joined = np.concatenate(halves)
            two = _two_groups(enrolled, joined)
            if two is not None:
                simulated.append(_log_separation(enrolled, *two))
    subjects, groups = [], []
    for subject in several:
        two = _two_groups(enrolled, _sample(enrolled.rows_of[subject], random))
        if two is not None:
            subjects.append([subject])
            groups.append(two)
    observed = np.array([_log_separation(enrolled, *each) for each in groups])
    return SubjectFindings(
        np.array(subjects, np.int64).reshape(-1, 1), fault_probability(observed, np.array(simulated)), groups
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


def fault_probability(observed: NDArray[np.float64], simulated: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate the probability that each observed value belongs to a fault.

    The statistic is larger if a fault is more likely; the probability (n,) does not decrease in it. f₁ / f comes from
    an isotonic regression that separates simulated (m,) from observed values (n,); π from the number of observed values
    above some quantiles of the simulated ones (after Storey, 2002), with one added so that few values do not prove that
    there are no faults. It is at most the complement of `regular_fraction`, so that few values do not prove that there
    are faults.
    """
    if not len(observed) or not len(simulated):
        return np.zeros(len(observed))
    from sklearn.isotonic import IsotonicRegression  # here, because it takes a second to import

    marks = np.concatenate([np.zeros(len(observed)), np.ones(len(simulated))])
    weights = np.concatenate([np.full(len(observed), 1 / len(observed)), np.full(len(simulated), 1 / len(simulated))])
    top = np.quantile(simulated, TOP)  # above it there are too few values to separate
    both = np.minimum(np.concatenate([observed, simulated]), top)
    fitted = IsotonicRegression(y_min=0, y_max=1).fit(both, marks, sample_weight=weights).predict(both)
    p_simulated = fitted[: len(observed)]
    with np.errstate(divide="ignore"):
        ratio = p_simulated / (1 - p_simulated)  # f₁ / f
    return np.asarray(np.minimum(fault_fraction(observed, simulated) * ratio, 1 - regular_fraction(observed)))


def regular_fraction(observed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate which fraction of the values at each observed value or above has no fault: (n,), never increasing in it.

    That is how many values without a fault are expected there, over how many there are, as a q-value (Storey, 2002).
    Values without a fault follow the predictive distribution of a normal sample, Student's t, with the median and the
    median absolute deviation of the observed values. One value is added above all others, and half of it counts as
    without a fault (Jeffreys): of k values far above the others, 1 / (2 k + 2).
    """
    from scipy.special import stdtr

    n, middle = len(observed), np.median(observed)
    scale = TO_DEVIATION * np.median(np.abs(observed - middle)) * np.sqrt(1 + 1 / n)
    values, inverse, counts = np.unique(observed, return_inverse=True, return_counts=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        standardized = np.where(values == middle, 0.0, (values - middle) / scale)
    expected = n * stdtr(max(1.0, MAD_EFFICIENCY * n), -standardized)
    above = counts[::-1].cumsum()[::-1]
    fraction = np.minimum.accumulate((expected + 0.5) / (above + 1))
    return np.asarray(np.minimum(1.0, fraction)[inverse])


def fault_fraction(observed: NDArray[np.float64], simulated: NDArray[np.float64]) -> float:
    """π: the largest fraction of faults that agrees with the number of observations above quantiles of `simulated`."""
    levels = np.quantile(simulated, QUANTILES)
    above = len(observed) - np.searchsorted(np.sort(observed), levels)
    return float(np.minimum(1.0, (above + 1) / (len(observed) * (1 - QUANTILES))).min())
