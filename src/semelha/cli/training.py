"""`semelha train`: from pictures in folders to a model folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

from rich.markup import escape
from typer import Argument, Option

import semelha
from semelha.cli.choices import Asked, plan, plan_frozen
from semelha.cli.losses import Loss, MetricName, MiningName
from semelha.cli.names import FeatureName, Method, OptimizerName, Pooling, Readout, SamplerName, Stem
from semelha.cli.output import (
    Json,
    Seed,
    load_dataset,
    print_json,
    progress_bars,
    stderr,
    stdout,
    training_bars,
    warnings_as_notes,
)
from semelha.embedders import Model
from semelha.errors import UsageError
from semelha.features import FEATURES
from semelha.images import Dataset
from semelha.training import WITHOUT_LABELS


def train(
    folder: Annotated[
        Path, Argument(help="Folder of class folders (of any pictures, without labels), or a CSV manifest.")
    ],
    out: Annotated[Path, Option(help="Model folder to make.")],
    resume: Annotated[bool, Option("--resume", help="Go on with a training that was interrupted.")] = False,
    minutes: Annotated[float | None, Option(help="Time for the training proper.", show_default="18", min=0.01)] = None,
    steps: Annotated[int | None, Option(help="Steps at most.", show_default="by the number of pictures", min=1)] = None,
    seed: Seed = 0,
    backbone: Annotated[str | None, Option(help="'small', 'medium' or a model of timm.", show_default="small")] = None,
    pretrained: Annotated[str | None, Option(help="'yes' for timm's published weights, or a weight file.")] = None,
    size: Annotated[int | None, Option(help="Side of the input in pixels.", show_default="by the pictures")] = None,
    channels: Annotated[int | None, Option(help="1: grey, 3: color.", show_default="by the pictures")] = None,
    dim: Annotated[int | None, Option(help="Length of the embedding.", show_default="256")] = None,
    stem: Annotated[
        Stem | None,
        Option(help="'small': a timm ResNet begins without coarsening (small pictures).", show_default="own"),
    ] = None,
    pooling: Annotated[
        Pooling | None,
        Option(help="How a feature map becomes a vector; grid: place by place.", show_default="by the pictures"),
    ] = None,
    readout: Annotated[
        Readout | None,
        Option(
            help="What becomes the embedding: what the head gives, or the layers before it, too.",
            show_default="layers, of our own networks below 1,000 classes",
        ),
    ] = None,
    loss: Annotated[
        Loss | None,
        Option(
            help=f"What is minimized: {', '.join(Loss)}.", metavar="NAME", show_default="supcon + normalized-softmax"
        ),
    ] = None,
    mining: Annotated[
        MiningName | None,
        Option(help=f"Which pairs count, for a loss of pairs: {', '.join(MiningName)}.", metavar="NAME"),
    ] = None,
    metric: Annotated[
        MetricName | None,
        Option(help=f"The distance, for a loss of pairs or proxies: {', '.join(MetricName)}.", metavar="NAME"),
    ] = None,
    memory: Annotated[
        int | None, Option(help="Compare a batch with so many embeddings of the last ones (a loss of pairs).", min=1)
    ] = None,
    batch: Annotated[int | None, Option(help="Pictures a batch.", show_default="256", min=4)] = None,
    chunk: Annotated[
        int | None, Option(help="Pictures at a time through the network, if a batch does not fit into memory.", min=3)
    ] = None,
    accumulate: Annotated[
        int | None, Option(help="Batches a step, their gradients averaged.", show_default="1", min=1)
    ] = None,
    checkpoint: Annotated[
        bool, Option("--checkpoint", help="Gradient checkpointing: less memory, a third more time.")
    ] = False,
    compile: Annotated[bool, Option("--compile", help="Let torch.compile fuse the network.")] = False,
    sampler: Annotated[
        SamplerName | None,
        Option(help=f"What batches are made of: {', '.join(SamplerName)}.", metavar="NAME", show_default="per-class"),
    ] = None,
    separator: Annotated[
        str | None, Option(help="What ends the family in a label (hierarchical batches).", show_default="/")
    ] = None,
    learning_rate: Annotated[
        float | None, Option(help="Of the last layer.", show_default="0.003, pretrained 0.0003", min=0.0)
    ] = None,
    layer_decay: Annotated[
        float | None,
        Option(help="Each layer learns so much slower than the next.", show_default="1, pretrained 0.75", max=1.0),
    ] = None,
    freeze: Annotated[
        float | None, Option(help="First part of the backbone that stays as it is; 1: all of it.", min=0.0, max=1.0)
    ] = None,
    teacher: Annotated[Path | None, Option(help="Model whose similarities are learned too.")] = None,
    teaching: Annotated[
        float | None, Option(help="How much the teacher counts beside the loss.", show_default="1", min=0.0)
    ] = None,
    method: Annotated[
        Method | None,
        Option(
            help=f"Learn without labels: {', '.join(WITHOUT_LABELS)}. Or a distance without a network: "
            f"{', '.join(name for name in Method if name not in (*WITHOUT_LABELS, 'none', 'readout'))}. "
            "Or nothing: none; or readout, new axes for the layers of the model --on.",
            metavar="NAME",
        ),
    ] = None,
    optimizer: Annotated[
        OptimizerName | None,
        Option(help=f"Of a method without labels: {', '.join(OptimizerName)}.", metavar="NAME", show_default="adamw"),
    ] = None,
    features: Annotated[FeatureName | None, Option(help="What the method learns on.", show_default="hog")] = None,
    on: Annotated[Path | None, Option(help="Model on whose vectors the method learns instead.")] = None,
    device: Annotated[str, Option(help="auto, cpu, cuda or mps.")] = "auto",
    json: Json = False,
) -> None:
    """Learn an embedding from pictures in folders, one folder a class; without labels; or a distance between features.

    Example: semelha train photos --out model

    Example: semelha train photos --out model --method simclr

    Example: semelha train photos --out model --method gmml --features hog

    Example: semelha train photos --out model --method none --backbone resnet18 --pretrained yes

    Example: semelha train photos --out model-here --method readout --on model

    Example: torchrun --nproc-per-node 2 -m semelha.cli train photos --out model
    """
    unlabelled = method is not None and method in WITHOUT_LABELS
    asked = Asked(
        backbone=backbone,
        pretrained=pretrained,
        size=size,
        channels=channels,
        dim=dim,
        stem=stem,
        pooling=pooling,
        readout=readout,
        loss=loss,
        mining=mining,
        metric=metric,
        memory=memory,
        sampler=sampler,
        separator=separator,
        batch=batch,
        chunk=chunk,
        accumulate=accumulate,
        checkpoint=checkpoint or None,
        compile=compile or None,
        steps=steps,
        learning_rate=learning_rate,
        layer_decay=layer_decay,
        freeze=freeze,
        teaching=teaching,
        method=method if unlabelled else None,
        optimizer=optimizer,
    )
    trains = method is None or unlabelled
    of_training = resume or minutes is not None or device != "auto" or teacher is not None
    if not trains and (of_training or (method != Method.none and asked != Asked())):
        raise UsageError(
            f"--method {method} trains no network: leave out --resume, --minutes, --device, --teacher and what a "
            "training is"
        )
    if teaching is not None and teacher is None:
        raise UsageError("--teaching says how much a teacher counts: name one with --teacher MODEL")
    if unlabelled and teacher is not None:
        raise UsageError(f"--method {method} has no loss of labels for a teacher to stand beside: leave out --teacher")
    if (trains or method == Method.none) and (features is not None or on is not None):
        raise UsageError("--features and --on say what a method learns on: add one without a network, --method gmml")
    dataset = load_dataset(folder, labelled=not unlabelled and method not in (Method.none, Method.readout))
    start = time.monotonic()
    if trains:
        network, recipe = plan(dataset, seed, asked, minutes)
        try:
            model = train_with_bars(
                dataset,
                out=out,
                network=network,
                recipe=recipe,
                teacher=teacher,
                minutes=minutes,
                seed=seed,
                resume=resume,
                accelerator=device,
            )
        except KeyboardInterrupt:
            stderr.print("Interrupted: the same command with --resume goes on from the last checkpoint.")
            raise
    elif method == Method.none:
        network = plan_frozen(dataset, seed, asked)
        with warnings_as_notes():
            model = semelha.train(dataset, out=out, method=method.value, network=network, seed=seed)
    else:
        assert method is not None
        chosen = None if features is None else FEATURES[features]()
        with progress_bars() as bar, warnings_as_notes():
            model = semelha.train(
                dataset,
                out=out,
                method=method.value,
                features=chosen,
                on=on,
                seed=seed,
                reading_progress=bar("reading"),
            )
    if json:
        card = model.card
        print_json({"model": str(out), "seconds": time.monotonic() - start, **card.training, **card.results})
        return
    stdout.print(f"[bold]{escape(str(out))}[/] {learned(model, len(dataset.classes))}")
    stdout.print(f"Next: semelha enroll GALLERY --model {escape(str(out))} NAME PICTURES…", style="dim")


def learned(model: Model, classes: int) -> str:
    """What a model makes of a picture, or from what it was learned: of a method without labels, its queue too."""
    training = model.card.training
    if training.get("method") == Method.none:
        return f"makes {model.dim} features of a picture; nothing was learned."
    if "read" in training:
        return f"reads {model.dim} numbers of layers along the axes of {training['read']['pictures']:,} pictures."
    what = f"of {classes:,} classes"
    if training.get("method") in WITHOUT_LABELS:
        queue = training["arguments"].get("queue")
        what = f"without labels ({training['method']}" + (f", a queue of {queue:,} keys)" if queue else ")")
    score = model.card.results.get("r_at_1_on_held_out_classes")
    return f"learned from {training['pictures']:,} pictures {what} in {training['seconds'] / 60:.1f} minutes" + (
        "." if score is None else f"; R@1 {score:.3f} on classes held out."
    )


def train_with_bars(dataset: Dataset, **arguments: Any) -> Model:
    """`semelha.train`, with a bar for reading the pictures and one for the training."""
    with training_bars() as (reading, callback):
        return semelha.train(dataset, callback=callback, reading_progress=reading, **arguments)
