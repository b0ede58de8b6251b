"""The DET curve of a gallery: what each rate of false positives costs, by its own examples, each left out in turn."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from semelha.arguments import MAX_INT, check_int
from semelha.embedders import Model
from semelha.errors import CalibrationError, UsageError
from semelha.gallery.calibration.rule import Rule, plan_of, rule_of, scores_of
from semelha.gallery.calibration.scores import PROBE_BLOCK, unseen_in_training, vectors_of
from semelha.gallery.state import GalleryState
from semelha.index.checks import check_seed
from semelha.measures import Interval
from semelha.measures.bootstrap import percentile_interval, resample_weights
from semelha.recognition import Calibration
from semelha.recognition.calibration import SMALLEST, Kind, min_sample_size
from semelha.store import Plan, Scores, View

MAX_PROBES = 10_000
MAX_POINTS = 1000
RESAMPLES = 1000
RATES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)  # whose sample sizes are listed, and which are points if supported
LOOSEST = 0.999  # the rate of a plan that only serves to compute the scores

Probes = Literal["mated", "non_mated"]
PROBES: tuple[Probes, ...] = ("mated", "non_mated")


@dataclass(frozen=True)
class DetPoint:
    """What a rate of false positives costs.

    Attributes
    ----------
    fpir : float
        The share of strangers that is named at most.
    threshold : float
        About the score from which on a probe is unknown; infinite if no probe is.
    fnir : float or None
        The share of mated probes that is not named as their subject; None without mated probes.
    fnir_interval : Interval or None
        With 95% confidence, over subjects; None if it cannot be estimated.
    wrong : float or None
        The share of mated probes that is named as another subject, which `fnir` includes.
    """

    fpir: float
    threshold: float
    fnir: float | None
    fnir_interval: Interval | None
    wrong: float | None


@dataclass(frozen=True)
class RequiredSize:
    """How many subjects (or strangers, as the calibration's kind is) a rate needs, and how many of them are missing.

    `strangers` is how many pictures of strangers it needs instead.
    """

    fpir: float
    size: int
    missing: int
    strangers: int


@dataclass(frozen=True)
class DetCurve:
    """The result of `Gallery.det_curve`.

    Attributes
    ----------
    is_calibrated : bool
        Whether a rule is in force; if not, the curve is that of the rules that may be chosen.
    fpir : float or None
        The rate of the rule in force.
    kind : {"strangers", "subjects"}
    n : int
        Number of strangers or subjects on which the rates rest.
    weight : float
        The largest weight of these, 1 unless subjects are screened: then more subjects do not support a stricter rate,
        and pictures of strangers do.
    scoring : str
    probes : int
        Mated probes: examples that were compared with all others.
    subjects : int
        Subjects of the mated probes.
    points : tuple of DetPoint
        From the strictest rate on.
    required : tuple of RequiredSize
    note : str
        What was left out; "" if nothing was.
    """

    is_calibrated: bool
    fpir: float | None
    kind: Kind
    n: int
    weight: float
    scoring: str
    probes: int
    subjects: int
    points: tuple[DetPoint, ...]
    required: tuple[RequiredSize, ...]
    note: str


@dataclass(frozen=True)
class LeftOutAnswer:
    """The answer for an example that is left out: from the rate `fpir` on it is named as the subject `named`.

    A mated probe is compared with the other examples of its subject too; for a non-mated one they are left out as well,
    so that each name is wrong. `nearest` is the number of the example that it is nearest to.
    """

    example: int
    subject: str
    named: str
    nearest: int
    fpir: float
    has_picture: bool


@dataclass(frozen=True)
class ChangedAnswers:
    """A page of the answers that are different at two rates, by their rate, and the number of all."""

    answers: tuple[LeftOutAnswer, ...]
    total: int


@dataclass(frozen=True, eq=False)
class _LeftOut:
    """Examples that are left out, each with the lowest rate at which it is named."""

    examples: NDArray[np.int64]  # (m,)
    subjects: NDArray[np.int64]  # (m,)
    nearest: NDArray[np.int64]  # (m,), examples
    rates: NDArray[np.float64]  # (m,)
    is_right: NDArray[np.bool_]  # (m,)


@dataclass(frozen=True, eq=False)
class _Measured:
    calibration: Calibration
    is_calibrated: bool
    left_out: dict[Probes, _LeftOut]
    note: str


class DetCurves:
    """The left-out answers of a gallery, which are kept until it changes."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._known: tuple[tuple[int, ...], _Measured] | None = None

    def curve(self, state: GalleryState, *, max_points: int, max_probes: int, seed: int) -> DetCurve:
        """Compute the curve: see `Gallery.det_curve`."""
        check_int("max_points", max_points, 2, MAX_POINTS)
        found = self._measured(state, max_probes, seed)
        calibration, mated = found.calibration, found.left_out["mated"]
        return DetCurve(
            found.is_calibrated,
            calibration.fpir if found.is_calibrated else None,
            calibration.kind,
            calibration.n,
            calibration.largest_weight,
            calibration.scoring.name,
            len(mated.examples),
            len(np.unique(mated.subjects)),
            _points(calibration, mated, _rates(calibration, max_points), seed),
            tuple(_required(calibration, rate) for rate in RATES),
            found.note,
        )

    def changes(
        self,
        state: GalleryState,
        before: float,
        after: float,
        probes: str,
        *,
        offset: int,
        limit: int,
        max_probes: int,
        seed: int,
    ) -> ChangedAnswers:
        """List the answers that two rates decide differently: see `Gallery.changed_answers`."""
        check_int("offset", offset, 0, MAX_INT)
        check_int("limit", limit, 1, MAX_INT)
        if probes not in PROBES:
            raise UsageError(f"probes is {probes!r}: it must be one of {', '.join(PROBES)}")
        if not (0 <= before <= 1 and 0 <= after <= 1):
            raise UsageError(f"before is {before:g} and after {after:g}: both must lie between 0 and 1")
        left_out = self._measured(state, max_probes, seed).left_out[probes]
        low, high = sorted((before, after))
        rows = np.flatnonzero((left_out.rates > low) & (left_out.rates <= high))
        rows = rows[np.lexsort((left_out.examples[rows], left_out.rates[rows]))]
        page = rows[offset : offset + limit]
        owners = state.view.owners([*left_out.examples[page].tolist(), *left_out.nearest[page].tolist()])
        answers = []
        for row in page.tolist():
            example, nearest = int(left_out.examples[row]), int(left_out.nearest[row])
            stored = state.view.example(example)
            rate = float(left_out.rates[row])
            named = owners[nearest][0] if nearest in owners else ""
            answers.append(LeftOutAnswer(example, stored.subject, named, nearest, rate, stored.has_picture))
        return ChangedAnswers(tuple(answers), len(rows))

    def _measured(self, state: GalleryState, max_probes: int, seed: int) -> _Measured:
        check_int("max_probes", max_probes, 1, MAX_PROBES)
        check_seed(seed)
        scores = state.cached.scores
        key = (state.view.change, max_probes, seed, scores.change if scores is not None else -1)
        with self._lock:
            if self._known is None or self._known[0] != key:
                self._known = key, _measure(state, self._model, max_probes, seed)
            return self._known[1]


def _measure(state: GalleryState, model: Model, max_probes: int, seed: int) -> _Measured:
    view, plan = state.view, plan_of(state.view)
    is_calibrated = state.rule is not None and plan is not None
    if plan is None or not is_calibrated:
        plan = replace(plan or Plan("subjects", LOOSEST, 0), fpir=LOOSEST, uncertain=None)
    scores = state.cached.scores if state.cached.plan is not None else None
    if scores is None:
        scores = scores_of(view, state.index, model, plan, None)
    try:
        rule = rule_of(view, plan, scores)
    except CalibrationError:
        rows = np.empty((0, state.scoring.depth))
        nothing = Calibration(plan.kind, plan.fpir, rows)
        note = "a curve takes at least two subjects that the model was not trained on"
        return _Measured(nothing, False, dict.fromkeys(PROBES, _nothing()), note)
    state = replace(state, cached=replace(state.cached, rule=rule))
    mated, note = _mated(state, model, rule, max_probes, seed)
    left_out: dict[Probes, _LeftOut] = {"mated": mated, "non_mated": _non_mated(view, rule, scores)}
    return _Measured(rule.calibration, is_calibrated, left_out, note)


def _nothing() -> _LeftOut:
    numbers, rates = np.empty(0, np.int64), np.empty(0)
    return _LeftOut(numbers, numbers, numbers, rates, np.empty(0, bool))


def _mated(state: GalleryState, model: Model, rule: Rule, max_probes: int, seed: int) -> tuple[_LeftOut, str]:
    """Leave out the examples of subjects in a random order, and rank the subjects for each; also returns a note."""
    view, scoring = state.view, rule.calibration.scoring
    names = view.names()
    random = np.random.default_rng(seed)
    order: list[int] = random.permutation(np.array(sorted(names), np.int64)).tolist()
    probes: list[tuple[int, int, list[int]]] = []  # subject, example, the others of the subject
    while order and len(probes) < max_probes:
        number = order.pop()
        of_subject = unseen_in_training(view, model, {number: names[number]}).get(number, [])
        if len(of_subject) > 1:
            probes += [(number, one, [other for other in of_subject if other != one]) for one in of_subject]
    note = f"{min(len(probes), max_probes):,} examples, of subjects drawn at random" if order else ""
    probes = probes[:max_probes]
    if not probes:
        return _nothing(), note
    place, reach = rule.place, scoring.reach
    ranker = state.ranker()
    count = len(probes)
    distances, places = np.full((count, reach + 1), np.inf), np.full((count, reach + 1), -1)
    nearest, is_right = np.full(count, -1), np.zeros(count, bool)
    for start in range(0, count, PROBE_BLOCK):
        block = probes[start : start + PROBE_BLOCK]
        vectors = vectors_of(view, np.array([one for _, one, _ in block], np.int64))
        rankings = ranker.rank(vectors, reach, without=[names[number] for number, _, _ in block])
        for row, vector, (number, _, others), ranking in zip(
            range(start, start + len(block)), vectors, block, rankings, strict=True
        ):
            stored = vectors_of(view, np.array(others, np.int64))
            own = float(scoring.pool(state.metric, vector, [scoring.references(stored)])[0])
            is_right[row] = not ranking or own < ranking[0].distance
            if is_right[row]:
                to_own = state.metric.pairwise(vector[None].astype(np.float64), stored.astype(np.float64))[0]
                nearest[row] = others[int(to_own.argmin())]
            else:
                nearest[row] = ranking[0].examples[0].example
            pairs = [(own, place.get(names[number], -1))]
            pairs += [(one.distance, place.get(one.subject, -1)) for one in ranking]
            pairs.sort(key=lambda pair: pair[0])
            distances[row, : len(pairs)] = [distance for distance, _ in pairs]
            places[row, : len(pairs)] = [each for _, each in pairs]
    rates = rule.calibration.p_values(distances[:, :reach], places[:, :reach])
    subjects, examples = (np.array([one[column] for one in probes], np.int64) for column in (0, 1))
    return _LeftOut(examples, subjects, nearest, rates, is_right), note


def _non_mated(view: View, rule: Rule, scores: Scores) -> _LeftOut:
    """The subjects that calibrate, each the stranger of the others; nothing if pictures of strangers calibrate."""
    calibration = rule.calibration
    if calibration.kind != "subjects":
        return _nothing()
    names = view.names()
    rows = {
        rule.place[names[number]]: row
        for row, number in enumerate(scores.subjects.tolist())
        if names.get(number) in rule.place and scores.nearest[row] >= 0
    }
    at = np.array([rows[place] for place in range(calibration.n)], np.int64)
    order = np.argsort(calibration.scores, kind="stable")
    weights = np.ones(calibration.n) if calibration.weights is None else calibration.weights
    up_to = np.searchsorted(calibration.scores[order], calibration.scores, side="right")
    rates = np.concatenate([[0.0], np.cumsum(weights[order])])[up_to] / calibration.n
    known = view.subjects_of(scores.examples[at].tolist())  # scores that are stale may have examples that were removed
    kept = np.array([one in known for one in scores.examples[at].tolist()], bool)
    at, rates = at[kept], np.minimum(rates[kept], 1.0)
    return _LeftOut(scores.examples[at], scores.subjects[at], scores.nearest[at], rates, np.zeros(len(at), bool))


def _rates(calibration: Calibration, max_points: int) -> NDArray[np.float64]:
    """At most about `max_points` rates at which the rule is another one, evenly by their logarithm, and the usual ones.

    They are multiples of 1 / (n + 1), from the smallest p-value on.
    """
    n, least = calibration.n, SMALLEST[calibration.kind] * calibration.largest_weight
    first = int(np.ceil(least - 1e-9))
    if n < first:
        return np.empty(0)
    steps = np.arange(first, n + 1) if n - first < max_points else np.geomspace(first, n, max_points).round()
    usual = np.floor(np.array([calibration.fpir, *RATES]) * (n + 1) + 1e-9)
    return np.asarray(np.unique(np.concatenate([steps, usual[(usual >= first) & (usual <= n)]])) / (n + 1))


def _points(calibration: Calibration, mated: _LeftOut, rates: NDArray[np.float64], seed: int) -> tuple[DetPoint, ...]:
    thresholds = _thresholds(calibration, rates)
    if not len(mated.examples):
        return tuple(DetPoint(float(rate), at, None, None, None) for rate, at in zip(rates, thresholds, strict=True))
    named = mated.rates[:, None] <= rates + 1e-12  # (probes, rates)
    missed = ~(named & mated.is_right[:, None])
    wrong = (named & ~mated.is_right[:, None]).mean(axis=0)
    fnir = missed.mean(axis=0)
    subjects, whose = np.unique(mated.subjects, return_inverse=True)
    sums = np.zeros((len(subjects), len(rates)))
    np.add.at(sums, whose, missed)
    counts = np.bincount(whose).astype(np.float64)
    weights = resample_weights(len(subjects), RESAMPLES, np.random.default_rng(seed))
    values = (weights @ sums) / (weights @ counts)[:, None]  # (resamples, rates)
    return tuple(
        DetPoint(
            float(rate),
            thresholds[i],
            float(fnir[i]),
            percentile_interval(values[:, i], float(fnir[i]), subjects=len(subjects)),
            float(wrong[i]),
        )
        for i, rate in enumerate(rates)
    )


def _thresholds(calibration: Calibration, rates: NDArray[np.float64]) -> list[float]:
    """The score below which a probe is known at each rate, if its nearest subjects would have it as a neighbor."""
    order = np.argsort(calibration.scores, kind="stable")
    weights = np.ones(calibration.n) if calibration.weights is None else calibration.weights[order]
    spare = rates * (calibration.n + 1) - SMALLEST[calibration.kind] * calibration.largest_weight
    accepted = np.searchsorted(np.cumsum(weights), spare + 1e-9, side="right")
    found: list[float] = np.append(calibration.scores[order], np.inf)[accepted].tolist()
    return found


def _required(calibration: Calibration, rate: float) -> RequiredSize:
    size = min_sample_size(rate, calibration.kind, calibration.largest_weight)
    return RequiredSize(rate, size, max(0, size - calibration.n), min_sample_size(rate, "strangers"))
