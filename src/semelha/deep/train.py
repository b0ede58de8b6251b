"""A training from data set to model folder: check, prepare, fit, publish."""

from __future__ import annotations

import copy
import logging
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray

from semelha.deep.cache import PixelCache, open_cache
from semelha.deep.checkpoint import describe
from semelha.deep.export import export_onnx
from semelha.deep.loop import Part, Trained, Watch, fit
from semelha.deep.metric_layer import metric_of
from semelha.deep.network import SMALL, EmbeddingNet, Network, build
from semelha.deep.processes import Processes, own_device, processes, started
from semelha.deep.recipe import Recipe, choose_network, choose_recipe, look_at
from semelha.deep.recompute import recompute_blocks
from semelha.deep.sampler import Pool
from semelha.embedders import METRIC, Card, Model, load_embedder, write_model
from semelha.errors import TrainingError, UsageError
from semelha.images import Dataset, check_for_training, split_classes

logger = logging.getLogger(__name__)

MOST_VALIDATED = 2000


def train_network(
    dataset: Dataset,
    *,
    out: Path,
    network: Network | None = None,
    recipe: Recipe | None = None,
    minutes: float | None = None,
    seed: int = 0,
    resume: bool = False,
    accelerator: str = "auto",
    watch: Watch | None = None,
    watch_reading: Callable[[int, int], None] | None = None,
) -> Model:
    """Learn an embedding from `dataset` and write it to the model folder `out`.

    Called in several processes that `torchrun` started, it is one training in all of them (docs/devices.md).

    While it goes on, pictures, checkpoint and log (JSON lines) lie in the folder `out` + ".training"; at the end the
    log is all that stays there.

    Parameters
    ----------
    dataset : Dataset
        At least two classes, one of them with two pictures or more.
    out : Path
        Where the model goes; must not exist yet.
    network, recipe : Network, Recipe, optional
        Chosen from the pictures where not given.
    minutes : float, optional
        In place of the recipe's.
    seed : int
    resume : bool
        Go on with a training of the same pictures and settings that was interrupted.
    accelerator : str
        As Lightning Fabric names them: "auto", "cpu", "cuda", "mps".
    watch : callable, optional
        Called with a `Moment` after every step.
    watch_reading : callable, optional
        Called with (pictures read, pictures in all) while the pictures are decoded.

    Raises
    ------
    DatasetError, TrainingError, UsageError, BackboneError, PretrainedUnavailable
    """
    fabric = default_fabric(accelerator)
    with processes(fabric.device) as group:
        return _train(
            dataset,
            out=out,
            network=network,
            recipe=recipe,
            minutes=minutes,
            seed=seed,
            resume=resume,
            watch=watch,
            watch_reading=watch_reading,
            fabric=fabric,
            group=group,
        )


def _train(
    dataset: Dataset,
    *,
    out: Path,
    network: Network | None,
    recipe: Recipe | None,
    minutes: float | None,
    seed: int,
    resume: bool,
    watch: Watch | None,
    watch_reading: Callable[[int, int], None] | None,
    fabric: Fabric,
    group: Processes,
) -> Model:
    if out.exists():
        raise TrainingError(f"{out} exists already: choose another place for the model, or remove it")
    check_for_training(dataset)
    look = look_at(dataset, seed=seed)
    network = network or choose_network(look)
    recipe = recipe or choose_recipe(look, network, len(dataset.classes), len(dataset))
    if minutes is not None:
        recipe = replace(recipe, minutes=minutes)
    _check(recipe, network, dataset, group)
    folder = out.with_name(out.name + ".training")
    group.first_does(partial(_make_folder, folder, resume=resume))

    built = build(network, seed=seed)
    if recipe.checkpoint:
        recompute_blocks(copy.deepcopy(built))  # refused now, not after
    if network.backbone != SMALL:
        group.first_does(
            partial(export_onnx, built, channels=network.channels, size=network.size, name=network.backbone)
        )
    made = group.first_does(partial(open_cache, dataset, folder, network.input_spec(), progress=watch_reading))
    cache = made or open_cache(dataset, folder, network.input_spec())
    for skipped in cache.dataset.skipped if group.first else ():
        logger.warning("left out %s: %s", skipped.name, skipped.reason)
    check_for_training(cache.dataset)
    if not network.pretrained:
        mean, std = cache.statistics()
        network = replace(network, mean=round(mean, 4), std=round(std, 4))
        built = build(network, seed=seed)

    training, validation = _split(cache, recipe, seed=seed)
    trained = fit(
        built,
        training,
        validation,
        recipe,
        fabric=fabric,
        folder=folder,
        plan=describe(network, recipe, seed, *cache.hashes),
        seed=seed,
        resume=resume,
        watch=watch or (lambda moment: None),
        processes=group,
    )
    built.load_state_dict(trained.weights)
    published = group.first_does(
        partial(publish, built, network, out, cache=cache, trained=trained, recipe=recipe, seed=seed)
    )
    for name in ("checkpoint.pt", "pixels.u8", "pixels.json") if group.first else ():
        (folder / name).unlink(missing_ok=True)
    return published or load_embedder(out)


