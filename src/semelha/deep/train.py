"""A training from data set to model folder: check, prepare, fit, publish."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict, is_dataclass, replace
from functools import partial
from pathlib import Path

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
from semelha.deep.recipe import Recipe, choose_network, choose_recipe, look_at
from semelha.deep.sampler import Pool
from semelha.deep.ssl import SelfSupervised, recipe_without_labels
from semelha.embedders import METRIC, Card, Model, write_model
from semelha.errors import TrainingError, UsageError
from semelha.images import Dataset, check_for_training, check_without_labels, split_classes

logger = logging.getLogger(__name__)

MOST_VALIDATED = 2000


def train_network(
    dataset: Dataset,
    *,
    out: Path,
    method: SelfSupervised | None = None,
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
    look = look_at(dataset, seed=seed)
    network = network or choose_network(look)
    if method is not None:
        recipe = (recipe or recipe_without_labels(method, look, network, len(dataset))).without_labels(method)
    recipe = recipe or choose_recipe(look, network, len(dataset.classes), len(dataset))
    if minutes is not None:
        recipe = replace(recipe, minutes=minutes)
    _check(recipe, network, dataset)
    folder = _working_folder(out, resume=resume)

    built = build(network, seed=seed)
    if network.backbone != SMALL:
        export_onnx(
            built, channels=network.channels, size=network.size, name=network.backbone
        )  # refused now, not after
    cache = open_cache(dataset, folder, network.input_spec(), progress=watch_reading)
    for skipped in cache.dataset.skipped:
        logger.warning("left out %s: %s", skipped.name, skipped.reason)
    check(cache.dataset)
    if not network.pretrained:
        mean, std = cache.statistics()
        network = replace(network, mean=round(mean, 4), std=round(std, 4))
        built = build(network, seed=seed)

    training, validation = _split(cache, recipe, seed=seed)
    recipe = _settled(recipe, training, seed=seed)
    fabric = default_fabric(accelerator)
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
    )
    built.load_state_dict(trained.weights)
    model = publish(built.cpu(), network, out, cache=cache, trained=trained, recipe=recipe, seed=seed)
    for name in ("checkpoint.pt", "pixels.u8", "pixels.json"):
        (folder / name).unlink(missing_ok=True)
    return model


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
    named = ("loss", "sampler", "method", "optimizer")
    of_labels = ("per_class", "lookalikes", "validation") if recipe.method is not None else ()
    settings = {k: v for k, v in asdict(recipe).items() if k not in named + of_labels}
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
            "optimizer": _named(recipe.optimizer),
            **_what_is_learned(recipe),
            "seed": seed,
            "data": cache.dataset.name,
            "pictures": len(cache.dataset),
            "skipped": len(cache.dataset.skipped),
            "steps_taken": trained.steps,
            "seconds": round(trained.seconds, 1),
            "torch": torch.__version__,
        },
        classes=[label for label in cache.dataset.classes if label],
        content_hashes=sorted(set(cache.hashes)),
        results={} if trained.score is None else {"r_at_1_on_held_out_classes": round(trained.score, 4)},
    )
    weights = {name: tensor.numpy() for name, tensor in built.state_dict().items()}
    learned = {METRIC + name: array for name, array in trained.metric.arrays().items()}
    return write_model(out, card=card, onnx=onnx, weights=weights | learned)


def _method(method: SelfSupervised | None, recipe: Recipe | None) -> SelfSupervised | None:
    """The method that was asked for, by itself or by the recipe."""
    if method is not None and not isinstance(method, SelfSupervised):
        raise UsageError(f"{type(method).__name__} is no method without labels, such as SimCLR() or MoCo()")
    return method if method is not None or recipe is None else recipe.method


def _check(recipe: Recipe, network: Network, dataset: Dataset) -> None:
    """Raise what sampler and loss would raise of the whole data set, before its pictures are read."""
    if recipe.method is not None:
        if network.head != "sphere":
            raise UsageError(f"{recipe.method.name} compares on the sphere: give the network the head 'sphere'")
        _settled(recipe, Part(np.empty(0, np.uint8), *_numbered(np.arange(len(dataset)))), seed=0)
        return
    labels, classes = np.unique(dataset.labels, return_inverse=True)
    sampler = recipe.batches(Pool(classes, tuple(map(str, labels)), recipe.quarter_turns), seed=0)
    with torch.random.fork_rng(devices=[]):
        metric = metric_of(recipe.loss(sampler.counts, network.dim))
    if metric.domain == "histograms" and network.head != "simplex":
        raise UsageError(f"the metric {metric.name} takes histograms: give the network the head 'simplex'")


def _settled(recipe: Recipe, training: Part, *, seed: int) -> Recipe:
    """The recipe with all that its method left open chosen by the number of pictures, and told."""
    if recipe.method is None:
        return recipe
    sampler = recipe.batches(Pool(training.classes, training.labels, recipe.quarter_turns), seed=seed)
    method = recipe.method.settled(batch=sampler.classes_per_batch, instances=sampler.targets)
    if method != recipe.method:
        logger.info("%s for %d pictures: %r", method.name, sampler.targets, method)
    return replace(recipe, method=method)


def _what_is_learned(recipe: Recipe) -> dict[str, object]:
    """Loss and sampler, or the method without labels and its settings, as a card keeps them."""
    if recipe.method is None:
        return {"loss": _named(recipe.loss), "sampler": _named(recipe.sampler)}
    settings = recipe.method
    assert is_dataclass(settings)
    return {"method": recipe.method.name, "arguments": asdict(settings)}


def _named(factory: Callable[..., object]) -> str:
    """What a card calls it: the name of a function or class, with the settings of a `partial`."""
    if isinstance(factory, partial):
        settings = ", ".join(f"{name}={value!r}" for name, value in factory.keywords.items())
        return f"{_named(factory.func)}({settings})"
    return getattr(factory, "__name__", None) or str(factory)


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


def _split(cache: PixelCache, recipe: Recipe, *, seed: int) -> tuple[Part, Part | None]:
    """Training pictures, and those of the classes that the best weights are chosen by (none below 10 classes).

    Without labels all pictures, each a class of its own, and none to choose by.
    """
    if recipe.method is not None:
        return Part(cache.pixels, *_numbered(np.arange(len(cache.dataset)))), None
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


def _numbered(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
    """Rows, classes and labels of a part in which every picture is a class of its own."""
    return rows, np.arange(len(rows)), tuple(map(str, rows))


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
