"""Train a network: plan, decode the pictures, run the loop, publish the model folder."""

from __future__ import annotations

import copy
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray

from semelha.deep.cache import PictureSubset, open_cache, split
from semelha.deep.checkpoint import describe
from semelha.deep.curves import Curves
from semelha.deep.distributed import ProcessGroup, launched_processes, local_device_index, process_group
from semelha.deep.export import export_onnx
from semelha.deep.frozen import TrainedParts, feature_views, is_fixed_before_head, on_features
from semelha.deep.gradcache import enable_gradient_checkpointing
from semelha.deep.loop import Callback, LoopSettings, Trained, TrainingProgress, fit, validate
from semelha.deep.machines import check_equal, copy_to_each, find_disk, remove_files
from semelha.deep.memory import freed_memory_kept
from semelha.deep.network import EmbeddingNet, Network, build, with_statistics
from semelha.deep.optimizer import freeze
from semelha.deep.plan import plan_network, resolve_method
from semelha.deep.publish import publish
from semelha.deep.readout import MultiLayerNet, fit_layer_readout, sample_places
from semelha.deep.recipe import Recipe, TrainingSettings
from semelha.deep.shards import collected, in_order, open_sharded_cache, own_places, sharded_statistics
from semelha.deep.ssl import SelfSupervised
from semelha.deep.stages import StageNet, fit_stage_readout
from semelha.deep.teacher import embed_turns
from semelha.deep.throughput import PASSES, describe_rate, measure_throughput
from semelha.deep.without_training import network_of
from semelha.embedders import Model, load_embedder
from semelha.errors import TrainingError
from semelha.files import check_writable, remove_partial_files
from semelha.images import Dataset, Progress, check_for_training, check_without_labels, found_by_decoding

logger = logging.getLogger(__name__)

MIN_SECONDS = 5.0
"""Of steps, however late it is."""


