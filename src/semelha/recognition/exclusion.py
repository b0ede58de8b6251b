"""Exclude rejected subjects from an identification without raising the false-positive rate.

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
from semelha.recognition.answer import Candidate, Identification
from semelha.recognition.calibration import Calibration
from semelha.recognition.identify import decide

EXCLUDED = "such a picture was rejected for {}"


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

    Parameters
    ----------
    candidates : sequence of Candidate
    probe : (d,) float32
    content_hash : str or None
        Of the picture of the probe, if known.
    rejected : mapping of str to RejectedPictures
        By subject.
    metric : Metric
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
) -> Identification:
    """Decide as `decide` does, without excluded subjects; accepts only probes that are accepted with them.

    Parameters
    ----------
    candidates : tuple of Candidate
        Nearest first, including the excluded ones.
    excluded : frozenset of str
    calibration, place
        As for `decide`.
    """
    allowed = tuple(one for one in candidates if one.subject not in excluded)
    names = tuple(one.subject for one in candidates if one.subject in excluded)
    first = decide(candidates, calibration, place)
    if not names or candidates[0].subject not in excluded:
        return replace(first, candidates=allowed, excluded=names)
    note = f"{first.note}; {EXCLUDED.format(' or '.join(names))}"
    if not allowed:
        return Identification("unknown", None, None, first.p_value, (), note, excluded=names)
    second = decide(allowed, calibration, place)
    if first.p_value is None or second.p_value is None or second.p_value >= first.p_value:
        return replace(second, excluded=names, note=note)
    subject = second.subject if first.decision == second.decision else None
    return replace(second, decision=first.decision, subject=subject, p_value=first.p_value, excluded=names, note=note)
