"""The command that evaluates a model, and its table of figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from rich.markup import escape
from rich.table import Table
from typer import Argument, Option

from semelha.cli.output import (
    Json,
    Progressed,
    Report,
    Seed,
    load_dataset,
    make_table,
    print_json,
    print_report,
    progress_bars,
    stdout,
)
from semelha.embedders import load_embedder
from semelha.evaluation import Evaluation, KReciprocal, QueryExpansion
from semelha.evaluation import evaluate as run_evaluation
from semelha.evaluation.rerank import Rerank
from semelha.evaluation.result import INSUFFICIENT_DATA

RerankName = Literal["query-expansion", "k-reciprocal"]
RERANKS: dict[RerankName, Rerank] = {"query-expansion": QueryExpansion(), "k-reciprocal": KReciprocal()}

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


def evaluate(
    model: Annotated[Path, Argument(help="Model folder.")],
    folder: Annotated[Path, Argument(help="Folder of class folders, or a CSV manifest with its splits.")],
    fpir: Annotated[float, Option(help="Target false-positive identification rate.", min=0.0, max=1.0)] = 0.01,
    report: Report = None,
    rerank: Annotated[
        RerankName | None, Option(help=f"Re-rank the neighbors: {', '.join(RERANKS)}.", metavar="NAME")
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
    dataset = load_dataset(folder)
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
    for text in found.notes:
        stdout.print(f"[dim]{escape(text)}[/]")
    if found.result.open_set.fpir_achieved is None:
        stdout.print(f"[dim]Not calibrated: {escape(found.result.open_set.note)}[/]")
    print_report(report)


def named_bars(bar: Callable[[str], Progressed]) -> Callable[[str, int, int], None]:
    """The progress callback of `semelha.evaluate`: one bar for each embedder."""
    bars: dict[str, Progressed] = {}

    def advance(name: str, done: int, total: int) -> None:
        if name not in bars:
            bars[name] = bar(name.replace("_", " "))
        bars[name](done, total)

    return advance


def figures(evaluation: Evaluation) -> Table:
    """A table of the main figures of a model and its baselines, with 95% intervals."""
    results = {"model": evaluation.result, **evaluation.baselines}
    table = make_table("")
    for name in results:
        table.add_column(name.replace("_", " "), justify="right", style="bold" if name == "model" else None)
    rate = f"{evaluation.result.open_set.fpir_target:g}"
    values = [result.to_json() for result in results.values()]
    for title, key in ROWS.items():
        table.add_row(title.format(rate=rate), *(_cell(each[key], each["intervals"].get(key)) for each in values))
    return table


def _cell(value: float | None, interval: list[float] | None) -> str:
    """A figure and its interval, in console markup."""
    if value is None:
        return f"[dim]{INSUFFICIENT_DATA}[/]"
    ends = "" if interval is None else f" [not bold dim]{interval[0]:.3f}–{interval[1]:.3f}[/]"
    return f"{value:.3f}{ends}"
