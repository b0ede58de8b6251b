"""From the words of the command line to networks, recipes and losses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from semelha.cli.losses import ChosenLoss, Loss, MetricName, MiningName
from semelha.errors import MissingExtra, UsageError
from semelha.images import Dataset

if TYPE_CHECKING:
    from semelha.deep import Network
    from semelha.deep.recipe import Recipe, SamplerFactory


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


class SamplerName(StrEnum):
    """The samplers by name."""

    perclass = "per-class"
    hierarchical = "hierarchical"
    balanced = "class-balanced"


@dataclass(frozen=True)
class Asked:
    """What was asked for of a network and its training, None for what was not.

    Most are settings of `Network` and `Recipe` by the same names; `pretrained` is "yes" or a path, `separator` is what
    stands between family and class in a label, for the hierarchical sampler.
    """

    backbone: str | None = None
    pretrained: str | None = None
    size: int | None = None
    channels: int | None = None
    dim: int | None = None
    pooling: Pooling | None = None
    loss: Loss | None = None
    mining: MiningName | None = None
    metric: MetricName | None = None
    memory: int | None = None
    sampler: SamplerName | None = None
    separator: str | None = None
    batch: int | None = None
    chunk: int | None = None
    accumulate: int | None = None
    checkpoint: bool | None = None
    compile: bool | None = None
    steps: int | None = None


def plan(dataset: Dataset, seed: int, asked: Asked = Asked()) -> tuple[Network, Recipe]:
    """What was asked for, and for the rest what the pictures ask for.

    Raises
    ------
    MissingExtra
        There is no torch.
    UsageError
        Words that do not go together.
    """
    try:
        from semelha.deep.recipe import Recipe, choose_network, choose_recipe, look_at
    except ModuleNotFoundError as error:
        raise MissingExtra(f'training needs {error.name}: pip install "semelha[train]"') from error
    loss = _loss(asked)
    look = look_at(dataset, seed=seed)
    of_network = {
        "backbone": asked.backbone,
        "pretrained": True if asked.pretrained == "yes" else asked.pretrained,
        "size": asked.size,
        "channels": asked.channels,
        "dim": asked.dim,
        "pooling": None if asked.pooling is None else asked.pooling.value,
        "head": None if loss is None else loss.head,
    }
    network = replace(choose_network(look), **_given(of_network))
    recipe = choose_recipe(look, network, len(dataset.classes), len(dataset), batch=asked.batch or Recipe.batch)
    # Who names another sampler wants its batches, and no look-alikes between them.
    alike = None if asked.sampler in (None, SamplerName.perclass) else 0.0
    of_recipe = {
        "loss": loss,
        "sampler": _sampler(asked),
        "lookalikes": alike,
        "chunk": asked.chunk,
        "accumulate": asked.accumulate,
        "checkpoint": asked.checkpoint,
        "compile": asked.compile,
        "steps": asked.steps,
    }
    if asked.memory is not None and asked.memory < recipe.batch:
        raise UsageError(f"--memory is {asked.memory}: it must hold a batch, {recipe.batch}, or more")
    return network, replace(recipe, **_given(of_recipe))


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _loss(asked: Asked) -> ChosenLoss | None:
    if asked.loss is not None:
        return ChosenLoss(asked.loss, asked.mining, asked.metric, asked.memory)
    if asked.mining is not None or asked.metric is not None or asked.memory is not None:
        raise UsageError(
            "--mining, --metric and --memory are for a loss of pairs: name one, such as --loss contrastive"
        )
    return None


def _sampler(asked: Asked) -> SamplerFactory | None:
    from semelha.deep import sampler as S

    if asked.separator is not None and asked.sampler != SamplerName.hierarchical:
        raise UsageError("--separator says where families end in labels: add --sampler hierarchical")
    if asked.sampler is None:
        return None
    kinds: dict[SamplerName, SamplerFactory] = {
        SamplerName.perclass: S.MPerClass,
        SamplerName.hierarchical: partial(S.Hierarchical, separator=asked.separator or "/"),
        SamplerName.balanced: S.ClassBalanced,
    }
    return kinds[asked.sampler]
