"""`semelha train`: from folders of pictures to a model folder."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rich.table import Table
from typer import Argument, Option

import semelha
from semelha.cli.console import escape
from semelha.cli.output import (
    Json,
    Layout,
    Seed,
    Split,
    check_outputs,
    load_dataset,
    make_table,
    print_json,
    print_result,
    stderr,
    stdout,
    training_bars,
    warnings_as_notes,
)
from semelha.embedders import Model
from semelha.errors import UsageError
from semelha.features import FEATURES
from semelha.images import Dataset, Use
from semelha.named_losses import METRIC_NAMES, Loss, MiningName, NamedLoss, default_loss
from semelha.training import NONE, READOUT, WITHOUT_LABELS, method_with, needs_labels

if TYPE_CHECKING:
    from semelha.deep import TrainingSettings
    from semelha.deep.recipe import LossFactory, SamplerFactory

SamplerName = Literal["per-class", "hierarchical", "class-balanced"]

_data = partial(Option, rich_help_panel="Data")
_model = partial(Option, rich_help_panel="Model")
_loss = partial(Option, rich_help_panel="Loss")
_training = partial(Option, rich_help_panel="Training")
_hardware = partial(Option, rich_help_panel="Hardware")


def train(
    folder: Annotated[
        str,
        Argument(
            help="Folder of class folders (of any pictures, without labels), a CSV manifest, or shards, also by a URL.",
            rich_help_panel="Data",
        ),
    ],
    out: Annotated[Path | None, _data(help="Model folder to make.", show_default="required without --plan")] = None,
    plan: Annotated[
        bool, _data("--plan", help="Print what would be trained, for how long, and why. Train nothing.")
    ] = False,
    layout: Layout = None,
    split: Split = None,
    json: Json = False,
    method: Annotated[
        str | None,
        _model(
            help=f"Learn without labels: {', '.join(WITHOUT_LABELS)}. Or learn a distance without a network: gmml, "
            f"lda, … (docs/linear.md). {NONE}: train nothing. {READOUT}: a new readout of the model --on.",
            metavar="NAME",
            show_default="a network, with labels",
        ),
    ] = None,
    features: Annotated[
        str | None,
        _model(help=f"What a linear method learns on: {', '.join(FEATURES)}.", metavar="NAME", show_default="hog"),
    ] = None,
    on: Annotated[Path | None, _model(help="Model on whose vectors a linear method learns instead.")] = None,
    backbone: Annotated[
        str | None,
        _model(
            help="'small', 'medium', a model of timm, or weights: hf-hub:owner/name, timm/name, local-dir:folder.",
            show_default="small",
        ),
    ] = None,
    pretrained: Annotated[str | None, _model(help="'yes' for timm's published weights, or a weight file.")] = None,
    from_model: Annotated[
        Path | None,
        _model(help="Model whose network is trained further, with these pictures: with more classes, or others."),
    ] = None,
    size: Annotated[int | None, _model(help="Side of the input in pixels.", show_default="by the pictures")] = None,
    channels: Annotated[int | None, _model(help="1: grey, 3: color.", show_default="by the pictures")] = None,
    dim: Annotated[int | None, _model(help="Dimension of the embedding.", show_default="256")] = None,
    stem: Annotated[
        Literal["own", "small"] | None,
        _model(help="'small': a timm ResNet begins at full resolution, for small pictures.", show_default="own"),
    ] = None,
    pooling: Annotated[
        Literal["average", "gem", "grid"] | None,
        _model(help="How a feature map becomes a vector.", show_default="by the pictures"),
    ] = None,
    readout: Annotated[
        Literal["head", "layers", "stages"] | None,
        _model(
            help="What the embedding is read from: the head alone, the layers before it too, or all stages of timm's.",
            show_default="layers, for our own networks below 1,000 classes",
        ),
    ] = None,
    loss: Annotated[
        Loss | None,
        _loss(
            help=f"What is minimized: {', '.join(Loss)}.", metavar="NAME", show_default="supcon + normalized-softmax"
        ),
    ] = None,
    mining: Annotated[
        MiningName | None,
        _loss(help=f"Which pairs count, for a loss of pairs: {', '.join(MiningName)}.", metavar="NAME"),
    ] = None,
    metric: Annotated[
        str | None,
        _loss(help=f"The distance, for a loss of pairs or proxies: {', '.join(METRIC_NAMES)}.", metavar="NAME"),
    ] = None,
    memory: Annotated[
        int | None, _loss(help="Number of earlier embeddings to compare with, for a loss of pairs.", min=1)
    ] = None,
    sampler: Annotated[SamplerName | None, _loss(help="Which pictures make a batch.", show_default="per-class")] = None,
    separator: Annotated[
        str | None, _loss(help="What ends the family in a label, for hierarchical batches.", show_default="/")
    ] = None,
    teacher: Annotated[Path | None, _loss(help="Model whose similarities are learned too.")] = None,
    teaching: Annotated[
        float | None, _loss(help="Weight of the teacher beside the loss.", show_default="1", min=0.0)
    ] = None,
    settings: Annotated[
        list[str] | None,
        _training(
            "--set",
            help="Setting of the method or the loss, such as shrinkage=0.1 or margin=0.3; can be given several times.",
            metavar="NAME=NUMBER",
            show_default="those of the method",
        ),
    ] = None,
    minutes: Annotated[
        float | None, _training(help="Time for the training itself.", show_default="18", min=0.01)
    ] = None,
    steps: Annotated[
        int | None, _training(help="Maximum number of steps.", show_default="by the number of pictures", min=1)
    ] = None,
    batch: Annotated[int | None, _training(help="Pictures in a batch.", show_default="256", min=4)] = None,
    optimizer: Annotated[
        Literal["adamw", "sgd", "lars"] | None, _training(help="For a method without labels.", show_default="adamw")
    ] = None,
    learning_rate: Annotated[
        float | None, _training(help="Of the last layer.", show_default="0.003, pretrained 0.0003", min=0.0)
    ] = None,
    layer_decay: Annotated[
        float | None,
        _training(
            help="Factor of the learning rate from each layer to the one before it.",
            show_default="1, pretrained 0.75",
            max=1.0,
        ),
    ] = None,
    freeze: Annotated[
        float | None,
        _training(help="First part of the backbone that is not trained; 1: all of it.", min=0.0, max=1.0),
    ] = None,
    resume: Annotated[bool, _training("--resume", help="Continue an interrupted training.")] = False,
    log: Annotated[
        str | None,
        _training(
            help="Write training curves to tensorboard[:FOLDER], mlflow[:URI] or wandb[:PROJECT].", metavar="TARGET"
        ),
    ] = None,
    seed: Seed = 0,
    device: Annotated[str, _hardware(help="auto, cpu, cuda or mps.")] = "auto",
    chunk: Annotated[
        int | None, _hardware(help="Pictures at a time through the network, if a batch needs too much memory.", min=3)
    ] = None,
    accumulate: Annotated[
        int | None, _hardware(help="Batches in a step; their gradients are averaged.", show_default="1", min=1)
    ] = None,
    checkpoint: Annotated[
        bool, _hardware("--checkpoint", help="Gradient checkpointing: less memory, a third more time.")
    ] = False,
    compile: Annotated[bool, _hardware("--compile", help="Compile the network by torch.compile.")] = False,
    shards: Annotated[
        int | None,
        _hardware(
            help="Parts that the classes are divided into; each process reads its own. As many as processes, or more.",
            show_default="1: every process reads all",
            min=1,
        ),
    ] = None,
    strategy: Annotated[
        Literal["replicated", "fsdp"] | None,
        _hardware(
            help="What each of several processes keeps: all weights, or a part (fsdp).", show_default="replicated"
        ),
    ] = None,
) -> None:
    """Learn an embedding from pictures in folders, one folder a class; without labels; or a distance between features.

    Example: semelha train photos --plan

    Example: semelha train photos --out model

    Example: semelha train photos --out model --method simclr

    Example: semelha train photos --out model --method lda --features hog --set shrinkage=0.1

    Example: semelha train photos --out model --method none --backbone resnet18 --pretrained yes

    Example: semelha train photos --out model --backbone small --log tensorboard

    Example: semelha train more-photos --out model-2 --from-model model

    Example: semelha train photos --out model-here --method readout --on model

    Example: torchrun --nproc-per-node 2 -m semelha.cli train photos --backbone small --out model
    """
    if features is not None and features not in FEATURES:
        raise UsageError(f"no features are called {features!r}: there are {', '.join(FEATURES)}")
    numbers = parsed_numbers(settings or ())
    words = {
        "backbone": backbone,
        "pretrained": True if pretrained == "yes" else pretrained,
        "size": size,
        "channels": channels,
        "dim": dim,
        "stem": stem,
        "pooling": pooling,
        "readout": readout,
        "loss": _parsed_loss(loss, mining, metric, memory, numbers if method is None else {}),
        "batch": batch,
        "chunk": chunk,
        "accumulate": accumulate,
        "checkpoint": checkpoint or None,
        "compile": compile or None,
        "shards": shards,
        "strategy": strategy,
        "steps": steps,
        "learning_rate": learning_rate,
        "layer_decay": layer_decay,
        "freeze": freeze,
        "teaching": teaching,
        "optimizer": optimizer,
    }
    arguments: dict[str, Any] = {
        "method": method_with(method, numbers, seed=seed) if method and numbers else method,
        "features": None if features is None else FEATURES[features](),
        "on": on,
        "settings": parsed_settings(sampler, separator, **words),
        "teacher": teacher,
        "from_model": from_model,
        "minutes": minutes,
        "seed": seed,
    }
    if out is None and not plan:
        raise UsageError("say where the model goes: --out FOLDER, or --plan to train nothing")
    if not plan:
        check_outputs(folder=out)
    labelled = needs_labels(method)
    use: Use = "training" if labelled else "training without labels"
    dataset = load_dataset(folder, use=use, labelled=labelled, layout=layout, split=split)
    if plan:
        planned = semelha.plan_training(dataset, **arguments)
        print_result(json, planned.to_json(), *map(escape, str(planned).split("\n")))
        return
    start = time.monotonic()
    arguments |= {"out": out, "resume": resume, "accelerator": device, "log": log}
    if method is None or method in WITHOUT_LABELS:
        try:
            model = train_with_bars(dataset, **arguments)
        except KeyboardInterrupt:
            stderr.print("Interrupted: the same command with --resume continues from the last checkpoint.")
            raise
    else:
        with training_bars() as (reading, _), warnings_as_notes():
            model = semelha.train(dataset, reading_progress=reading, **arguments)
    if json:
        card = model.card
        figures = {"seconds": time.monotonic() - start, **card.training, **card.results}
        print_json({"model": str(out), **figures, "reading": dataset.report()})
        return
    if "candidates" in model.card.results:
        stdout.print(candidates_table(model))
    stdout.print(f"[bold]{escape(str(out))}[/] {summary(model, len(dataset.classes))}")
    stdout.print(f"Next: semelha enroll GALLERY --model {escape(str(out))} NAME PICTURES…", style="dim")


def parsed_settings(
    sampler: SamplerName | None = None, separator: str | None = None, **words: Any
) -> TrainingSettings | None:
    """The words of the command line as `TrainingSettings`; None without any."""
    if separator is not None and sampler != "hierarchical":
        raise UsageError("--separator says where families end in labels: add --sampler hierarchical")
    if sampler is None and all(value is None for value in words.values()):
        return None
    from semelha.deep import TrainingSettings
    from semelha.deep.sampler import ClassBalanced, Hierarchical, MPerClass

    samplers: dict[SamplerName | None, SamplerFactory | None] = {
        None: None,
        "per-class": MPerClass,
        "hierarchical": partial(Hierarchical, separator=separator or "/"),
        "class-balanced": ClassBalanced,
    }
    return TrainingSettings(sampler=samplers[sampler], **words)


def parsed_numbers(words: Sequence[str]) -> dict[str, float]:
    """Numbers by name, from words such as "margin=0.3". Raises `UsageError`."""
    found: dict[str, float] = {}
    for word in words:
        name, _, number = word.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise UsageError(f"--set is {word!r}: write a name and a number, such as margin=0.3") from None
    return found


def _parsed_loss(
    loss: Loss | None,
    mining: MiningName | None,
    metric: str | None,
    memory: int | None,
    settings: Mapping[str, float],
) -> LossFactory | None:
    if loss is not None:
        return NamedLoss(loss, mining, metric, memory, tuple(settings.items()))
    if mining is not None or metric is not None or memory is not None:
        raise UsageError(
            "--mining, --metric and --memory are for a loss: name one of pairs, such as --loss contrastive"
        )
    return default_loss(settings) if settings else None


def summary(model: Model, classes: int) -> str:
    """One sentence on a model that was trained."""
    training, results = model.card.training, model.card.results
    if "chosen" in training:
        text = f"is {training['chosen']}, after {training['seconds'] / 60:.1f} minutes"
        if "interval" in results:
            low, high = results["interval"]
            text += f"; expect R@1 {results['r_at_1_on_held_out_classes']:.3f} ({low:.3f}–{high:.3f}) among "
            text += f"{results['among_classes']:,} other classes"
        if across := results.get("r_at_1_across_domains"):
            text += f", and {across['value']:.3f} ({across['low']:.3f}–{across['high']:.3f}) among pictures of the "
            text += "other domain only"
        return f"{text}."
    if training.get("method") == NONE:
        return f"makes {model.dim} features of a picture; nothing was learned."
    if "read" in training:
        return f"reads {model.dim} numbers of layers along the axes of {training['read']['pictures']:,} pictures."
    what = f"of {classes:,} classes"
    if training.get("method") in WITHOUT_LABELS:
        queue = training["arguments"].get("queue")
        what = f"without labels ({training['method']}" + (f", a queue of {queue:,} keys)" if queue else ")")
    score = model.card.results.get("r_at_1_on_held_out_classes")
    return f"learned from {training['pictures']:,} pictures {what} in {training['seconds'] / 60:.1f} minutes" + (
        "." if score is None else f"; R@1 {score:.3f} on held-out classes."
    )


def candidates_table(model: Model) -> Table:
    """What was measured on held-out classes, with 95% intervals; the chosen candidate in bold."""
    table = make_table("candidate", "R@1 to expect", "lead over the first", "learned in", "one picture")
    for one in model.card.results["candidates"]:
        rate, more = one["r_at_1"], one["lead"]
        table.add_row(
            escape(one["name"]),
            f"{rate['value']:.3f} [not bold dim]{rate['low']:.3f}–{rate['high']:.3f}[/]",
            f"{more['value']:+.3f} [not bold dim]{more['low']:+.3f} to {more['high']:+.3f}[/]",
            f"{one['seconds']:.0f} s",
            f"{one['milliseconds']:.0f} ms",
            style="bold" if one["name"] == model.card.training.get("chosen") else None,
        )
    return table


def train_with_bars(dataset: Dataset, **arguments: Any) -> Model:
    """`semelha.train`, with a bar for reading the pictures and one for the training."""
    with training_bars() as (reading, callback):
        return semelha.train(dataset, callback=callback, reading_progress=reading, **arguments)
