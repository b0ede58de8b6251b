"""What a gallery keeps in memory, and the one moment that a question is answered of."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model
from semelha.errors import CalibrationError, GalleryError
from semelha.gallery.probes import ranked_and_barred
from semelha.gallery.ranking import Pooled, Ranking
from semelha.gallery.rule import Rule, brought_along, follows, kept_scores, plan_of, rule_of, scores_of
from semelha.gallery.segments import Followed, Segments
from semelha.index import Snapshot
from semelha.index.segmented import Stopped
from semelha.metrics import Metric
from semelha.recognition import NEAREST, Calibration, Identification, Scoring, Verification, decide, decide_without
from semelha.recognition.identify import UNCALIBRATED
from semelha.store import Plan, Scores, Store, View

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Held:
    """What is in memory of one change.

    Attributes
    ----------
    change : int
        0 where nothing was read yet.
    index : Snapshot
        Of its examples.
    plan : Plan or None
    scores : Scores or None
        Of the plan, at this change or an earlier one.
    ruled : bool
        Whether the rule of this change was worked out.
    rule : Rule or None
        That of the plan, where there is one and the scores support its rate.
    stale : bool
        Whether the scores are of an earlier change and have to be worked out again.
    """

    change: int
    index: Snapshot
    plan: Plan | None = None
    scores: Scores | None = None
    ruled: bool = False
    rule: Rule | None = None
    stale: bool = False


@dataclass(frozen=True, eq=False)
class State:
    """A gallery at one moment: what is in memory of it, and a view of everything else."""

    view: View
    held: Held
    metric: Metric

    @property
    def rule(self) -> Rule | None:
        """How the gallery says "unknown"; None where it was never asked to, or no longer supports the rate."""
        return self.held.rule

    @property
    def index(self) -> Snapshot:
        """Of the examples."""
        return self.held.index

    def earlier(self, plan: Plan) -> Scores | None:
        """Scores that are known of this change or an earlier one, and serve a plan of the same draws."""
        known = self.held.plan
        same = known is not None and _draws(known) == _draws(plan) and plan.kind == "subjects"
        return self.held.scores if same else None

    def answers(
        self, vectors: NDArray[np.float32], k: int, hashes: Sequence[str] | None = None
    ) -> list[Identification]:
        """Who or what each probe (probes, d) shows, with k candidates; by hash, what was said of its very picture."""
        calibration, place = (self.rule.calibration, self.rule.place) if self.rule else (None, {})
        wide = max(k, self.scoring.reach)
        if self.view.has_rejections():
            pairs = ranked_and_barred(self.view, self.metric, vectors, hashes, wide, self.candidates)
            found = [decide_without(one, barred, calibration, place) for one, barred in zip(*pairs, strict=True)]
        else:
            found = [decide(one, calibration, place) for one in self.candidates(vectors, wide)]
        return [replace(one, candidates=one.candidates[:k]) for one in found]

    def verified(self, vector: NDArray[np.float32], stored: NDArray[np.float32], name: str | None) -> Verification:
        """Whether a probe (d,) shows what the examples (n, d) do: those of a subject, or of nobody in the gallery."""
        distance = float(self.scoring.pooled(self.metric, vector, [self.scoring.compared(stored)])[0])
        if self.rule is None:
            return Verification(None, distance, None, name, UNCALIBRATED)
        calibration, place = self.rule.calibration, self.rule.place
        reach = calibration.scoring.reach
        own = name or self._shared(vector, stored)
        others = [one for one in self.candidates(vector[None], reach)[0] if one.subject != own][: reach - 1]
        distances = np.array([[distance, *(one.distance for one in others)]])
        places = np.array([[place.get(name or "", -1), *(place.get(one.subject, -1) for one in others)]])
        p_value = float(calibration.p_values(distances, places)[0])
        return Verification(p_value <= calibration.fpir, distance, p_value, name, calibration.assumption)

    def _shared(self, vector: NDArray[np.float32], other: NDArray[np.float32]) -> str | None:
        """The subject nearest to two pictures, which may be what both show, so that it is none to set them against."""
        if self.scoring.normalization == "none":
            return None
        first, second = self.candidates(np.stack([vector, other[0]]), 1)
        return first[0].subject if first and second and first[0].subject == second[0].subject else None

    def paired(self) -> Calibration | None:
        """The calibration, with what its interval needs."""
        held = self.held
        if held.rule is None or held.plan is None or held.scores is None:
            return None
        return rule_of(self.view, held.plan, held.scores, paired=True).calibration

    def candidates(self, vectors: NDArray[np.float32], k: int) -> list[Ranking]:
        """The k nearest subjects of each probe (probes, d)."""
        return self.ranking().rank(vectors, k)

    def ranking(self) -> Pooled:
        """What ranks subjects by the scoring."""
        return Pooled(self.view, self.index, self.metric, self.scoring)

    @property
    def scoring(self) -> Scoring:
        """How distances become scores."""
        return self.rule.calibration.scoring if self.rule else NEAREST


def _draws(plan: Plan) -> tuple[object, ...]:
    return plan.kind, plan.seed, plan.scoring, plan.choosers


class Memory:
    """Follows the store: index and scores of the calibration are brought up to the moment that is asked about.

    Parameters
    ----------
    store : Store
    model : Model
    segments : Segments
        Where the index is kept.

    Attributes
    ----------
    on_upkeep : callable
        Called when there is something to merge or to save. Must return at once.
    """

    def __init__(self, store: Store, model: Model, segments: Segments) -> None:
        self._store = store
        self._model = model
        self._segments = segments
        self._followed = Followed(segments.empty())
        self._held = Held(0, self._followed.index.snapshot())
        self._kept = 0  # change of the scores that the store has
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.on_upkeep: Callable[[], None] = lambda: None

    @contextmanager
    def now(self, *, ruled: bool = True) -> Iterator[State]:
        """The gallery at a moment after the call, until the block ends; its rule only where it is to be `ruled`."""
        with self._store.reading() as view:
            yield State(view, self._brought_to(view, ruled), self._model.metric)

    @property
    def followed(self) -> Followed:
        """The index, and how far it has come."""
        return self._followed

    @property
    def wants_upkeep(self) -> bool:
        """There is something to merge, to replace on the disk, or to calibrate again."""
        return self._followed.index.wants_merge or self._followed.refused or self._held.stale

    def stats(self) -> dict[str, object]:
        """What there is to say of the index, and of what is kept of it."""
        index = self._followed.index
        return {
            **index.stats(),
            "recall": index.maker.recall,
            "on_disk": self._segments.generation(),
            "wants_merge": index.wants_merge,
        }

    def merge(self, *, hurry: bool = False) -> bool:
        """Merge segments, as `AutoIndex.merge`; True also where the index was given up meanwhile for another."""
        index = self._followed.index
        try:
            return index.merge(hurry=hurry)
        except Stopped:
            if index is self._followed.index:
                raise
            return True

    def merged(self) -> tuple[Followed, Snapshot]:
        """The index and what it holds at its change. From now on that is searched."""
        with self._lock:
            if self._followed.change:
                self._held = replace(self._held, index=self._followed.index.snapshot())
            return self._followed, self._held.index

    def saved(self, saved: Followed) -> None:
        """Remember that the index is on the disk, as it was."""
        with self._lock:
            if self._followed.index is saved.index:
                self._followed = replace(self._followed, generation=saved.change, refused=False)

    def adopt(self, other: Followed) -> None:
        """Go on with another index of this database."""
        with self._lock, self._store.reading() as view:
            other = other.to(view)
            self._followed.index.close()
            self._followed = other
            self._held = self._at(view)

    def recalibrate(self) -> None:
        """Work out stale scores again, as of now, while others go on with those there are; and keep them."""
        with self._store.reading() as view:
            plan = plan_of(view)
        if (plan is None or follows(plan)) and not self._held.stale:
            return
        with self.now() as state:  # where the plan is another now, this brings it to mind, and nothing is stale
            plan = state.held.plan
            if plan is None or not state.held.stale:
                return
            scores = scores_of(state.view, state.index, self._model, plan, None, go_on=self._go_on)
        with self._lock:
            if self._held.plan == plan:
                self._held = replace(self._held, scores=scores, ruled=False, stale=False)
        self.keep_scores()

    def stop_merging(self) -> None:
        """End a merge that goes on, and a calibration that is worked out again."""
        self._closing.set()
        self._followed.index.close()

    def _go_on(self) -> None:
        if self._closing.is_set():
            raise Stopped

    def keep_scores(self) -> None:
        """Leave the scores in the store, so that the next who opens the gallery need not work them out."""
        held = self._held
        if held.plan is None or held.scores is None or held.scores.change <= self._kept:
            return
        try:
            self._store.keep_scores(held.plan, held.scores)
        except GalleryError as error:
            logger.warning("the scores of the calibration are not kept and will be worked out again: %s", error)
        self._kept = held.scores.change

    def _brought_to(self, view: View, ruled: bool) -> Held:
        """What is in memory of the moment of the view, which is made a later one where the memory is ahead of it."""
        held = self._held
        if held.change == view.change and (held.ruled or not ruled):
            return held
        with self._lock:
            if self._held.change > view.change:
                view.renew()
            if self._held.change < view.change:
                self._follow(view)
                if self.wants_upkeep:
                    self.on_upkeep()
            if ruled and not self._held.ruled:
                self._held = self._ruled(view)
                if self._held.stale:
                    self.on_upkeep()
            return self._held

    def _follow(self, view: View) -> None:
        try:
            if self._followed.change and view.reaches(self._followed.change):
                self._followed = self._followed.to(view)
            else:
                self._followed.index.close()
                self._followed = self._segments.opened(view)
        except BaseException:
            # The index may be half of each: next time it is opened anew.
            self._followed = Followed(self._segments.empty())
            self._held = Held(0, self._followed.index.snapshot())
            raise
        self._held = self._at(view)

    def _at(self, view: View) -> Held:
        """What is in memory of the moment of a view that the index was brought to."""
        held = self._held
        if held.change == view.change:
            return replace(held, index=self._followed.index.snapshot())
        plan, scores = plan_of(view), held.scores
        if plan is not None and plan != held.plan:
            scores = kept_scores(view, plan)
            self._kept = scores.change if scores is not None else 0
        return Held(view.change, self._followed.index.snapshot(), plan, scores)

    def _ruled(self, view: View) -> Held:
        held = self._held
        if held.plan is None:
            return replace(held, ruled=True)
        scores = held.scores
        if follows(held.plan) or scores is None:
            scores = scores_of(view, held.index, self._model, held.plan, scores)
        elif scores.change != view.change:
            kept = kept_scores(view, held.plan)  # another process may have worked them out
            later = kept if kept is not None and kept.change > scores.change else scores
            scores = brought_along(view, later)
        try:
            rule = rule_of(view, held.plan, scores)
        except CalibrationError:
            rule = None
        stale = scores.change != view.change
        return replace(held, scores=scores, ruled=True, rule=rule, stale=stale)
