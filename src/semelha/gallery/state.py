"""One moment of a gallery: the cached index and rule, a view of the database, and the answers that they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semelha.errors import SubjectNotFound, UsageError
from semelha.gallery.calibration.rule import Rule, rule_of
from semelha.gallery.probes import (
    EmbeddedProbes,
    RankedSubjects,
    SubjectRanker,
    apply_rejections,
    rank_without_rejected,
)
from semelha.images import content_hash
from semelha.index import Snapshot
from semelha.metrics import Metric
from semelha.recognition import NEAREST, Calibration, Identification, Scoring, Verification, decide, decide_excluding
from semelha.recognition.identify import UNCALIBRATED
from semelha.store import Plan, Scores, View


@dataclass(frozen=True, eq=False)
class CachedState:
    """The index and rule that a gallery keeps in memory for one change of its database."""

    change: int  # 0 before anything was read
    index: Snapshot  # of the examples at the change
    plan: Plan | None = None
    scores: Scores | None = None  # of the plan, at this change or an earlier one
    has_rule: bool = False  # whether the rule was computed for this change
    rule: Rule | None = None  # None without a plan, or if the scores do not support its rate
    without_rule: str = UNCALIBRATED  # the note of answers then
    stale: bool = False  # whether the scores are of an earlier change and must be computed again


@dataclass(frozen=True, eq=False)
class GalleryState:
    """A gallery at one change: its cached state, and a view of the database at the same change."""

    view: View
    cached: CachedState
    metric: Metric
    record_unknown: Callable[[Sequence[str]], None]  # by content hash: a subject enrolled from one of them is screened

    @property
    def rule(self) -> Rule | None:
        """The rule that decides "unknown"; None if the gallery is not calibrated."""
        return self.cached.rule

    @property
    def index(self) -> Snapshot:
        """Index of the examples."""
        return self.cached.index

    @property
    def scoring(self) -> Scoring:
        """How distances become scores."""
        return self.rule.calibration.scoring if self.rule else NEAREST

    def identify(
        self, vectors: NDArray[np.float32], k: int, hashes: Sequence[str] | None = None
    ) -> list[Identification]:
        """Identify probes (probes, d) with k candidates each; content hashes let rejections of the same picture count.

        Those that are not known are recorded, by the hashes, or by those that the vectors have when they are enrolled.
        Raises `UsageError` if `k` is below 1.
        """
        if k < 1:
            raise UsageError(f"k is {k}: at least one candidate is listed")
        calibration, place = (self.rule.calibration, self.rule.place) if self.rule else (None, {})
        wide = max(k, self.scoring.reach)
        if self.view.has_rejections():
            pairs = rank_without_rejected(self.view, self.metric, vectors, hashes, wide, self.candidates)
            found = [
                decide_excluding(one, excluded, calibration, place, self.cached.without_rule)
                for one, excluded in zip(*pairs, strict=True)
            ]
        else:
            ranked = self.candidates(vectors, wide)
            found = [decide(one, calibration, place, self.cached.without_rule) for one in ranked]
        if self.rule:
            if hashes is None:
                hashes = [content_hash(one.view(np.uint8)) for one in np.ascontiguousarray(vectors, np.float32)]
            answers = zip(found, hashes, strict=True)
            self.record_unknown([content for one, content in answers if one.decision in ("unknown", "uncertain")])
        return [replace(one, candidates=one.candidates[:k]) for one in found]

    def verify(self, vector: NDArray[np.float32], stored: NDArray[np.float32], name: str | None) -> Verification:
        """Compare a probe (d,) with examples (n, d): those of the subject `name`, or of no subject if it is None."""
        distance = float(self.scoring.pool(self.metric, vector, [self.scoring.references(stored)])[0])
        if self.rule is None:
            return Verification(None, distance, None, name, self.cached.without_rule)
        calibration, place = self.rule.calibration, self.rule.place
        reach = calibration.scoring.reach
        own = name or self._shared_subject(vector, stored)
        others = [one for one in self.candidates(vector[None], reach)[0] if one.subject != own][: reach - 1]
        distances = np.array([[distance, *(one.distance for one in others)]])
        places = np.array([[place.get(name or "", -1), *(place.get(one.subject, -1) for one in others)]])
        p_value = float(calibration.p_values(distances, places)[0])
        return Verification(
            p_value <= calibration.fpir, distance, p_value, name, calibration.assumption, calibration.fpir
        )

    def verify_subject(self, probe: EmbeddedProbes, subject: str) -> Verification:
        """Compare one probe, embedded with its content hash, with a subject. Raises `SubjectNotFound`."""
        stored = self.view.vectors_of(subject)
        if not len(stored):
            raise SubjectNotFound(f"no subject is called {subject!r}")
        return self._verified(probe, stored, subject)

    def verify_example(self, probe: EmbeddedProbes, example: int) -> Verification:
        """Compare one probe, embedded with its content hash, with one example. Raises `NumberNotFound`."""
        subject = self.view.example(example).subject
        return self._verified(probe, self.view.vectors([example])[example][None], subject)

    def _verified(self, probe: EmbeddedProbes, stored: NDArray[np.float32], subject: str) -> Verification:
        vector, content = probe.vectors[0], probe.hashes[0] if probe.hashes else None
        found = self.verify(vector, stored, subject)
        return apply_rejections(found, self.view, self.metric, vector, content, stored)

    def _shared_subject(self, vector: NDArray[np.float32], other: NDArray[np.float32]) -> str | None:
        """The subject nearest to both pictures. Both may show it, so it must not count as a competitor."""
        if self.scoring.normalization == "none":
            return None
        first, second = self.candidates(np.stack([vector, other[0]]), 1)
        return first[0].subject if first and second and first[0].subject == second[0].subject else None

    def calibration_with_neighbors(self) -> Calibration | None:
        """The calibration with the neighbors that its confidence interval needs."""
        cached = self.cached
        if cached.rule is None or cached.plan is None or cached.scores is None:
            return None
        return rule_of(self.view, cached.plan, cached.scores, with_neighbors=True).calibration

    def candidates(self, vectors: NDArray[np.float32], k: int) -> list[RankedSubjects]:
        """The k nearest subjects of each probe (probes, d)."""
        return self.ranker().rank(vectors, k)

    def ranker(self) -> SubjectRanker:
        """Ranks subjects by the scoring of the rule."""
        return SubjectRanker(self.view, self.index, self.metric, self.scoring)

    def reusable_scores(self, plan: Plan) -> Scores | None:
        """Cached scores that a plan with the same random draws may start from."""
        known = self.cached.plan
        same = known is not None and _draws(known) == _draws(plan) and plan.kind == "subjects"
        return self.cached.scores if same else None


def _draws(plan: Plan) -> tuple[object, ...]:
    return plan.kind, plan.seed, plan.scoring, plan.choosers
