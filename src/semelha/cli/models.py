"""Commands about models: train, embed, evaluate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from rich.markup import escape
from rich.table import Table
from typer import Argument, Option

import semelha
from semelha.cli.choices import Asked, FeatureName, Method, Pooling, SamplerName, plan
from semelha.cli.losses import Loss, MetricName, MiningName
from semelha.cli.output import Json, print_json, progress_bars, stderr, stdout, told_warnings, training_bars
from semelha.embedders import Embedder, Model, load_embedder, raw_pixels
from semelha.errors import SemelhaError, UsageError
from semelha.evaluation import Evaluation, write_report
from semelha.evaluation import evaluate as run_evaluation
from semelha.features import FEATURES
from semelha.images import Dataset, read_dataset

Seed = Annotated[int, Option(help="Seed of every random draw.")]


def train(
    folder: Annotated[Path, Argument(help="Folder of class folders, or a CSV manifest.")],
    out: Annotated[Path, Option(help="Model folder to make.")],
    resume: Annotated[bool, Option("--resume", help="Go on with a training that was interrupted.")] = False,
    minutes: Annotated[float | None, Option(help="Time for the training proper.", show_default="18", min=0.01)] = None,
    steps: Annotated[int | None, Option(help="Steps at most.", show_default="by the number of pictures", min=1)] = None,
    seed: Seed = 0,
    backbone: Annotated[str | None, Option(help="'small', or a model of timm.", show_default="small")] = None,
    pretrained: Annotated[str | None, Option(help="'yes' for timm's published weights, or a weight file.")] = None,
    size: Annotated[int | None, Option(help="Side of the input in pixels.", show_default="by the pictures")] = None,
    channels: Annotated[int | None, Option(help="1: grey, 3: color.", show_default="by the pictures")] = None,
    dim: Annotated[int | None, Option(help="Length of the embedding.", show_default="256")] = None,
    pooling: Annotated[Pooling | None, Option(help="How a feature map becomes a vector.")] = None,
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
        Option(help=f"The distance, for a loss of pairs: {', '.join(MetricName)}.", metavar="NAME"),
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
    method: Annotated[
        Method | None,
        Option(help=f"Learn a distance without a network: {', '.join(Method)}.", metavar="NAME"),
    ] = None,
    features: Annotated[FeatureName | None, Option(help="What the method learns on.", show_default="hog")] = None,
    on: Annotated[Path | None, Option(help="Model on whose vectors the method learns instead.")] = None,
    device: Annotated[str, Option(help="auto, cpu, cuda or mps.")] = "auto",
    json: Json = False,
) -> None:
    """Learn an embedding from pictures in folders, one folder a class; or a distance between features.

    Example: semelha train photos --out model

    Example: semelha train photos --out model --method gmml --features hog

    Example: torchrun --nproc-per-node 2 -m semelha.cli train photos --out model
    """
    asked = Asked(
        backbone=backbone,
        pretrained=pretrained,
        size=size,
        channels=channels,
        dim=dim,
        pooling=pooling,
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
    )
    of_network = asked != Asked() or resume or minutes is not None or device != "auto"
    if method is not None and of_network:
        raise UsageError(
            "--method learns without a network: leave out --resume, --minutes, --loss, --device and the network"
        )
    if method is None and (features is not None or on is not None):
        raise UsageError("--features and --on say what a method learns on: add --method, such as --method gmml")
    dataset = read(folder)
    start = time.monotonic()
    if method is not None:
        chosen = None if features is None else FEATURES[features]()
        with progress_bars() as bar, told_warnings():
            model = semelha.train(
                dataset,
                out=out,
                method=method.value,
                features=chosen,
                on=on,
                seed=seed,
                watch_reading=bar("reading"),
            )
    else:
        network, recipe = plan(dataset, seed, asked)
        try:
            model = train_with_bars(
                dataset,
                out=out,
                network=network,
                recipe=recipe,
                minutes=minutes,
                seed=seed,
                resume=resume,
                accelerator=device,
            )
        except KeyboardInterrupt:
            stderr.print("Interrupted: the same command with --resume goes on from the last checkpoint.")
            raise
    card = model.card
    score = card.results.get("r_at_1_on_held_out_classes")
    if json:
        print_json({"model": str(out), "seconds": time.monotonic() - start, **card.training, **card.results})
        return
    stdout.print(f"[bold]{escape(str(out))}[/] learned from {card.training['pictures']:,} pictures of "
                 f"{len(dataset.classes):,} classes in {card.training['seconds'] / 60:.1f} minutes"
                 + ("." if score is None else f"; R@1 {score:.3f} on classes held out."))  # fmt: skip
    stdout.print(f"Next: semelha enroll GALLERY --model {escape(str(out))} NAME PICTURES…", style="dim")


def embed(
    model: Annotated[Path, Argument(help="Model folder.")],
    pictures: Annotated[list[Path], Argument(help="Pictures.")],
    out: Annotated[Path | None, Option(help="File to write: .npz with `vectors` and `names`.")] = None,
    json: Json = False,
) -> None:
    """Turn pictures into vectors.

    Example: semelha embed model a.jpg b.jpg --out vectors.npz
    """
    if out is None and not json:
        raise UsageError("say where the vectors go: --out FILE.npz, or --json")
    embedder = load_embedder(model)
    with progress_bars() as bar:
        vectors = embedder.embed(pictures, progress=bar("embedding"))
    names = [str(picture) for picture in pictures]
    if out is not None:
        try:
            with out.open("wb") as file:
                np.savez(file, vectors=vectors, names=np.array(names), fingerprint=np.array(embedder.fingerprint))
        except OSError as error:
            raise SemelhaError(f"{out} cannot be written: {error.strerror}") from error
    if json:
        print_json({"fingerprint": embedder.fingerprint, "names": names, "vectors": vectors.tolist()})
    else:
        stdout.print(f"{len(names)} vectors of {embedder.dim} numbers in [bold]{escape(str(out))}[/]")


def evaluate(
    model: Annotated[Path, Argument(help="Model folder.")],
    folder: Annotated[Path, Argument(help="Folder of class folders, or a CSV manifest (its splits are honored).")],
    fpir: Annotated[float, Option(help="Rate of strangers named that is wanted.", min=0.0, max=1.0)] = 0.01,
    report: Annotated[Path | None, Option(help="HTML report to write.")] = None,
    baselines: Annotated[bool, Option(help="Measure raw pixels and the untrained network too.")] = True,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure a model on pictures of things it was not trained on.

    Example: semelha evaluate model test-photos --report report.html
    """
    if not 0 < fpir < 1:
        raise UsageError(f"fpir is {fpir}: it lies between 0 and 1")
    embedder = load_embedder(model)
    others, notes = baselines_of(embedder) if baselines else ({}, ())
    with progress_bars() as bar:
        bars: dict[str, Callable[[int, int], None]] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = bar(name.replace("_", " "))
            bars[name](done, total)

        found = run_evaluation(embedder, read(folder), baselines=others, fpir=fpir, seed=seed, progress=show)
    found = replace(found, notes=(*found.notes, *notes, *seen_before(embedder, found.dataset)))
    if report is not None:
        write_report(found, report, card=embedder.card)
    if json:
        print_json({**found.to_json(), **{name: None for name in ("raw_pixels", "untrained") if name not in others}})
    else:
        stdout.print(figures(found))
        for note in found.notes:
            stdout.print(f"[dim]{escape(note)}[/]")
        if report is not None:
            stdout.print(f"Report: [bold]{escape(str(report))}[/]")


