"""Turn neighbors into ranked subjects, and distances into a decision, without the subjects that were rejected.

A subject is excluded for the rejected picture itself, and for pictures that are nearer to the rejected one than to any
example of the subject. Deciding on the remaining subjects alone could raise the FPIR: the p-value of the next subject
may be smaller, because in a calibration on subjects it has a term of the subject itself, and a stranger who was unknown
would be named. Therefore the larger p-value counts, of the nearest subject and of the nearest that is not excluded:
every probe that is known with rejections is known without them too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semelha.metrics import Metric
from semelha.recognition.answer import Candidate, Decision, Identification, Match
from semelha.recognition.calibration import Calibration

UNSUPPORTED = "the calibrated rate does not hold any more: {}"
UNCALIBRATED = "the gallery is not calibrated: calibrate it for an FPIR so that it can answer unknown"
STALE = "; the gallery changed since, and its calibration is being updated"
EXCLUDED = "such a picture was rejected for {}"


def rank_subjects(
    ids: NDArray[np.int64], distances: NDArray[np.float64], of: Mapping[int, tuple[str, str]], k: int
) -> tuple[Candidate, ...]:
    """Rank the k nearest subjects of one probe, with their examples among the neighbors.

    `ids` and `distances`, (neighbors,) each, are of examples, nearest first, −1 if there are no more; `of` has the
    subject and source of each example.
    """
    found: dict[str, list[Match]] = {}
    for example, distance in zip(ids.tolist(), distances.tolist(), strict=True):
        if example >= 0:
            subject, source = of[example]
            found.setdefault(subject, []).append(Match(example, source, distance))
    ranked = [Candidate(subject, matches[0].distance, tuple(matches)) for subject, matches in found.items()]
    return tuple(ranked[:k])


def decide(
    candidates: tuple[Candidate, ...],
    calibration: Calibration | None,
    place: Mapping[str, int],
    without_rule: str = UNCALIBRATED,
) -> Identification:
    """Decide whether a probe is known, uncertain or unknown.

    The candidates are the nearest first, as many as the `reach` of the calibration's scoring, or all; further ones
    change nothing. `place` has the row of each subject in the calibration's scores, and
    `without_rule` is the note of an answer without calibration.
    """
    if not candidates:
        return Identification("unknown", None, None, None, (), "nothing is enrolled")
    best = candidates[0]
    if calibration is None:
        return Identification("uncalibrated", best.subject, best.distance, None, candidates, without_rule)
    reached = candidates[: calibration.scoring.reach]
    distances = np.array([[candidate.distance for candidate in reached]])
    places = np.array([[place.get(candidate.subject, -1) for candidate in reached]])
    p_value = float(calibration.p_values(distances, places)[0])
    decision = decision_for(p_value, calibration)
    curve = calibration.probability
    return Identification(
        decision,
        best.subject if decision == "known" else None,
        best.distance,
        p_value,
        candidates,
        f"FPIR {calibration.fpir:g}: {calibration.assumption}" + STALE * calibration.stale,
        None if curve is None else float(curve(calibration.scoring(distances))[0]),
        target_fpir=calibration.fpir,
    )


def decision_for(p_value: float, calibration: Calibration) -> Decision:
    """Known up to the first rate, uncertain up to the second if there is one, and unknown above."""
    if p_value <= calibration.fpir:
        return "known"
    return "uncertain" if calibration.uncertain is not None and p_value <= calibration.uncertain else "unknown"


@dataclass(frozen=True, eq=False)
class RejectedPictures:
    """Pictures that were rejected for a subject: their content hashes and their vectors (n, d) float32."""

    hashes: frozenset[str]
    vectors: NDArray[np.float32]


def excluded_subjects(
    candidates: Sequence[Candidate],
    probe: NDArray[np.float32],
    content_hash: str | None,
    rejected: Mapping[str, RejectedPictures],
    metric: Metric,
) -> frozenset[str]:
    """Find the candidates that were rejected for the probe or for a picture near it.

    `content_hash` is that of the probe's picture, if known; `rejected` has the rejected pictures of each subject.
    """
    found = set()
    for candidate in candidates:
        pictures = rejected.get(candidate.subject)
        if pictures is None:
            continue
        distances = metric.pairwise(probe[None].astype(np.float64), pictures.vectors.astype(np.float64))
        if content_hash in pictures.hashes or float(distances.min()) < candidate.examples[0].distance:
            found.add(candidate.subject)
    return frozenset(found)


def decide_excluding(
    candidates: tuple[Candidate, ...],
    excluded: frozenset[str],
    calibration: Calibration | None,
    place: Mapping[str, int],
    without_rule: str = UNCALIBRATED,
) -> Identification:
    """Decide as `decide` does, without excluded subjects; accepts only probes that are accepted with them.

    The candidates are those of `decide`, including the excluded ones.
    """
    allowed = tuple(one for one in candidates if one.subject not in excluded)
    names = tuple(one.subject for one in candidates if one.subject in excluded)
    first = decide(candidates, calibration, place, without_rule)
    if not names or candidates[0].subject not in excluded:
        return replace(first, candidates=allowed, excluded=names)
    note = f"{first.note}; {EXCLUDED.format(' or '.join(names))}"
    if not allowed:
        return Identification(
            "unknown", None, None, first.p_value, (), note, excluded=names, target_fpir=first.target_fpir
        )
    second = decide(allowed, calibration, place, without_rule)
    if first.p_value is None or second.p_value is None or second.p_value >= first.p_value:
        return replace(second, excluded=names, note=note)
    subject = second.subject if first.decision == second.decision else None
    return replace(second, decision=first.decision, subject=subject, p_value=first.p_value, excluded=names, note=note)
