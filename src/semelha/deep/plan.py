"""What a training is to be: what was given, what is chosen where nothing was, and what does not go together."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import torch

from semelha.deep.distributed import ProcessGroup
from semelha.deep.losses import PairLoss
from semelha.deep.metric_layer import metric_of
from semelha.deep.network import Network
from semelha.deep.recipe import Recipe, choose_network, choose_recipe, look_at
from semelha.deep.ssl import SelfSupervised, recipe_without_labels
from semelha.deep.subsets import PictureSubset, labelled, unlabelled
from semelha.deep.teacher import check_teacher
from semelha.embedders import Model
from semelha.errors import UsageError
from semelha.images import Dataset
from semelha.metrics import Cosine, Metric

logger = logging.getLogger(__name__)


def planned(
    dataset: Dataset,
    method: SelfSupervised | None,
    network: Network | None,
    recipe: Recipe | None,
    minutes: float | None,
    seed: int,
) -> tuple[Network, Recipe]:
    """What was given, and what the pictures and the minutes ask for where nothing was."""
    if network is None or recipe is None:
        look = look_at(dataset, seed=seed)
        chosen = network or choose_network(look, classes=len(dataset.classes) if method is None else None)
        if recipe is None and method is not None:
            recipe = recipe_without_labels(method, look, chosen, len(dataset), minutes=minutes)
        recipe = recipe or choose_recipe(look, chosen, len(dataset.classes), len(dataset), minutes=minutes)
        if network is None and method is None and _metric(recipe, chosen.dim or 0, dataset).name != Cosine.name:
            chosen = replace(chosen, readout="head")
        network = chosen
    if method is not None:
        recipe = recipe.without_labels(method)
    if minutes is not None:
        recipe = replace(recipe, minutes=minutes)
    return network, recipe


def method_of(method: SelfSupervised | None, recipe: Recipe | None) -> SelfSupervised | None:
    """The method that was asked for, by itself or by the recipe."""
    if method is not None and not isinstance(method, SelfSupervised):
        raise UsageError(f"{type(method).__name__} is no method without labels, such as SimCLR() or MoCo()")
    return method if method is not None or recipe is None else recipe.method


def settled(recipe: Recipe, training: PictureSubset) -> Recipe:
    """The recipe with all that its method left open chosen by the number of pictures, and told."""
    if recipe.method is None:
        return recipe
    sampler = recipe.batches(training.pool(recipe), seed=0)
    method = recipe.method.resolve(batch=sampler.classes_per_batch, instances=sampler.targets)
    if method != recipe.method:
        logger.info("%s for %d pictures: %r", method.name, sampler.targets, method)
    return replace(recipe, method=method)


def check_plan(
    recipe: Recipe, network: Network, dim: int, dataset: Dataset, teacher: Model | None, group: ProcessGroup
) -> None:
    """Raise what does not go together, before the pictures are read."""
    if recipe.batch < 2 * group.size:
        raise UsageError(f"a batch of {recipe.batch} is too small for {group.size} processes: give each two pictures")
    if group.size > 1 and recipe.chunk == 3:
        raise UsageError("a chunk is 3 pictures: in several processes it must be 4 or more")
    if teacher is not None:
        _check_teacher(teacher, recipe, network)
    if recipe.method is not None:
        _check_without_labels(recipe, network, unlabelled(np.empty(0, np.uint8), len(dataset)), group)
        return
    metric = _metric(recipe, dim, dataset)
    if metric.domain == "histograms" and network.head != "simplex":
        raise UsageError(f"the metric {metric.name} takes histograms: give the network the head 'simplex'")
    if network.readout == "layers" and metric.name != Cosine.name:
        raise UsageError(f"the metric {metric.name} is of what the head gives: give the network the readout 'head'")


def _check_without_labels(recipe: Recipe, network: Network, training: PictureSubset, group: ProcessGroup) -> None:
    method = settled(recipe, training).method
    assert method is not None
    if network.head != "sphere":
        raise UsageError(f"{method.name} compares on the sphere: give the network the head 'sphere'")
    batch = recipe.batches(training.pool(recipe), seed=0).classes_per_batch
    if batch % group.size:
        raise UsageError(
            f"{method.name} gives each process as many pictures of a batch, and {batch} are not to be shared evenly by "
            f"{group.size} processes: make the batch a multiple of that"
        )


def _check_teacher(teacher: Model, recipe: Recipe, network: Network) -> None:
    if recipe.method is not None:
        raise UsageError(f"a teacher stands beside a loss of labels, and {recipe.method.name} has none: leave one out")
    check_teacher(teacher)
    if network.head != "sphere":
        raise UsageError("a teacher tells similarities between vectors, and a simplex holds histograms")


def _metric(recipe: Recipe, dim: int, dataset: Dataset) -> Metric:
    """The metric of the recipe's loss. Raises what sampler and loss would raise of the whole data set."""
    everything = labelled(np.empty(0, np.uint8), np.arange(len(dataset)), dataset.labels)
    sampler = recipe.batches(everything.pool(recipe), seed=0)
    with torch.random.fork_rng(devices=[]):
        loss = recipe.loss(sampler.counts, dim)
    if isinstance(loss, PairLoss) and not recipe.lookalikes and len(set(sampler.batch(0).targets)) == recipe.batch:
        raise UsageError(
            f"{type(loss).__name__} compares pictures of one class, and a batch of {recipe.batch} by "
            f"{type(sampler).__name__} has no two of any: give the loss a memory, or take another sampler"
        )
    return metric_of(loss)
