"""The planner: pictures and explicit settings → the network and recipe of a training, checked, with reasons."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import nn

from semelha.arguments import check_types
from semelha.deep.cache import PictureSubset, labelled, unlabelled
from semelha.deep.defaults import (
    PictureStats,
    choose_network,
    choose_recipe,
    choose_recipe_without_labels,
    default_warmup,
    explain_network,
    explain_recipe,
    inspect_pictures,
    with_lars,
    with_sgd,
)
from semelha.deep.losses import CrossBatchMemory, NPair, PairLoss
from semelha.deep.metric_layer import metric_of
from semelha.deep.network import SMALL, Network
from semelha.deep.recipe import Recipe, TrainingSettings
from semelha.deep.sampler import MPerClass
from semelha.deep.ssl import SelfSupervised
from semelha.embedders import Model
from semelha.errors import UsageError
from semelha.images import Dataset, check_for_training, check_without_labels
from semelha.metrics import Metric

logger = logging.getLogger(__name__)

NOMINAL_DIM = 64
"""Dimension of the embedding for which a loss is made only to find its metric."""


@dataclass(frozen=True)
class NetworkPlan:
    """The network and recipe of a training, and why each default was chosen, in sentences."""

    network: Network
    recipe: Recipe
    reasons: tuple[str, ...]


@check_types
def plan_network(
    dataset: Dataset,
    *,
    method: SelfSupervised | None = None,
    network: Network | None = None,
    recipe: Recipe | None = None,
    settings: TrainingSettings = TrainingSettings(),
    teacher: Model | None = None,
    from_model: Model | None = None,
    minutes: float | None = None,
    seed: int = 0,
    processes: int = 1,
) -> NetworkPlan:
    """Choose network and recipe unless they are passed, apply the settings, and check that everything goes together.

    The arguments are those of `semelha.train`, and the number of processes that share each batch. A sample of the
    pictures is inspected if network or recipe must be chosen.

    Raises
    ------
    DatasetError
        Too few pictures or classes.
    UsageError
        Settings that do not go together.
    BackboneError, PretrainedUnavailable
        The backbone names weights whose `config.json` is not available or wrong.
    """
    if method is None and recipe is not None:
        method = recipe.method
    (check_for_training if method is None else check_without_labels)(dataset)
    _check_settings(settings, method, teacher)
    if from_model is not None:
        network = _network_of(from_model, network, settings)
    stats = None if network and recipe else inspect_pictures(dataset, seed=seed)
    classes = None if method else len(dataset.classes)
    planned = _network(stats, network, settings, classes)
    made = _recipe(stats, planned, dataset, method, recipe, settings, minutes)
    if method is None:
        loss = _loss(made, planned.dim or NOMINAL_DIM, dataset)
        metric = metric_of(loss)
        if recipe is None and isinstance(loss, NPair):
            made = replace(made, per_class=2)  # it uses no third picture of a class
        if network is None:
            planned = _for_metric(planned, metric, settings)
        _check_metric(planned, metric)
    _check_batches(made, planned, dataset, processes)
    if teacher is not None:
        _check_teacher(teacher, made, planned)
    reasons = []
    if from_model is not None:
        reasons.append(f"Network, input and first weights are those of {from_model.card.name}.")
    if stats is not None and network is None:
        reasons += explain_network(stats, planned, classes, settings)
    if stats is not None and recipe is None:
        reasons += explain_recipe(stats, planned, made, dataset, settings)
    return NetworkPlan(planned, made, tuple(reasons))


@check_types
def plan_feature_extractor(
    dataset: Dataset,
    *,
    network: Network | None = None,
    settings: TrainingSettings = TrainingSettings(),
    seed: int = 0,
) -> tuple[Network, tuple[str, ...]]:
    """The network that is used without training, and the reasons for it.

    Raises `UsageError` for other settings, and for weights that are named as `plan_network`.
    """
    own = ("backbone", "pretrained", "size", "channels", "pooling")
    if others := [name for name in settings.explicit() if name not in own]:
        raise UsageError(f"method none trains nothing and takes {', '.join(own)} alone: leave out {', '.join(others)}")
    stats = None if network else inspect_pictures(dataset, seed=seed)
    planned = replace(_network(stats, network, settings, None), dim=None, head="sphere", readout="head")
    return planned, () if stats is None else tuple(explain_network(stats, planned, None, settings))


def resolve_method(recipe: Recipe, training: PictureSubset) -> Recipe:
    """The recipe with the settings that its method derives from the number of pictures, which are logged."""
    if recipe.method is None:
        return recipe
    sampler = recipe.make_sampler(training.pool(recipe), seed=0)
    method = recipe.method.resolve(batch=sampler.classes_per_batch, instances=sampler.targets)
    if method != recipe.method:
        logger.info("%s for %d pictures: %r", method.name, sampler.targets, method)
    return replace(recipe, method=method)


def _check_settings(settings: TrainingSettings, method: SelfSupervised | None, teacher: Model | None) -> None:
    of_labels = [name for name in ("loss", "sampler") if name in settings.explicit()]
    if method is not None and of_labels:
        raise UsageError(f"{method.name} learns without labels: leave out {' and '.join(of_labels)}")
    if method is None and settings.optimizer is not None:
        raise UsageError("an optimizer is chosen for a method without labels alone, such as simclr")
    if settings.teaching is not None and teacher is None:
        raise UsageError("teaching is the weight of a teacher: give a teacher too")


def _network_of(model: Model, network: Network | None, settings: TrainingSettings) -> Network:
    """The network of a model whose training goes on. Raises `UsageError` or `ModelError`."""
    if model.card.input is None or not model.card.network:
        raise UsageError(f"from_model is {model.card.name}, which has no network: name a model that was trained as one")
    names = ("backbone", "pretrained", "size", "channels", "dim", "stem", "pooling")
    conflicts = [name for name in names if name in settings.explicit()]
    if network is not None or conflicts:
        raise UsageError(
            f"network and input are those of {model.card.name}: leave out {', '.join(conflicts) or 'network'}"
        )
    return Network.of_card(model.card)


def _network(
    stats: PictureStats | None, network: Network | None, settings: TrainingSettings, classes: int | None
) -> Network:
    fields = settings.network_fields()
    if network is None:
        assert stats is not None
        backbone, pretrained = fields.pop("backbone", SMALL), fields.pop("pretrained", None)
        network = choose_network(stats, backbone=backbone, pretrained=pretrained, classes=classes)
    return replace(network, **fields).resolved()


def _recipe(
    stats: PictureStats | None,
    network: Network,
    dataset: Dataset,
    method: SelfSupervised | None,
    recipe: Recipe | None,
    settings: TrainingSettings,
    minutes: float | None,
) -> Recipe:
    """The recipe, chosen by default, with the settings and what follows from them."""
    recipe_fields = settings.recipe_fields()
    if recipe is None:
        assert stats is not None
        batch, pictures = settings.batch, len(dataset)
        if method is not None:
            recipe = choose_recipe_without_labels(method, stats, network, pictures, batch=batch, minutes=minutes)
        else:
            classes = len(dataset.classes)
            recipe = choose_recipe(stats, network, classes, pictures, batch=batch or Recipe.batch, minutes=minutes)
        if settings.steps is not None:
            recipe_fields["warmup"] = default_warmup(settings.steps)
    if settings.sampler not in (None, MPerClass):
        recipe_fields["lookalikes"] = 0.0  # they would replace half of the sampler's batches
    optimizers = {"lars": with_lars, "sgd": with_sgd}
    if settings.optimizer in optimizers:
        recipe = optimizers[settings.optimizer](recipe)
    if minutes is not None:
        recipe_fields["minutes"] = minutes
    recipe = replace(recipe, **recipe_fields)
    return recipe if method is None else recipe.without_labels(method)


def _for_metric(network: Network, metric: Metric, settings: TrainingSettings) -> Network:
    """The network with the head and readout that the metric needs, unless they are explicit."""
    head: Literal["sphere", "simplex"] = "sphere" if metric.domain == "vectors" else "simplex"
    by_head = not metric.is_cosine and settings.readout is None
    return replace(network, head=head, readout="head" if by_head else network.readout)


def _loss(recipe: Recipe, dim: int, dataset: Dataset) -> nn.Module:
    """The loss of the recipe, for these pictures. Raises `UsageError` if it cannot learn from the batches."""
    everything = labelled(np.empty(0, np.uint8), np.arange(len(dataset)), dataset.labels)
    sampler = recipe.make_sampler(everything.pool(recipe), seed=0)
    with torch.random.fork_rng(devices=[]):
        loss = recipe.loss(sampler.counts, dim)
    without_pairs = len(set(sampler.batch(0).targets)) == recipe.batch
    if isinstance(loss, PairLoss) and not recipe.lookalikes and without_pairs:
        raise UsageError(
            f"{type(loss).__name__} compares pictures of one class, and a batch of {recipe.batch} by "
            f"{type(sampler).__name__} has no two of any: give the loss a memory, or take another sampler"
        )
    for part in loss.modules():
        if isinstance(part, CrossBatchMemory) and part.size < recipe.batch:
            raise UsageError(f"the memory holds {part.size} embeddings: it must hold a batch, {recipe.batch}, or more")
    return loss


def _check_metric(network: Network, metric: Metric) -> None:
    if metric.domain == "histograms" and network.head != "simplex":
        raise UsageError(f"the metric {metric.name} compares histograms: give the network the head 'simplex'")
    if network.readout != "head" and not metric.is_cosine:
        raise UsageError(f"the metric {metric.name} compares outputs of the head: give the network the readout 'head'")


def _check_batches(recipe: Recipe, network: Network, dataset: Dataset, processes: int) -> None:
    if recipe.batch < 2 * processes:
        raise UsageError(f"a batch of {recipe.batch} is too small for {processes} processes: give each two pictures")
    if 1 < recipe.shards < processes:
        raise UsageError(f"{processes} processes cannot divide {recipe.shards} shards: make them {processes} or more")
    if processes > 1 and recipe.chunk == 3:
        raise UsageError("a chunk is 3 pictures: in several processes it must be 4 or more")
    if recipe.method is None:
        return
    training = unlabelled(np.empty(0, np.uint8), len(dataset))
    method = resolve_method(recipe, training).method
    assert method is not None
    if network.head != "sphere":
        raise UsageError(f"{method.name} compares on the sphere: give the network the head 'sphere'")
    batch = recipe.make_sampler(training.pool(recipe), seed=0).classes_per_batch
    if batch % processes:
        raise UsageError(
            f"{method.name} gives each process the same number of pictures, and a batch of {batch} cannot be divided "
            f"among {processes} processes: make the batch a multiple of {processes}"
        )


def _check_teacher(teacher: Model, recipe: Recipe, network: Network) -> None:
    if recipe.method is not None:
        raise UsageError(f"a teacher is added to a loss of labels, and {recipe.method.name} has none: leave one out")
    if not teacher.metric.is_cosine:
        raise UsageError(
            f"a teacher's vectors are compared by cosine, and those of {teacher.folder} by {teacher.metric.name}"
        )
    if network.head != "sphere":
        raise UsageError("a teacher gives similarities between vectors, and the head 'simplex' gives histograms")
