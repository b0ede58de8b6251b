"""Subjects that a picture was said not to show, and a decision without them that accepts no more than one with them.

A subject is excluded for the very picture that was rejected, and for one that is nearer to that picture than to any
example of the subject. To leave excluded subjects out and decide on what remains would not do: the p-value of the next
subject may be the smaller one (of a calibration from subjects it has a term of the subject itself), and a stranger who
was unknown would get a name. So the p-value is the larger of the two, that of the nearest subject and that of the
nearest that is not excluded: who is known now, would have been known without any rejection.
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

EXCLUDED = "it was said that such a picture does not show {}"


@dataclass(frozen=True, eq=False)
class RejectedPictures:
    """Pictures that do not show a subject: their content hashes, and their vectors (n, d) float32."""

    hashes: frozenset[str]
    vectors: NDArray[np.float32]


def excluded_subjects(
    candidates: Sequence[Candidate],
    probe: NDArray[np.float32],
    content_hash: str | None,
    rejected: Mapping[str, RejectedPictures],
    metric: Metric,
) -> frozenset[str]:
    """Which of the candidates a probe cannot show.

    Parameters
    ----------
    candidates : sequence of Candidate
    probe : (d,) float32
    content_hash : str or None
        Of its picture, where there is one.
    rejected : mapping of str to RejectedPictures
        By subject; those without any are not in it.
    metric : Metric
    """
    found = set()
    for candidate in candidates:
        said = rejected.get(candidate.subject)
        if said is None:
            continue
        distances = metric.pairwise(probe[None].astype(np.float64), said.vectors.astype(np.float64))
        if content_hash in said.hashes or float(distances.min()) < candidate.examples[0].distance:
            found.add(candidate.subject)
    return frozenset(found)


def decide_excluding(
    candidates: tuple[Candidate, ...],
    excluded: frozenset[str],
    calibration: Calibration | None,
    place: Mapping[str, int],
) -> Identification:
    """`decide`, without the subjects that are excluded; it accepts nothing that it would not accept with them.

    Parameters
    ----------
    candidates : tuple of Candidate
        Nearest first, those that are excluded among them.
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