@freed_memory_kept()
def train_network(
    dataset: Dataset,
    *,
    out: Path,
    method: SelfSupervised | None = None,
    network: Network | None = None,
    recipe: Recipe | None = None,
    settings: TrainingSettings = TrainingSettings(),
    teacher: Model | None = None,
    from_model: Model | None = None,
    minutes: float | None = None,
    deadline: float | None = None,
    seed: int = 0,
    resume: bool = False,
    accelerator: str = "auto",
    callback: Callback | None = None,
    reading_progress: Progress | None = None,
    loop: LoopSettings = LoopSettings(),
    curves: Curves | None = None,
) -> Model:
    """Learn an embedding from `dataset` and write it to the model folder `out`.

    Called in several processes that `torchrun` started, it is one training in all of them (docs/devices.md). During the
    training, pictures, checkpoint and log (JSON lines) are in the folder `out` + ".training"; only the log stays there.
    Machines need no common disk: each decodes the pictures for itself, rank 0 writes checkpoint, log and model, and the
    model is copied to the others at the end.

    Parameters
    ----------
    dataset : Dataset
        At least two classes, one of them with two pictures or more. With a method, eight pictures or more, whose
        labels are ignored and may be "".
    method : SelfSupervised, optional
        Learn without labels: `SimCLR()`, `MoCo()` or `MoCoV3()` of `semelha.deep.ssl`.
    deadline : float, optional
        When all should be done, of `time.monotonic()`: the steps are over as much sooner as the readout takes.
    loop : LoopSettings, optional
        How often it saves, validates and logs.
    curves : Curves, optional
        Written by the process of rank 0.
    out, network, recipe, settings, teacher, from_model, minutes, seed, resume, accelerator, callback, reading_progress
        As for `semelha.train`.

    Raises
    ------
    DatasetError, TrainingError, UsageError, BackboneError, PretrainedUnavailable
    """
    fabric = default_fabric(accelerator)
    with process_group(fabric.device) as group:
        check_writable(out, is_folder=True, error=TrainingError)
        if curves is not None:
            group.on_rank_zero(curves.open)
        planned = plan_network(
            dataset,
            method=method,
            network=network,
            recipe=recipe,
            settings=settings,
            teacher=teacher,
            from_model=from_model,
            minutes=minutes,
            seed=seed,
            processes=group.size,
        )
        network, recipe = planned.network, planned.recipe
        built = build(network, seed=seed)
        folder = out.with_name(out.name + ".training")
        listed = "\n".join(f"{picture.name}\t{picture.label}\t{picture.split}" for picture in dataset)
        check_equal(f"{network} {seed} {listed}", group, "pictures or settings")
        make_folder = partial(make_training_folder, folder, resume=resume)
        group.on_rank_zero(make_folder)
        disk = find_disk(folder, group)
        group.where(disk.is_led and not group.is_rank_zero, make_folder)

        if recipe.checkpoint:
            enable_gradient_checkpointing(copy.deepcopy(built))  # fails now, not after the training
        if not network.own:
            group.on_rank_zero(
                partial(export_onnx, built, channels=network.channels, size=network.size, name=network.backbone)
            )
        spec, progress = network.input_spec(), reading_progress if group.is_rank_zero else None
        if recipe.shards > 1:
            cache = open_sharded_cache(dataset, folder, spec, recipe.shards, group, progress=progress)
        else:
            made = disk.on_each(partial(open_cache, dataset, folder, spec, progress=progress))
            cache = made or open_cache(dataset, folder, spec)
        for text in found_by_decoding(dataset, cache.dataset, cache.hashes) if group.is_rank_zero else ():
            logger.warning(text)
        (check_for_training if recipe.method is None else check_without_labels)(cache.dataset)
        of_pictures = sharded_statistics(cache, recipe.shards, group) if recipe.shards > 1 else cache.statistics()
        network = with_statistics(network, of_pictures)
        built = build(network, seed=seed)
        if from_model is not None:
            built.load_state_dict(network_of(from_model).state_dict())
        freeze(built, recipe.freeze)
        training, validation = split(cache, recipe, seed=seed)
        recipe = resolve_method(recipe, training)
        if teacher is not None:
            turns = 4 if recipe.quarter_turns else 1
            own = own_places(cache.shards, len(cache.dataset), recipe.shards, group)
            vectors = _teacher_vectors(teacher, cache.dataset, own, turns, progress, group)
            training = replace(training, teacher_vectors=vectors)
        first = () if from_model is None else (from_model.fingerprint,)
        same = replace(recipe, strategy="replicated")  # a checkpoint is the same with every strategy
        plan = describe(network, same, seed, teacher.fingerprint if teacher else None, *first, *cache.hashes)
        check_equal(plan, group, "pictures")
        parts: TrainedParts = built, training, validation, _until(deadline, recipe, built, network, training, fabric)
        if is_fixed_before_head(built, recipe):
            start = time.monotonic()
            of_device = partial(feature_views, device=fabric.device, seed=seed, clean=cache.dataset.is_clean)
            compute = partial(of_device, built, network.input_spec(), cache.pixels, recipe, folder=folder, key=plan)
            views = disk.on_each(compute) or compute()
            parts = on_features(*parts, views, spent=time.monotonic() - start)
        if curves is not None and group.is_rank_zero:
            curves.describe({**network.as_card(), **recipe.as_card()})
        trained = fit(
            *parts,
            fabric=fabric,
            folder=folder,
            plan=plan,
            seed=seed,
            resume=resume,
            callback=_with_curves(callback, curves),
            processes=group,
            loop=loop,
        )
        built.load_state_dict({**built.state_dict(), **trained.weights})

        places = sample_places(len(training.rows), seed=seed)
        if recipe.shards > 1 and network.readout != "head":
            training = collected(training, places, recipe.shards, group)
            places = np.arange(len(places))
            if validation is not None:
                validation = collected(validation, np.arange(len(validation.rows)), recipe.shards, group)

        def publish_result() -> Model:
            read, result = _with_readout(built, network, training, places, validation, trained, recipe, seed)
            models = {"teacher": teacher, "from_model": from_model}
            return publish(read, network, out, cache=cache, trained=result, recipe=recipe, seed=seed, **models)

        published = group.on_rank_zero(publish_result)
        copy_to_each(out, disk)
        if disk.is_led:
            remove_files(folder, "checkpoint.pt", "pixels.*", "view*")
        return published or load_embedder(out)


def _with_curves(callback: Callback | None, curves: Curves | None) -> Callback:
    """A callback that also writes the curves. The loop calls it in the process of rank 0 only."""

    def both(progress: TrainingProgress) -> None:
        if callback is not None:
            callback(progress)
        if curves is not None:
            curves.add(progress)

    return both


