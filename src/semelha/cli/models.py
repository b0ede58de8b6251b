"""Commands that use a model: embed, evaluate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
from rich.markup import escape
from rich.table import Table
from typer import Argument, Option

from semelha.cli.names import RerankName
from semelha.cli.output import Json, print_json, progress_bars, read, stdout
from semelha.embedders import load_embedder
from semelha.errors import SemelhaError, UsageError
from semelha.evaluation import Evaluation, KReciprocal, QueryExpansion
from semelha.evaluation import evaluate as run_evaluation
from semelha.evaluation.rerank import Rerank
from semelha.evaluation.result import INSUFFICIENT_DATA

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
        raise UsageError("embed needs --out FILE.npz or --json")
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
    folder: Annotated[Path, Argument(help="Folder of class folders, or a CSV manifest with its splits.")],
    fpir: Annotated[float, Option(help="Target false-positive identification rate.", min=0.0, max=1.0)] = 0.01,
    report: Annotated[Path | None, Option(help="HTML report to write.")] = None,
    rerank: Annotated[
        RerankName | None,
        Option(help=f"Re-rank the neighbors: {', '.join(RerankName)}.", metavar="NAME"),
    ] = None,
    baselines: Annotated[bool, Option(help="Measure raw pixels and the untrained network too.")] = True,
    resamples: Annotated[int, Option(help="Bootstrap resamples for the 95% intervals; 0: no intervals.", min=0)] = 1000,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure a model on pictures of classes that it was not trained on.

    Example: semelha evaluate model test-photos --report report.html
    """
    embedder = load_embedder(model)
    dataset = read(folder)
    with progress_bars() as bar:
        found = run_evaluation(
            embedder,
            dataset,
            baselines=baselines,
            fpir=fpir,
            seed=seed,
            resamples=resamples,
            rerank=None if rerank is None else RERANKS[rerank],
            progress=named_bars(bar),
        )
    if report is not None:
        from semelha.evaluation.report import write_report  # importing Matplotlib is slow

        write_report(found, report, card=embedder.card)
    if json:
        print_json(found.to_json())
        return
    stdout.print(figures(found))
    for note in found.notes:
        stdout.print(f"[dim]{escape(note)}[/]")
    if found.result.open_set.fpir_achieved is None:
        stdout.print(f"[dim]Not calibrated: {escape(found.result.open_set.note)}[/]")
    if report is not None:
        stdout.print(f"Report: [bold]{escape(str(report))}[/]")


def named_bars(bar: Callable[[str], Callable[[int, int], None]]) -> Callable[[str, int, int], None]:
    """The progress callback of `semelha.evaluate`: one bar for each embedder."""
    bars: dict[str, Callable[[int, int], None]] = {}

    def advance(name: str, done: int, total: int) -> None:
        if name not in bars:
            bars[name] = bar(name.replace("_", " "))
        bars[name](done, total)

    return advance


ROWS = {
    "R@1": "r_at_1",
    "MAP@R": "map_at_r",
    "FNIR at FPIR={rate} (hindsight)": "fnir_at_fpir",
    "FPIR achieved (calibrated for {rate})": "fpir_achieved",
    "FNIR achieved (calibrated)": "fnir_achieved",
    "BAKS (calibrated)": "baks",
    "BAUS (calibrated)": "baus",
    "mated against non-mated probes (AUROC)": "auroc",
    "area under OSCR": "oscr",
    "equal error rate (verification)": "eer",
}


def figures(evaluation: Evaluation) -> Table:
    """A table of the main figures of a model and its baselines, with 95% intervals."""
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


def figure(value: float | None, interval: list[float] | None) -> str:
    """A figure and its interval in console markup."""
    if value is None:
        return f"[dim]{INSUFFICIENT_DATA}[/]"
    return f"{value:.3f}" if interval is None else f"{value:.3f} [not bold dim]{interval[0]:.3f}–{interval[1]:.3f}[/]"
