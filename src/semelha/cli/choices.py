"""From the words of the command line to networks, recipes and losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from semelha.errors import MissingExtra
from semelha.images import Dataset

if TYPE_CHECKING:
    from semelha.deep import Network, Recipe


class Loss(StrEnum):
    """The losses by name."""

    supcon = "supcon"
    ntxent = "nt-xent"
    crossentropy = "cross-entropy"
    normalized = "normalized-softmax"
    cosface = "cosface"
    arcface = "arcface"
    contrastive = "contrastive"
    triplet = "triplet"
    semihard = "triplet-semi-hard"
    hard = "triplet-hard"


class Pooling(StrEnum):
    """The poolings by name."""

    average = "average"
    gem = "gem"


class Method(StrEnum):
    """The learners without a network, by name."""

    pca = "pca-whitening"
    lda = "lda"
    rca = "rca"
    lfda = "lfda"
    kissme = "kissme"
    xqda = "xqda"
    gmml = "gmml"
    itml = "itml"
    nca = "nca"
    lmnn = "lmnn"
    ncmml = "ncmml"
    boostmetric = "boostmetric"
    ranksvm = "ranksvm"
    boosted = "boosted-similarity"


class FeatureName(StrEnum):
    """The features by name."""

    first_order = "first-order"
    histogram = "histogram"
    hog = "hog"
    pixels = "pixels"


def plan(
    dataset: Dataset,
    seed: int,
    backbone: str | None = None,
    pretrained: str | None = None,
    size: int | None = None,
    channels: int | None = None,
    dim: int | None = None,
    pooling: Pooling | None = None,
    loss: Loss | None = None,
    steps: int | None = None,
) -> tuple[Network, Recipe]:
    """What was asked for, and for the rest what the pictures ask for."""
    try:
        from semelha.deep.recipe import choose_network, choose_recipe, look_at
    except ModuleNotFoundError as error:
        raise MissingExtra(f'training needs {error.name}: pip install "semelha[train]"') from error
    look = look_at(dataset, seed=seed)
    asked: dict[str, Any] = {
        "backbone": backbone,
        "pretrained": True if pretrained == "yes" else pretrained,
        "size": size,
        "channels": channels,
        "dim": dim,
        "pooling": None if pooling is None else pooling.value,
    }
    network = replace(choose_network(look), **{name: value for name, value in asked.items() if value is not None})
    recipe = choose_recipe(look, network, len(dataset.classes), len(dataset))
    if loss is not None:
        recipe = replace(recipe, loss=losses()[loss])
    return network, recipe if steps is None else replace(recipe, steps=steps)


def losses() -> dict[Loss, Callable[[int, int], Any]]:
    """Makers of losses, each from the number of classes and the length of the embedding."""
    from semelha.deep import losses as L

    return {
        Loss.supcon: lambda classes, dim: L.SupCon(temperature=0.05),
        Loss.ntxent: lambda classes, dim: L.NTXent(temperature=0.05),
        Loss.crossentropy: L.CrossEntropy,
        Loss.normalized: lambda classes, dim: L.MarginSoftmax(classes, dim, margin=L.NoMargin()),
        Loss.cosface: lambda classes, dim: L.MarginSoftmax(classes, dim, margin=L.CosFace()),
        Loss.arcface: lambda classes, dim: L.MarginSoftmax(classes, dim, margin=L.ArcFace()),
        Loss.contrastive: lambda classes, dim: L.Contrastive(),
        Loss.triplet: lambda classes, dim: L.Triplet(mining=L.All()),
        Loss.semihard: lambda classes, dim: L.Triplet(mining=L.SemiHard()),
        Loss.hard: lambda classes, dim: L.Triplet(mining=L.Hard()),
    }
