"""Pictures that a person should name: which answers are kept for review, and how the pictures are grouped."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from semelha.embedders import Model, Source
from semelha.errors import UsageError
from semelha.gallery.curation.cluster import cluster_labels, threshold_of
from semelha.gallery.enrollment import check_vectors
from semelha.gallery.probes import Probe
from semelha.images import ReadPicture, encode, read_pictures
from semelha.images.fit import KEPT_SIDE
from semelha.recognition import Candidate, Identification, Match
from semelha.store import NewExample, NewReview, ReviewedAnswer, ReviewKind, StoredReview, View

SURE = 0.75
"""A probability from which a known subject needs no review."""
MAX_REVIEWS = 1000
MAX_CANDIDATES = 5
KINDS: tuple[ReviewKind, ...] = get_args(ReviewKind)


@dataclass(frozen=True)
class Review:
    """A picture that a person should name.

    Attributes
    ----------
    number : int
        Taken by `Gallery.resolve_reviews`, `Gallery.dismiss_reviews` and `Gallery.review_picture`.
    kind : {"unknown", "uncertain"}
        "uncertain" is also a known subject with a probability below 0.75.
    source : str
        Where the picture came from.
    created : str
        When (ISO, UTC) it was identified.
    distance, p_value, probability, target_fpir : float or None
        As of its `Identification`.
    candidates : tuple of Candidate
        The nearest subjects, each with its nearest example, under their present names; without what was removed since.
    has_picture : bool
        Whether a small copy of the picture was kept.
    group : int
        The lowest number of the reviews whose pictures probably show the same.
    """

    number: int
    kind: ReviewKind
    source: str
    created: str
    distance: float | None
    p_value: float | None
    probability: float | None
    target_fpir: float | None
    candidates: tuple[Candidate, ...]
    has_picture: bool
    group: int


@dataclass(frozen=True)
class ReviewPage:
    """Some of the reviews: groups together, the latest group first.

    Attributes
    ----------
    total : int
        Number of the reviews that were asked for, on all pages.
    unknown, uncertain : int
        Number of all reviews of each kind.
    note : str
        How they were grouped, or why each is a group by itself.
    """

    reviews: tuple[Review, ...]
    total: int
    unknown: int
    uncertain: int
    note: str


def review_kind(answer: Identification) -> ReviewKind | None:
    """The kind of the review that an answer needs: None if it is known with a probability of at least `SURE`.

    An answer of a gallery that is not calibrated needs none, because nothing says how sure it is.
    """
    if answer.decision in KINDS:
        return "unknown" if answer.decision == "unknown" else "uncertain"
    is_doubtful = answer.decision == "known" and answer.probability is not None and answer.probability < SURE
    return "uncertain" if is_doubtful else None


def new_reviews(
    model: Model,
    probes: Sequence[Probe],
    answers: Sequence[Identification],
    pictures: Sequence[Source] | None,
) -> list[NewReview]:
    """The reviews that answers need; with small copies of the pictures, of those that can be read.

    Pictures whose vectors the metric cannot compare, which cannot be enrolled, are left out.
    Raises `UsageError` if there are not as many answers as probes, and pictures if any.
    """
    if len(answers) != len(probes) or (pictures is not None and len(pictures) != len(probes)):
        raise UsageError("probes, answers and pictures must have the same length")
    kinds = {row: kind for row, one in enumerate(answers) if (kind := review_kind(one)) is not None}
    copies: dict[int, bytes] = {}
    if pictures is not None and kinds:
        read = read_pictures([pictures[row] for row in kinds], encode, at_least=KEPT_SIDE, threads=model.threads)
        pairs = zip(kinds, read, strict=True)
        copies = {row: one.result for row, one in pairs if isinstance(one, ReadPicture)}
    found = []
    for row, kind in kinds.items():
        probe, answer = probes[row], answers[row]
        if not _is_comparable(model, probe):
            continue
        nearest = tuple((each.examples[0].example, each.distance) for each in answer.candidates[:MAX_CANDIDATES])
        kept = ReviewedAnswer(answer.distance, answer.p_value, answer.probability, answer.target_fpir, nearest)
        picture = NewExample(probe.vector, probe.content_hash, probe.name, copies.get(row))
        found.append(NewReview(kind, kept, picture))
    return found


def _is_comparable(model: Model, probe: Probe) -> bool:
    try:
        check_vectors(model, probe.vector[None], f"the vector of {probe.name}")
    except UsageError:
        return False
    return True


class ReviewGroups:
    """Groups the reviews of a gallery by likeness, as `Gallery.cluster` does.

    Groups are kept until the reviews change, and the distance that joins them, which takes a second to learn, until a
    tenth of the examples has changed.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._threshold: float | None = None
        self._note = ""
        self._learned_at = (-1, 0)  # the change of the gallery, and its number of examples
        self._groups: tuple[object, dict[int, int]] = (None, {})

    def page(self, view: View, kind: str | None, after: tuple[int, int] | None, limit: int) -> ReviewPage:
        """A page of the reviews of a kind, or of all: see `Gallery.reviews`."""
        if kind is not None and kind not in KINDS:
            raise UsageError(f"kind is {kind!r:.40}: it must be one of {', '.join(KINDS)}, or None for all")
        if limit < 1:
            raise UsageError(f"limit is {limit}: it must be 1 or more")
        groups, note = self._grouped(view)
        kinds = view.review_kinds()
        ordered = sorted((-groups[number], -number) for number, one in kinds.items() if kind in (None, one))
        start = 0 if after is None else bisect_right(ordered, (-after[0], -after[1]))
        numbers = [-number for _, number in ordered[start : start + limit]]
        stored = view.reviews(numbers)
        of = view.owners({example for one in stored.values() for example, _ in one.answer.nearest})
        found = tuple(_review(stored[number], groups[number], of) for number in numbers)
        unknown = sum(one == "unknown" for one in kinds.values())
        return ReviewPage(found, len(ordered), unknown, len(kinds) - unknown, note)

    def _grouped(self, view: View) -> tuple[dict[int, int], str]:
        """Group of each review, by number, and how they were made."""
        with self._lock:
            state = view.review_state()
            self._learn(view, state[1])
            key = state, self._threshold
            if self._groups[0] != key:
                numbers, vectors = view.review_vectors()
                if self._threshold is None:
                    groups = {number: number for number in numbers.tolist()}
                else:
                    labels = cluster_labels(vectors, self._model, self._threshold)
                    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
                    groups = dict(zip(numbers.tolist(), numbers[first[inverse]].tolist(), strict=True))
                self._groups = key, groups
            return self._groups[1], self._note

    def _learn(self, view: View, count: int) -> None:
        """Learn the distance up to which pictures are one group, None if it cannot be learned, unless it is known."""
        change, examples = self._learned_at
        has_changed = view.change != change and (self._threshold is None or abs(len(view) - examples) > examples / 10)
        if not has_changed:
            return
        try:
            self._threshold, self._note = threshold_of(view, self._model, count, 0)
        except UsageError as error:
            self._threshold, self._note = None, str(error)
        self._learned_at = view.change, len(view)


def _review(one: StoredReview, group: int, of: dict[int, tuple[str, str]]) -> Review:
    candidates: dict[str, Candidate] = {}  # two candidates may be one subject by now
    for example, distance in one.answer.nearest:
        if example in of:
            subject, source = of[example]
            candidates.setdefault(subject, Candidate(subject, distance, (Match(example, source, distance),)))
    answer = one.answer
    return Review(
        number=one.number,
        kind=one.kind,
        source=one.source,
        created=one.created,
        distance=answer.distance,
        p_value=answer.p_value,
        probability=answer.probability,
        target_fpir=answer.target_fpir,
        candidates=tuple(candidates.values()),
        has_picture=one.has_picture,
        group=group,
    )
