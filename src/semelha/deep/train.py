"""A training from data set to model folder: check, prepare, fit, publish."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric

from semelha.deep.cache import open_cache
from semelha.deep.checkpoint import describe
from semelha.deep.export import export_onnx
from semelha.deep.layers import freeze
from semelha.deep.loop import Watch, fit
from semelha.deep.metric_layer import metric_of
from semelha.deep.network import SMALL, Network, build, with_statistics
from semelha.deep.part import Part, labelled, split, unlabelled
from semelha.deep.publish import publish
from semelha.deep.recipe import Recipe, choose_network, choose_recipe, look_at
from semelha.deep.ssl import SelfSupervised, recipe_without_labels
from semelha.deep.teacher import check_teacher, lessons
from semelha.embedders import Model
from semelha.errors import TrainingError, UsageError
from semelha.images import Dataset, check_for_training, check_without_labels

logger = logging.getLogger(__name__)


def train_network(
    dataset: Dataset,
    *,
    out: Path,
    method: SelfSupervised | None = None,
    network: Network | None = None,
    recipe: Recipe | None = None,
    teacher: Model | None = None,
    minutes: float | None = None,
    seed: int = 0,
    resume: bool = False,
    accelerator: str = "auto",
    watch: Watch | None = None,
    watch_reading: Callable[[int, int], None] | None = None,
) -> Model:
    """Learn an embedding from `dataset` and write it to the model folder `out`.

    While it goes on, pictures, checkpoint and log (JSON lines) lie in the folder `out` + ".training"; at the end the
    log is all that stays there.

    Parameters
    ----------
    dataset : Dataset
        At least two classes, one of them with two pictures or more. With a method, eight pictures: their labels are
        not looked at, and may be "".
    out : Path
        Where the model goes; must not exist yet.
    method : SelfSupervised, optional
        Learn without labels: `SimCLR()`, `MoCo()` or `MoCoV3()` of `semelha.deep.ssl`.
    network, recipe : Network, Recipe, optional
        Chosen from the pictures where not given.
    teacher : Model, optional
        Compared by cosine; its similarities between the pictures of a batch are learned too.
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
    if out.exists():
        raise TrainingError(f"{out} exists already: choose another place for the model, or remove it")
    method = _method(method, recipe)
    check = check_for_training if method is None else check_without_labels
    check(dataset)
    if network is None or recipe is None:
        look = look_at(dataset, seed=seed)
        network = network or choose_network(look)
        if recipe is None and method is not None:
            recipe = recipe_without_labels(method, look, network, len(dataset))
        recipe = recipe or choose_recipe(look, network, len(dataset.classes), len(dataset))
    if method is not None:
        recipe = recipe.without_labels(method)
    if minutes is not None:
        recipe = replace(recipe, minutes=minutes)
    built = build(network, seed=seed)
    _check(recipe, network, built.dim, dataset, teacher)
    folder = _working_folder(out, resume=resume)

    if network.backbone != SMALL:
        export_onnx(
            built, channels=network.channels, size=network.size, name=network.backbone
        )  # refused now, not after
    cache = open_cache(dataset, folder, network.input_spec(), progress=watch_reading)
    for skipped in cache.dataset.skipped:
        logger.warning("left out %s: %s", skipped.name, skipped.reason)
    check(cache.dataset)
    network = with_statistics(network, cache.statistics())
    built = build(network, seed=seed)
    freeze(built, recipe.freeze)

    training, validation = split(cache, recipe, seed=seed)
    recipe = _settled(recipe, training)
    if teacher is not None:
        turns = 4 if recipe.quarter_turns else 1
        training = replace(training, lessons=lessons(teacher, cache.dataset, turns, progress=watch_reading))
    fabric = default_fabric(accelerator)
    trained = fit(
        built,
        training,
        validation,
        recipe,
        fabric=fabric,
        folder=folder,
        plan=describe(network, recipe, seed, teacher.fingerprint if teacher else None, *cache.hashes),
        seed=seed,
        resume=resume,
        watch=watch or (lambda moment: None),
    )
    built.load_state_dict(trained.weights)
    model = publish(built.cpu(), network, out, cache=cache, trained=trained, recipe=recipe, teacher=teacher, seed=seed)
    for name in ("checkpoint.pt", "pixels.u8", "pixels.json"):
        (folder / name).unlink(missing_ok=True)
    return model


def _method(method: SelfSupervised | None, recipe: Recipe | None) -> SelfSupervised | None:
    """The method that was asked for, by itself or by the recipe."""
    if method is not None and not isinstance(method, SelfSupervised):
        raise UsageError(f"{type(method).__name__} is no method without labels, such as SimCLR() or MoCo()")
    return method if method is not None or recipe is None else recipe.method


def _check(recipe: Recipe, network: Network, dim: int, dataset: Dataset, teacher: Model | None) -> None:
    """Raise what sampler and loss would raise of the whole data set, before its pictures are read."""
    if teacher is not None:
        _check_teacher(teacher, recipe, network)
    nothing = np.empty(0, np.uint8)
    if recipe.method is not None:
        if network.head != "sphere":
            raise UsageError(f"{recipe.method.name} compares on the sphere: give the network the head 'sphere'")
        _settled(recipe, unlabelled(nothing, len(dataset)))
        return
    sampler = recipe.batches(labelled(nothing, np.arange(len(dataset)), dataset.labels).pool(recipe), seed=0)
    with torch.random.fork_rng(devices=[]):
        metric = metric_of(recipe.loss(sampler.counts, dim))
    if metric.domain == "histograms" and network.head != "simplex":
        raise UsageError(f"the metric {metric.name} takes histograms: give the network the head 'simplex'")


def _check_teacher(teacher: Model, recipe: Recipe, network: Network) -> None:
    if recipe.method is not None:
        raise UsageError(f"a teacher stands beside a loss of labels, and {recipe.method.name} has none: leave one out")
    check_teacher(teacher)
    if network.head != "sphere":
        raise UsageError("a teacher tells similarities between vectors, and a simplex holds histograms")


def _settled(recipe: Recipe, training: Part) -> Recipe:
    """The recipe with all that its method left open chosen by the number of pictures, and told."""
    if recipe.method is None:
        return recipe
    sampler = recipe.batches(training.pool(recipe), seed=0)
    method = recipe.method.settled(batch=sampler.classes_per_batch, instances=sampler.targets)
    if method != recipe.method:
        logger.info("%s for %d pictures: %r", method.name, sampler.targets, method)
    return replace(recipe, method=method)


def _working_folder(out: Path, *, resume: bool) -> Path:
    folder = out.with_name(out.name + ".training")
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
    return folder


def default_fabric(accelerator: str) -> Fabric:
    """One device; bf16 autocast where the processor or the card computes in it, otherwise float32."""
    fabric = Fabric(accelerator=accelerator, devices=1, precision="32-true")
    if _computes_bf16(fabric.device):
        fabric = Fabric(accelerator=accelerator, devices=1, precision="bf16-mixed")
    return fabric


def _computes_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    can = torch.cpu.get_capabilities()
    return device.type == "cpu" and bool(can.get("avx512_bf16") or can.get("amx_bf16"))
