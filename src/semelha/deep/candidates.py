"""The default training: measure several embeddings, from simple to costly, on held-out classes, and publish the best.

A network that was trained on millions of other pictures is often better than one that is trained on a few thousand, and
further training can make it worse. What is published is therefore measured: the vectors of a ready model as they are;
the features of its stages, projected by what varies within classes, or by a head that is trained on them; its last
layers trained further; a small network trained from nothing; and this joined with the best of the others. A more costly
one is taken only if it is better beyond doubt.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.deep.comparison import Candidate, HeldOut, best, expected_rates, lead, measure_hits
from semelha.deep.curves import Curves
from semelha.deep.defaults import inspect_pictures
from semelha.deep.distributed import launched_processes
from semelha.deep.loop import Callback
from semelha.deep.memory import freed_memory_kept
from semelha.deep.ready import ReadyModel, has_stages
from semelha.deep.recipe import Recipe, TrainingSettings
from semelha.deep.throughput import PASSES, describe_rate, least_frozen
from semelha.deep.train import default_fabric, make_training_folder, train_network
from semelha.deep.without_training import network_of
from semelha.embedders import Model, copy_model, derive, load_embedder, milliseconds_each
from semelha.errors import BackboneError, TrainingError, UsageError
from semelha.files import check_writable, write_file
from semelha.images import Dataset, Progress, check_for_training, found_by_decoding, with_groups
from semelha.untrusted import read_json

logger = logging.getLogger(__name__)

SHARES = {"drawings": (0.1, 0.9), "photos": (1 / 3, 0.6)}
"""Of the minutes, for the features of the ready model; of those that are left, for the network that is trained first.
The ready model has seen photos, but no drawings."""
MIN_MINUTES = 0.1
"""Below this, no network is trained."""
FURTHER = TrainingSettings(readout="stages", learning_rate=3e-4, layer_decay=0.75, batch=64)
"""For the last layers of the ready model."""
SMALL = "a small network from nothing"
FURTHER_NAME = "{}, its last layers trained further"


@freed_memory_kept()
def train_candidates(
    dataset: Dataset,
    *,
    base: Model,
    out: Path,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    resume: bool = False,
    accelerator: str = "auto",
    callback: Callback | None = None,
    reading_progress: Progress | None = None,
    curves: Curves | None = None,
) -> Model:
    """Measure candidates on classes that they did not learn from, and write the best as the model folder `out`.

    The interval of its lead over each simpler one is above 0. Half of the classes at a time is held out to measure what
    is learned in seconds, and a few to measure a network. What is learned in seconds is published after learning from
    all of them.

    Parameters
    ----------
    base : Model
        The ready model.
    minutes : float, optional
        For all together (default: 18).
    steps : int, optional
        Of each network, at most (default: as many as the minutes allow).
    curves : Curves, optional
        Of each network that is trained, by its name.
    dataset, out, seed, resume, accelerator, callback, reading_progress
        As for `semelha.train`.

    Raises
    ------
    DatasetError, TrainingError, ModelError, BackboneError
    """
    start = time.monotonic()
    limit = Recipe.minutes if minutes is None else minutes
    if launched_processes() > 1:
        raise UsageError("several processes train one network: say which, such as with backbone small, or use one")
    check_writable(out, is_folder=True, error=TrainingError)
    check_for_training(dataset)
    if curves is not None:
        curves.open()
    folder = out.with_name(out.name + ".training")
    make_training_folder(folder, resume=resume)
    for name in ("chosen", "other") if resume else ("chosen", "other", "small", "further"):
        shutil.rmtree(folder / name, ignore_errors=True)
    if not resume:
        (folder / "frozen.json").unlink(missing_ok=True)
    ready = ReadyModel(base)
    drawn = inspect_pictures(dataset, seed=seed).drawn
    for_features, for_first = SHARES["drawings" if drawn else "photos"]
    cache = ready.features(dataset, folder, 60 * limit * for_features, seed, reading_progress)
    for text in found_by_decoding(dataset, cache.dataset, cache.hashes):
        logger.warning(text)
    check_for_training(cache.dataset)
    pictures = with_groups(cache.dataset, vectors=ready.vectors(cache))
    held_out = HeldOut.of(pictures, seed)
    candidates = ready.candidates(cache, pictures, held_out, seed=seed)
    measured = bool(np.isfinite(candidates[0].few).any())
    if measured and 0 in candidates[0].few:  # otherwise nothing is left to gain
        networks = _Networks(dataset, pictures, held_out, folder, steps, seed, resume, accelerator, callback, curves)
        order = ["small", "further"] if drawn else ["further", "small"]
        for place, share in zip(order, (for_first, 1.0), strict=True):
            now = time.monotonic()
            deadline = now + share * (start + 60 * limit - now)
            if deadline - now < 60 * MIN_MINUTES:
                break
            if place == "small":
                candidates += networks.small(candidates, minutes=limit, deadline=deadline)
            elif has_stages(base):
                candidates += networks.further(base, minutes=limit, deadline=deadline)
    chosen = best(candidates, pictures.labels, seed=seed) if measured else 0
    model = candidates[chosen].make(folder / "chosen")
    training = {
        **model.card.training,
        "seed": seed,
        "data": dataset.name,
        "pictures": len(pictures),
        "skipped": len(pictures.skipped),
        "seconds": round(time.monotonic() - start, 1),
        "chosen": candidates[chosen].name,
    }
    published = copy_model(
        model,
        out,
        training=training,
        results=_results(candidates, chosen, pictures, seed) if measured else {},
        classes=pictures.classes if chosen else (),
        content_hashes=cache.hashes if chosen else (),
    )
    shutil.rmtree(folder, ignore_errors=True)
    return published


def describe_candidates(base: Model) -> tuple[str, ...]:
    """What `train_candidates` measures, one line each."""
    name = base.card.name
    stages = (f"{name}, its stages by classes", f"{name}, a head trained on its stages") if has_stages(base) else ()
    further = (FURTHER_NAME.format(name),) if has_stages(base) else ()
    return (f"{name} as it is", *stages, *further, SMALL, "the best of the others, joined with it")


@dataclass(frozen=True, eq=False)
class _Networks:
    """Candidates that are trained, on all pictures but those of a few classes."""

    dataset: Dataset
    pictures: Dataset  # those that are measured
    held_out: HeldOut
    folder: Path
    steps: int | None
    seed: int
    resume: bool
    accelerator: str
    callback: Callback | None
    curves: Curves | None

    def small(self, others: list[Candidate], **until: float) -> list[Candidate]:
        """Our own network, trained from nothing; and joined with the best of the others."""
        small = self._trained(SMALL, "small", TrainingSettings(), **until)
        other = others[best(others, self.pictures.labels, seed=self.seed)]
        both = np.concatenate([_normalized(other.vectors), _normalized(small.vectors)], axis=1)

        def joined(out: Path) -> Model:
            return derive([other.make(self.folder / "other"), load_embedder(self.folder / "small")], out=out)

        few = measure_hits(both, self.pictures, self.held_out.few, self.pictures.groups)
        milliseconds = other.milliseconds + small.milliseconds
        name = f"{other.name}, joined with the small network"
        return [small, Candidate(name, both, few, None, small.seconds, milliseconds, joined)]

    def further(self, base: Model, **until: float) -> list[Candidate]:
        """The last layers of a model, trained further: as many as can be in `PASSES` over the pictures, or none."""
        part = self._frozen_part(base, until["deadline"] - time.monotonic())
        if part is None:
            return []
        settings = replace(FURTHER, freeze=part)
        name = FURTHER_NAME.format(base.card.name)
        return [self._trained(name, "further", settings, from_model=base, **until)]

    def _frozen_part(self, base: Model, seconds: float) -> float | None:
        """The part of the layers to freeze (`least_frozen`); the same when a training goes on."""
        file = self.folder / "frozen.json"
        if not file.exists():
            assert base.card.input is not None
            spec, number = base.card.input, len(self.dataset) - len(self.held_out.few)
            shape, fabric = (spec.channels, spec.height, spec.width), default_fabric(self.accelerator)
            part = None
            try:
                part, rate = least_frozen(network_of(base), shape, pictures=number, seconds=seconds, fabric=fabric)
                reason = f"{describe_rate(rate, number, seconds)}, where {PASSES} are needed: allow more minutes"
            except BackboneError as error:  # timm does not know its layers
                reason = str(error)
            if part is None:
                logger.warning("the last layers of %s are not trained further: %s", base.card.name, reason)
            write_file(file, [json.dumps({"freeze": part})], error=TrainingError)
        found: float | None = read_json(file, error=TrainingError)["freeze"]
        return found

    def _trained(self, name: str, place: str, settings: TrainingSettings, **arguments: Any) -> Candidate:
        out, start = self.folder / place, time.monotonic()
        if not (self.resume and out.exists()):
            train_network(
                self._marked(),
                out=out,
                settings=replace(settings, steps=self.steps),
                seed=self.seed,
                resume=self.resume,
                accelerator=self.accelerator,
                callback=self.callback,
                curves=None if self.curves is None else self.curves.named(place),
                **arguments,
            )
        model = load_embedder(out)
        vectors = model.embed([self.pictures.pictures[row] for row in self.held_out.few])
        return Candidate(
            name,
            vectors,
            measure_hits(vectors, self.pictures, self.held_out.few, self.pictures.groups),
            None,
            time.monotonic() - start,
            milliseconds_each(model),
            lambda out: copy_model(model, out, training=model.card.training, results={}),
        )

    def _marked(self) -> Dataset:
        """The data set with the splits train and val, unless it has them."""
        if self.dataset.is_validation.any():
            return self.dataset
        few = {self.pictures.pictures[row].label for row in self.held_out.few}
        return replace(
            self.dataset,
            pictures=tuple(replace(one, split="val" if one.label in few else "train") for one in self.dataset),
        )


def _results(candidates: list[Candidate], chosen: int, pictures: Dataset, seed: int) -> dict[str, Any]:
    """The R@1 that is announced, with its interval, and the table of all candidates."""
    rates = expected_rates(candidates, pictures.labels, seed=seed)
    table = [
        {
            "name": one.name,
            "r_at_1": rate.to_json(),
            "lead": lead(one, candidates[0], pictures.labels, seed=seed).to_json(),
            "seconds": round(one.seconds, 1),
            "milliseconds": round(one.milliseconds, 1),
        }
        for one, rate in zip(candidates, rates, strict=True)
    ]
    announced = rates[chosen]
    results = {
        "r_at_1_on_held_out_classes": round(announced.value, 4),
        "interval": [round(announced.low, 4), round(announced.high, 4)],
        "among_classes": len(pictures.classes),
        "candidates": table,
    }
    across = expected_rates(candidates, pictures.labels, seed=seed, across=True)
    return {**results, "r_at_1_across_domains": across[chosen].to_json()} if across else results


def _normalized(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), np.float32)
