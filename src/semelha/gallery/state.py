"""What a gallery keeps in memory: an index of its examples and the calibration that goes with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model
from semelha.errors import CalibrationError
from semelha.index import LinearIndex
from semelha.recognition import Calibration, Candidate, full_conformal, rank_subjects, split_conformal
from semelha.store import Example, Store

BLOCK = 512


@dataclass(frozen=True, eq=False)
class State:
    """A consistent view of one generation of the store."""

    generation: tuple[int, int]
    examples: list[Example]
    vectors: NDArray[np.float32]
    index: LinearIndex
    plan: dict[str, Any] | None
    strangers: NDArray[np.float32]
    model: Model

    @classmethod
    def read(cls, store: Store, model: Model) -> State:
        """Read everything, again if the store changed meanwhile."""
        while True:
            generation = store.generation()
            examples, vectors = store.examples()
            plan, strangers = store.meta("calibration"), store.strangers()
            if store.generation() == generation:
                break
        index = LinearIndex(model.metric)
        index.build(np.array([example.id for example in examples], np.int64), vectors)
        return cls(generation, examples, vectors, index, plan, strangers, model)

    @cached_property
    def of(self) -> dict[int, tuple[str, str]]:
        """Subject and source of each example."""
        return {example.id: (example.subject, example.source) for example in self.examples}

    @cached_property
    def subjects(self) -> list[str]:
        """Every subject, by name."""
        return sorted({example.subject for example in self.examples})

    def candidates(self, vectors: NDArray[np.float32], k: int) -> list[tuple[Candidate, ...]]:
        """The k nearest subjects of each probe (probes, d)."""
        wanted, deep = min(k, len(self.subjects)), min(len(self.index), max(4 * k, 32))
        while True:
            found = self.index.search(vectors, deep) if deep else None
            if found is None:
                return [() for _ in vectors]
            ranked = [
                rank_subjects(ids, distances, self.of, k)
                for ids, distances in zip(found.ids, found.distances, strict=True)
            ]
            if deep >= len(self.index) or all(len(one) >= wanted for one in ranked):
                return ranked
            deep = min(len(self.index), 4 * deep)

    @cached_property
    def calibration(self) -> Calibration | None:
        """As it was asked for, on what is enrolled now; None where that was never, or no longer supports the rate."""
        try:
            return None if self.plan is None else self.calibrate(self.plan)
        except CalibrationError:
            return None

    @cached_property
    def place(self) -> dict[str, int]:
        """The place of each subject in the calibration's scores."""
        return {name: i for i, name in enumerate(self.eligible)}

    @cached_property
    def eligible(self) -> list[str]:
        """Subjects that the model was not trained on: only they can stand in for strangers."""
        classes, hashes = set(self.model.card.classes), set(self.model.card.content_hashes)
        trained = {e.subject for e in self.examples if e.subject in classes or e.content_hash in hashes}
        return [name for name in self.subjects if name not in trained]

    def calibrate(self, plan: dict[str, Any]) -> Calibration:
        """Calibrate by a plan of kind, rate and seed. Raises `CalibrationError`."""
        if plan["kind"] == "strangers":
            distances = [one[0].distance for one in self.candidates(self.strangers, 1) if one]
            return split_conformal(np.array(distances), plan["fpir"])
        return full_conformal(self._own_nearest(plan["seed"]), plan["fpir"])

    def _own_nearest(self, seed: int) -> NDArray[np.float64]:
        """Distance of one example of each eligible subject to the nearest example of any other subject."""
        if len(self.subjects) < 2:
            return np.empty(0)
        number = {name: i for i, name in enumerate(self.subjects)}
        owner = np.array([number[example.subject] for example in self.examples])
        members = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
        # Each draw hangs on the subject's name alone, so that others may come and go.
        drawn = np.array(
            [np.random.default_rng([seed, *name.encode()]).choice(members[number[name]]) for name in self.eligible],
            np.int64,
        )
        nearest = np.empty(len(drawn))
        for start in range(0, len(drawn), BLOCK):
            rows = drawn[start : start + BLOCK]
            distances = self.model.metric.pairwise(
                self.vectors[rows].astype(np.float64), self.vectors.astype(np.float64)
            )
            distances[owner[rows, None] == owner[None, :]] = np.inf
            nearest[start : start + BLOCK] = distances.min(axis=1)
        return nearest