def read(folder: Path) -> Dataset:
    """The data set, with what is wrong with it told on standard error."""
    dataset = read_dataset(folder)
    for warning in dataset.warnings:
        stderr.print(f"[yellow]note:[/] {escape(warning)}")
    if dataset.skipped:
        stderr.print(f"[yellow]note:[/] {len(dataset.skipped)} files left out, such as:")
        for skipped in dataset.skipped[:5]:
            stderr.print(f"  {escape(skipped.reason)}")
    return dataset


def train_with_bars(dataset: Dataset, **arguments: Any) -> Model:
    """`semelha.train`, with a bar for reading the pictures and one for the training."""
    with training_bars() as (reading, watch):
        return semelha.train(dataset, watch=watch, watch_reading=reading, **arguments)


def baselines_of(model: Model) -> tuple[dict[str, Embedder], tuple[str, ...]]:
    """Raw pixels and the untrained network, and what to say where torch is missing for the latter."""
    others: dict[str, Embedder] = {"raw_pixels": raw_pixels()}
    try:
        from semelha.deep import untrained
    except ModuleNotFoundError:
        return others, ('The untrained network was not measured: that needs pip install "semelha[train]".',)
    blank = untrained(model.card)
    return others if blank is None else {**others, "untrained": blank}, ()


def seen_before(model: Model, dataset: Dataset) -> tuple[str, ...]:
    """A warning where the model was trained on what it is measured on."""
    seen = set(model.card.classes) & set(dataset.classes)
    if not seen:
        return ()
    return (f"{len(seen)} of the {len(dataset.classes)} classes bear names that the model was trained on: "
            "figures for things never seen need other pictures.",)  # fmt: skip


ROWS = {
    "R@1": "r_at_1",
    "MAP@R": "map_at_r",
    "FNIR at FPIR={rate} (hindsight)": "fnir_at_fpir",
    "FPIR achieved (calibrated for {rate})": "fpir_achieved",
    "FNIR achieved (calibrated)": "fnir_achieved",
}


def figures(evaluation: Evaluation) -> Table:
    """The main figures of a model beside its baselines."""
    columns = {"model": evaluation.result, **evaluation.baselines}
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right", style="bold" if name == "model" else None)
    rate = f"{evaluation.result.open_set.fpir_target:g}"
    values = [result.to_json() for result in columns.values()]
    for title, key in ROWS.items():
        cells = ["–" if each[key] is None else f"{each[key]:.3f}" for each in values]
        table.add_row(title.format(rate=rate), *cells)
    return table
