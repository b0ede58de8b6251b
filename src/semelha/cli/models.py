"""Commands about models that are there: embed, evaluate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
from rich.markup import escape
from rich.table import Table
from typer import Argument, Option

from semelha.cli.names import RerankName
from semelha.cli.output import Json, print_json, progress_bars, stderr, stdout
from semelha.embedders import Embedder, Model, load_embedder, raw_pixels
from semelha.errors import SemelhaError, UsageError
from semelha.evaluation import Evaluation, KReciprocal, QueryExpansion
from semelha.evaluation import evaluate as run_evaluation
from semelha.evaluation.rerank import Rerank
from semelha.images import Dataset, read_dataset
from semelha.measures.resolution import INSUFFICIENT

RERANKS: dict[RerankName, Rerank] = {RerankName.expansion: QueryExpansion(), RerankName.reciprocal: KReciprocal()}

Seed = Annotated[int, Option(help="Seed of every random draw.")]


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
    rerank: Annotated[
        RerankName | None,
        Option(help=f"Rank what was found a second time: {', '.join(RerankName)}.", metavar="NAME"),
    ] = None,
    baselines: Annotated[bool, Option(help="Measure raw pixels and the untrained network too.")] = True,
    draws: Annotated[
        int, Option(help="Draws of the subjects from which the 95% intervals come; 0 for none.", min=0)
    ] = 1000,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure a model on pictures of things it was not trained on.

    Example: semelha evaluate model test-photos --report report.html
    """
    if not 0 < fpir < 1:
        raise UsageError(f"fpir is {fpir}: it lies between 0 and 1")
    embedder = load_embedder(model)
    dataset = read(folder)
    others, notes = baselines_of(embedder) if baselines else ({}, ())
    with progress_bars() as bar:
        bars: dict[str, Callable[[int, int], None]] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = bar(name.replace("_", " "))
            bars[name](done, total)

        found = run_evaluation(
            embedder,
            dataset,
            baselines=others,
            fpir=fpir,
            seed=seed,
            draws=draws,
            rerank=None if rerank is None else RERANKS[rerank],
            progress=show,
        )
    found = replace(found, notes=(*found.notes, *notes, *seen_before(embedder, found.dataset)))
    if report is not None:
        from semelha.evaluation.report import write_report  # late, for Matplotlib is slow to import

        write_report(found, report, card=embedder.card)
    if json:
        print_json({**found.to_json(), **{name: None for name in ("raw_pixels", "untrained") if name not in others}})
    else:
        stdout.print(figures(found))
        for note in found.notes:
            stdout.print(f"[dim]{escape(note)}[/]")
        if found.result.open_set.fpir_achieved is None:
            stdout.print(f"[dim]Nothing was calibrated: {escape(found.result.open_set.note)}[/]")
        if report is not None:
            stdout.print(f"Report: [bold]{escape(str(report))}[/]")


def read(folder: Path, *, labelled: bool = True) -> Dataset:
    """The data set, with what is wrong with it told on standard error."""
    dataset = read_dataset(folder, labelled=labelled)
    for warning in dataset.warnings:
        stderr.print(f"[yellow]note:[/] {escape(warning)}")
    if dataset.skipped:
        stderr.print(f"[yellow]note:[/] {len(dataset.skipped)} files left out, such as:")
        for skipped in dataset.skipped[:5]:
            stderr.print(f"  {escape(skipped.reason)}")
    return dataset


def baselines_of(model: Model) -> tuple[dict[str, Embedder], tuple[str, ...]]:
    """Raw pixels and the untrained network, and what to say where torch is missing for the latter."""
    others: dict[str, Embedder] = {"raw_pixels": raw_pixels()}
    try:
        from semelha.deep import untrained_embedder
    except ModuleNotFoundError:
        return others, ('The untrained network was not measured: that needs pip install "semelha[train]".',)
    blank = untrained_embedder(model.card)
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
    "BAKS (calibrated)": "baks",
    "BAUS (calibrated)": "baus",
    "known against unknown (AUROC)": "auroc",
    "area under OSCR": "oscr",
    "equal error rate of pairs": "eer",
}


def figures(evaluation: Evaluation) -> Table:
    """The main figures of a model beside its baselines, with their 95% intervals."""
    columns = {"model": evaluation.result, **evaluation.baselines}
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right", style="bold" if name == "model" else None)
    rate = f"{evaluation.result.open_set.fpir_target:g}"
    values = [result.to_json() for result in columns.values()]
    for title, key in ROWS.items():
        cells = [figure(each[key], each["intervals"].get(key)) for each in values]
        table.add_row(title.format(rate=rate), *cells)
    return table


def figure(value: float | None, around: list[float] | None) -> str:
    """A figure and its interval, as the console marks them up."""
    if value is None:
        return f"[dim]{INSUFFICIENT}[/]"
    return f"{value:.3f}" if around is None else f"{value:.3f} [not bold dim]{around[0]:.3f}–{around[1]:.3f}[/]"