def _until(
    deadline: float | None,
    recipe: Recipe,
    built: EmbeddingNet,
    network: Network,
    training: PictureSubset,
    fabric: Fabric,
) -> Recipe:
    """The recipe with the minutes that are left before the readout. Warns if they are few for the pictures."""
    is_fast = network.own or is_fixed_before_head(built, recipe)
    if is_fast and deadline is None:
        return recipe
    learning, embedding = measure_throughput(built, training.pixels.shape[1:], fabric)
    seconds = 60 * recipe.minutes
    if deadline is not None:
        after = 0 if network.readout == "head" else len(sample_places(len(training.rows), seed=0)) / embedding
        seconds = min(seconds, max(MIN_SECONDS, deadline - time.monotonic() - after))
        recipe = replace(recipe, minutes=seconds / 60)
    few = learning * seconds < PASSES * len(training.rows)
    if few and not is_fast:
        logger.warning(
            "%s, where %d are usual: allow more minutes, or freeze the backbone (--freeze 1)",
            describe_rate(learning, len(training.rows), seconds),
            PASSES,
        )
    return recipe


def _with_readout(
    built: EmbeddingNet,
    network: Network,
    training: PictureSubset,
    places: NDArray[np.int64],
    validation: PictureSubset | None,
    trained: Trained,
    recipe: Recipe,
    seed: int,
) -> tuple[EmbeddingNet | MultiLayerNet | StageNet, Trained]:
    """The network that gives the embedding, with a readout of the pictures at `places`, and the result with its R@1."""
    if network.readout == "head":
        return built, trained
    read: MultiLayerNet | StageNet
    if network.readout == "stages":
        read = fit_stage_readout(built, training, places)
    else:
        assert network.dim is not None
        pixels = training.read(places)
        read = fit_layer_readout(built, pixels, network.dim, augmentation=recipe.augmentation, seed=seed)
    score = None if validation is None else validate(read, validation, trained.metric, torch.device("cpu"))
    return read, replace(trained, score=score)


def _teacher_vectors(
    teacher: Model,
    dataset: Dataset,
    places: NDArray[np.int64],
    turns: int,
    progress: Progress | None,
    group: ProcessGroup,
) -> NDArray[np.float32]:
    """`embed_turns`, of which each process computes the pictures at its places: (turns, pictures, d)."""
    own = embed_turns(teacher, dataset.select(places.tolist()), turns, progress=progress)
    parts = in_order(torch.from_numpy(own.swapaxes(0, 1)), places, group)
    return np.ascontiguousarray(parts.numpy().swapaxes(0, 1))


def make_training_folder(folder: Path, *, resume: bool) -> None:
    """Make the folder of a training. Raises `TrainingError` if it has an interrupted one, or cannot be written."""
    if (folder / "checkpoint.pt").exists() and not resume:
        raise TrainingError(
            f"{folder} holds an interrupted training: continue it with resume (--resume), or remove the folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_partial_files(folder)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise TrainingError(f"{folder} cannot be written: {error.strerror}") from error
    if not resume:
        (folder / "log.jsonl").unlink(missing_ok=True)
    if free < 64 * 2**20:
        raise TrainingError(f"{folder} has {free >> 20} MB free: a training needs at least 64 MB")


def default_fabric(accelerator: str) -> Fabric:
    """One device for each process; bf16 autocast on devices that compute in bf16, otherwise float32.

    Raises `TrainingError` if there are more processes than graphics cards.
    """
    fabric = Fabric(accelerator=accelerator, devices=1, precision="32-true")
    if launched_processes() > 1 and fabric.device.type != "cpu":
        fabric = Fabric(accelerator=accelerator, devices=[local_device_index()], precision="32-true")
    if _computes_bf16(fabric.device):
        own: Any = 1 if fabric.device.index is None else [fabric.device.index]
        with _without_notes():
            fabric = Fabric(accelerator=accelerator, devices=own, precision="bf16-mixed")
    return fabric


@contextmanager
def _without_notes() -> Iterator[None]:
    """Without Lightning's note on the precision, which it repeats for each training."""
    notes = logging.getLogger("lightning.fabric.utilities.rank_zero")
    before = notes.level
    notes.setLevel(logging.WARNING)
    try:
        yield
    finally:
        notes.setLevel(before)


def _computes_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    can = torch.cpu.get_capabilities()
    return device.type == "cpu" and bool(can.get("avx512_bf16") or can.get("amx_bf16"))
