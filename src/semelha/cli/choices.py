"""From the words of the command line to networks, recipes and losses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from semelha.cli.losses import ChosenLoss, Loss, MetricName, MiningName
from semelha.cli.names import Method, OptimizerName, Pooling, Readout, SamplerName, Stem
from semelha.errors import MissingExtra, UsageError
from semelha.images import Dataset

if TYPE_CHECKING:
    from semelha.deep import Network
    from semelha.deep.recipe import Look, Recipe, SamplerFactory


@dataclass(frozen=True)
class Asked:
    """What was asked for of a network and its training, None for what was not.

    Most are settings of `Network` and `Recipe` by the same names; `pretrained` is "yes" or a path, `separator` is what
    stands between family and class in a label, for the hierarchical sampler; `method` is one without labels.
    """

    backbone: str | None = None
    pretrained: str | None = None
    size: int | None = None
    channels: int | None = None
    dim: int | None = None
    stem: Stem | None = None
    pooling: Pooling | None = None
    readout: Readout | None = None
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
    learning_rate: float | None = None
    layer_decay: float | None = None
    freeze: float | None = None
    teaching: float | None = None
    method: Method | None = None
    optimizer: OptimizerName | None = None


def plan(dataset: Dataset, seed: int, asked: Asked = Asked(), minutes: float | None = None) -> tuple[Network, Recipe]:
    """What was asked for, and for the rest what the pictures and the minutes ask for.

    Raises
    ------
    MissingExtra
        There is no torch.
    UsageError
        Words that do not go together.
    """
    try:
        from semelha.deep.recipe import Recipe, choose_recipe, look_at
    except ModuleNotFoundError as error:
        raise MissingExtra(f'training needs {error.name}: pip install "semelha[train]"') from error
    _check_labels(asked)
    loss = _loss(asked)
    look = look_at(dataset, seed=seed)
    network = _network(look, asked, loss, classes=len(dataset.classes) if asked.method is None else None)
    if asked.method is not None:
        recipe = _without_labels(dataset, look, network, asked, minutes)
    else:
        classes, pictures, batch = len(dataset.classes), len(dataset), asked.batch or Recipe.batch
        recipe = choose_recipe(look, network, classes, pictures, batch=batch, minutes=minutes)
    # Who names another sampler wants its batches, and no look-alikes between them.
    alike = None if asked.sampler in (None, SamplerName.perclass) else 0.0
    of_recipe = {
        "loss": loss,
        "per_class": 2 if asked.loss == Loss.npair else None,  # it looks at no third
        "sampler": _sampler(asked),
        "lookalikes": alike,
        "chunk": asked.chunk,
        "accumulate": asked.accumulate,
        "checkpoint": asked.checkpoint,
        "compile": asked.compile,
        "steps": asked.steps,
        "learning_rate": asked.learning_rate,
        "layer_decay": asked.layer_decay,
        "freeze": asked.freeze,
        "teaching": asked.teaching,
    }
    if asked.memory is not None and asked.memory < recipe.batch:
        raise UsageError(f"--memory is {asked.memory}: it must hold a batch, {recipe.batch}, or more")
    return network, replace(recipe, **_given(of_recipe))


def plan_frozen(dataset: Dataset, seed: int, asked: Asked) -> Network:
    """The network that nothing is learned on. Raises `MissingExtra`, or `UsageError` for words of a training."""
    try:
        from semelha.deep.recipe import look_at
    except ModuleNotFoundError as error:
        raise MissingExtra(f'a network needs {error.name}: pip install "semelha[train]"') from error
    of_network = Asked(
        backbone=asked.backbone,
        pretrained=asked.pretrained,
        size=asked.size,
        channels=asked.channels,
        pooling=asked.pooling,
    )
    if asked != of_network:
        raise UsageError(
            "--method none learns nothing: beside it are --backbone, --pretrained, --size, --channels and --pooling"
        )
    return _network(look_at(dataset, seed=seed), asked, None, classes=None)


def _check_labels(asked: Asked) -> None:
    of_labels = (asked.loss, asked.mining, asked.metric, asked.memory, asked.sampler, asked.separator)
    if asked.method is not None and any(value is not None for value in of_labels):
        raise UsageError(
            f"--method {asked.method} learns without labels: leave out --loss, --mining, --metric, --memory, --sampler "
            "and --separator"
        )
    if asked.method is None and asked.optimizer is not None:
        raise UsageError("--optimizer is for a method without labels, such as --method simclr")


def _without_labels(dataset: Dataset, look: Look, network: Network, asked: Asked, minutes: float | None) -> Recipe:
    from semelha.deep.ssl import METHODS, recipe_without_labels, with_lars, with_sgd

    assert asked.method is not None
    method = METHODS[asked.method]
    recipe = recipe_without_labels(method, look, network, len(dataset), batch=asked.batch, minutes=minutes)
    kinds = {OptimizerName.lars: with_lars, OptimizerName.sgd: with_sgd}
    return kinds[asked.optimizer](recipe) if asked.optimizer in kinds else recipe


def _network(look: Look, asked: Asked, loss: ChosenLoss | None, *, classes: int | None) -> Network:
    from semelha.deep.recipe import choose_network

    pretrained = True if asked.pretrained == "yes" else asked.pretrained or False
    of_network = {
        "size": asked.size,
        "channels": asked.channels,
        "dim": asked.dim,
        "stem": None if asked.stem is None else asked.stem.value,
        "pooling": None if asked.pooling is None else asked.pooling.value,
        "head": None if loss is None else loss.head,
        "readout": asked.readout.value if asked.readout else None if loss is None or loss.by_cosine else "head",
    }
    network = choose_network(look, backbone=asked.backbone or "small", pretrained=pretrained, classes=classes)
    return replace(network, **_given(of_network))


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _loss(asked: Asked) -> ChosenLoss | None:
    if asked.loss is not None:
        return ChosenLoss(asked.loss, asked.mining, asked.metric, asked.memory)
    if asked.mining is not None or asked.metric is not None or asked.memory is not None:
        raise UsageError(
            "--mining, --metric and --memory are for a loss: name one of pairs, such as --loss contrastive"
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
