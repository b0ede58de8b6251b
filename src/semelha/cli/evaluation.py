"""`semelha evaluate`: measures a model on a test set, and prints a table of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from rich.table import Table
from typer import Argument, Option

from semelha.cli.console import escape
from semelha.cli.output import (
    Fpir,
    Json,
    Language,
    Layout,
    ProgressCallback,
    ReportPath,
    Seed,
    Split,
    check_outputs,
    load_dataset,
    make_table,
    print_json,
    print_report_path,
    print_verdict,
    progress_bars,
    stdout,
)
from semelha.evaluation import Evaluation, KReciprocal, QueryExpansion
from semelha.evaluation import evaluate as run_evaluation
from semelha.evaluation.rerank import Rerank
from semelha.evaluation.result import INSUFFICIENT_DATA
from semelha.images import GROUPINGS
from semelha.language import words_in
from semelha.published_models import resolve_model

RerankName = Literal["query-expansion", "k-reciprocal"]
RERANKS: dict[RerankName, Rerank] = {"query-expansion": QueryExpansion(), "k-reciprocal": KReciprocal()}

# Titles of the table's rows, and their keys in `Result.to_json`.
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
    layout: Layout = None,
    split: Split = None,
    fpir: Fpir = 0.01,
    report: ReportPath = None,
    rerank: Annotated[
        RerankName | None, Option(help=f"Re-rank the neighbors: {', '.join(RERANKS)}.", metavar="NAME")
    ] = None,
    baselines: Annotated[bool, Option(help="Measure raw pixels and the untrained network too.")] = True,
    resamples: Annotated[int, Option(help="Bootstrap resamples for the 95% intervals; 0: no intervals.", min=0)] = 1000,
    groups: Annotated[
        str,
        Option(
            help="Pictures of one burst never match. auto: bursts are found by names, times and near-duplicates; none: "
            "all are compared; domain: photos with pictures of a catalogue only; or the column of the manifest that "
            "says them.",
            metavar="auto|none|domain|COLUMN",
        ),
    ] = "auto",
    seed: Seed = 0,
    language: Language = None,
    json: Json = False,
) -> None:
    """Measure a model on labelled pictures. Their classes should be new to it: not those that it was trained on.

    Example: semelha evaluate model test-photos --report report.html
    """
    check_outputs(report)
    spoken = words_in(language).language
    embedder = resolve_model(model)
    column = None if groups in GROUPINGS else groups
    dataset = load_dataset(folder, use="evaluating", layout=layout, split=split, groups=column)
    with progress_bars() as bar:
        evaluation = run_evaluation(
            embedder,
            dataset,
            baselines=baselines,
            fpir=fpir,
            seed=seed,
            resamples=resamples,
            rerank=None if rerank is None else RERANKS[rerank],
            groups=groups if column is None else "auto",
            progress=progress_per_embedder(bar),
        )
    if json:
        verdict = evaluation.verdict(spoken).to_json()
        print_json({**evaluation.to_json(), "verdict": verdict, "reading": dataset.report()})
    else:
        print_verdict(evaluation.verdict(spoken))
        stdout.print(results_table(evaluation))
        for text in evaluation.notes:
            stdout.print(f"[dim]{escape(text)}[/]")
        if evaluation.result.open_set.fpir_achieved is None:
            stdout.print(f"[dim]Not calibrated: {escape(evaluation.result.open_set.note)}[/]")
    if report is not None:  # last, so that the figures are not lost if it cannot be written
        from semelha.evaluation.report import write_report  # importing Matplotlib is slow

        write_report(evaluation, report, card=embedder.card, language=spoken)
        print_report_path(report, json)


def progress_per_embedder(bar: Callable[[str], ProgressCallback]) -> Callable[[str, int, int], None]:
    """A callback for `semelha.evaluate` that shows one progress bar for each embedder: the model and its baselines."""
    bars: dict[str, ProgressCallback] = {}

    def advance(name: str, done: int, total: int) -> None:
        if name not in bars:
            bars[name] = bar(name.replace("_", " "))
        bars[name](done, total)

    return advance


def results_table(evaluation: Evaluation) -> Table:
    """The main results of a model and its baselines, with 95% intervals."""
    results = {"model": evaluation.result, **evaluation.baselines}
    table = make_table("")
    for name in results:
        table.add_column(name.replace("_", " "), justify="right", style="bold" if name == "model" else None)
    rate = f"{evaluation.result.open_set.fpir_target:g}"
    values = [result.to_json() for result in results.values()]
    for title, key in ROWS.items():
        table.add_row(title.format(rate=rate), *(figure_cell(each[key], each["intervals"].get(key)) for each in values))
    return table


def figure_cell(value: float | None, interval: Sequence[float] | None) -> str:
    """A value and its interval, in console markup."""
    if value is None:
        return f"[dim]{INSUFFICIENT_DATA}[/]"
    ends = "" if interval is None else f" [not bold dim]{interval[0]:.3f}–{interval[1]:.3f}[/]"
    return f"{value:.3f}{ends}"