def publish(
    built: EmbeddingNet,
    network: Network,
    out: Path,
    *,
    cache: PixelCache,
    trained: Trained,
    recipe: Recipe,
    seed: int,
) -> Model:
    """Write the model folder: the graph for use anywhere, the weights for training on, the card for people."""
    built.eval()
    size = network.size
    onnx = export_onnx(built, channels=network.channels, size=size, name=network.backbone)
    settings = {k: v for k, v in asdict(recipe).items() if k not in ("loss", "sampler")}
    card = Card.draft(
        name=out.name,
        input=network.input_spec(),
        mean=[network.mean] * network.channels,
        std=[network.std] * network.channels,
        dim=network.dim,
        metric={"name": trained.metric.name, **trained.metric.parameters()},
        network=network.as_card(),
        training={
            **settings,
            "minutes": recipe.minutes if math.isfinite(recipe.minutes) else None,
            "loss": _named(recipe.loss),
            "sampler": _named(recipe.sampler),
            "seed": seed,
            "data": cache.dataset.name,
            "pictures": len(cache.dataset),
            "skipped": len(cache.dataset.skipped),
            "steps_taken": trained.steps,
            "seconds": round(trained.seconds, 1),
            "torch": torch.__version__,
        },
        classes=list(cache.dataset.classes),
        content_hashes=sorted(set(cache.hashes)),
        results={} if trained.score is None else {"r_at_1_on_held_out_classes": round(trained.score, 4)},
    )
    weights = {name: tensor.numpy() for name, tensor in built.state_dict().items()}
    learned = {METRIC + name: array for name, array in trained.metric.arrays().items()}
    return write_model(out, card=card, onnx=onnx, weights=weights | learned)


def _check(recipe: Recipe, network: Network, dataset: Dataset, group: Processes) -> None:
    """Raise what sampler and loss would raise of the whole data set, before its pictures are read."""
    if recipe.batch < 2 * group.number:
        raise UsageError(f"a batch of {recipe.batch} is too small for {group.number} processes: give each two pictures")
    if group.number > 1 and recipe.chunk == 3:
        raise UsageError("a chunk is 3 pictures: in several processes it must be 4 or more")
    labels, classes = np.unique(dataset.labels, return_inverse=True)
    pool = Pool(classes, tuple(map(str, labels)), recipe.quarter_turns)
    sampler = recipe.sampler(pool, batch=recipe.batch, per_class=recipe.per_class, seed=0)
    with torch.random.fork_rng(devices=[]):
        metric = metric_of(recipe.loss(sampler.counts, network.dim))
    if metric.domain == "histograms" and network.head != "simplex":
        raise UsageError(f"the metric {metric.name} takes histograms: give the network the head 'simplex'")


def _named(factory: Callable[..., object]) -> str:
    """What a card calls it: the name of a function or class, with the settings of a `partial`."""
    if isinstance(factory, partial):
        settings = ", ".join(f"{name}={value!r}" for name, value in factory.keywords.items())
        return f"{_named(factory.func)}({settings})"
    return getattr(factory, "__name__", None) or str(factory)


def _make_folder(folder: Path, *, resume: bool) -> None:
    if (folder / "checkpoint.pt").exists() and not resume:
        raise TrainingError(
            f"{folder} holds a training that was interrupted: go on with --resume, or remove the folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise TrainingError(f"{folder} cannot be written: {error.strerror}") from error
    if not resume:
        (folder / "log.jsonl").unlink(missing_ok=True)
    if free < 64 * 2**20:
        raise TrainingError(f"{folder} has {free >> 20} MB free: a training needs at least 64 MB")


def _split(cache: PixelCache, recipe: Recipe, *, seed: int) -> tuple[Part, Part | None]:
    """Training pictures, and those of the classes that the best weights are chosen by (none below 10 classes)."""
    names, classes = np.unique(cache.dataset.labels, return_inverse=True)
    paired = [name for name, count in cache.dataset.counts().items() if count > 1]
    if recipe.validation <= 0 or len(paired) < 10:
        return _part(cache, np.arange(len(classes))), None
    held_out = split_classes(cache.dataset, recipe.validation, seed=seed)[1].classes
    held = np.isin(names[classes], held_out)
    chosen = np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(held))[:MOST_VALIDATED])
    remaining = np.flatnonzero(~held)
    return _part(cache, remaining), _part(cache, chosen)


def _part(cache: PixelCache, chosen: NDArray[np.int64]) -> Part:
    labels, classes = np.unique(cache.dataset.labels[chosen], return_inverse=True)
    return Part(cache.pixels, chosen, classes, tuple(map(str, labels)))


def default_fabric(accelerator: str) -> Fabric:
    """One device, of several processes each its own; bf16 autocast where it computes in that, otherwise float32.

    Raises
    ------
    TrainingError
        There are more processes than graphics cards.
    """
    fabric = Fabric(accelerator=accelerator, devices=1, precision="32-true")
    if started() > 1 and fabric.device.type != "cpu":
        fabric = Fabric(accelerator=accelerator, devices=[own_device()], precision="32-true")
    if _computes_bf16(fabric.device):
        own: Any = 1 if fabric.device.index is None else [fabric.device.index]
        fabric = Fabric(accelerator=accelerator, devices=own, precision="bf16-mixed")
    return fabric


def _computes_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    can = torch.cpu.get_capabilities()
    return device.type == "cpu" and bool(can.get("avx512_bf16") or can.get("amx_bf16"))
