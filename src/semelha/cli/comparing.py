"""`semelha compare`: which method for these pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from rich.table import Table
from typer import Argument, Option

import semelha
from semelha.cli.console import escape
from semelha.cli.evaluation import figure_cell
from semelha.cli.output import (
    Json,
    Language,
    Layout,
    ReportPath,
    Seed,
    Split,
    check_outputs,
    load_dataset,
    make_table,
    note,
    print_json,
    print_report_path,
    print_verdict,
    stderr,
    stdout,
)
from semelha.comparison import RESULT, Comparison
from semelha.comparison.result import DataFacts, Figure, MethodResult
from semelha.comparison.schedule import Callback
from semelha.errors import UsageError
from semelha.images import Dataset
from semelha.language import Words, words_in

UNITS = {"s": 1 / 60, "m": 1.0, "h": 60.0}
"""Minutes of each."""


def compare(
    folder: Annotated[Path, Argument(help="Folder of class folders, or a CSV manifest.")],
    out: Annotated[Path, Option(help="Folder for measurements and the result, which must be new.")] = Path(
        "comparison"
    ),
    methods: Annotated[
        str | None,
        Option(
            help="Methods or families, with commas between: gmml, hog, network, …",
            metavar="NAMES",
            show_default="all methods",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        Option(help="Time for all: 90s, 30m or 2h.", metavar="TIME", show_default="as long as all methods take"),
    ] = None,
    model: Annotated[
        list[Path] | None, Option(help="Model to compare too; can be given several times.", show_default="none")
    ] = None,
    minutes: Annotated[float, Option(help="For one training of a network, without --budget.", min=0.01)] = 5.0,
    fpir: Annotated[float, Option(help="False-positive identification rate at which FNIR is measured.")] = 0.1,
    resume: Annotated[bool, Option("--resume", help="Continue an interrupted comparison.")] = False,
    layout: Layout = None,
    split: Split = None,
    report: ReportPath = None,
    language: Language = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Compare methods on your pictures, each on classes that it did not learn from, and recommend one.

    Example: semelha compare photos --budget 30m

    Example: semelha compare photos --methods hog,gmml,network --model my-model --out compared
    """
    check_outputs(report)
    words = words_in(language)
    dataset = replace(load_dataset(folder, layout=layout, split=split), name=str(folder))  # stands in commands
    names = None if methods is None else [name.strip() for name in methods.split(",") if name.strip()]
    limit = None if budget is None else parsed_minutes(budget)
    with resumable("comparing") as show:
        found = semelha.compare(
            dataset,
            folder=out,
            methods=names,
            models=model or None,
            budget=limit,
            minutes=minutes,
            fpir=fpir,
            seed=seed,
            resume=resume,
            callback=show,
        )
    note_remarks(found.data, dataset)
    if json:
        verdict = found.verdict(words.language)
        print_json({**found.to_json(), "verdict": verdict.to_json(), "reading": dataset.report()})
    else:
        print_comparison(found, words)
        stdout.print(f"[dim]Result: {escape(str(out / RESULT))}[/]")
    if report is not None:  # last, so that the figures are not lost if it cannot be written
        from semelha.comparison.report import write_comparison_report  # importing Matplotlib is slow

        write_comparison_report(found, report, dataset=dataset, language=words.language)
        print_report_path(report, json)


def parsed_minutes(text: str) -> float:
    """Minutes of a time such as "90s", "30m" or "2h"; a number alone is minutes. Raises `UsageError`."""
    parts = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smh]?)", text.strip().lower())
    if parts is None:
        raise UsageError(f"--budget is {text!r}: write 90s, 30m or 2h")
    return float(parts[1]) * UNITS[parts[2] or "m"]


@contextmanager
def resumable(title: str) -> Iterator[Callback]:
    """Shows what begins and how long it took so far; when it is interrupted, that it can be resumed."""
    with stderr.status(title) as status:
        try:
            yield lambda text, seconds: status.update(f"{seconds / 60:.1f} min  {escape(text)}")
        except KeyboardInterrupt:
            status.stop()
            stderr.print("Interrupted: the same command with --resume continues.")
            raise


def note_remarks(found: DataFacts, dataset: Dataset) -> None:
    """Print what was remarked of the pictures, but for what was noted when they were read."""
    known = {str(remark) for remark in dataset.remarks}
    for text in found.remarks:
        if text not in known:
            note(text)


def print_comparison(found: Comparison, words: Words) -> None:
    """The table, what was not measured and why, the premise, and the verdict."""
    measured = [one for one in found.methods if one.state == "measured"]
    stdout.print(_table(found, measured))
    for one in found.methods:
        if one.state != "measured":
            after = f" in round {one.round}" if one.round else ""
            rate = "" if one.expected is None else f"; with all its time about {one.expected:.2f} is expected"
            stdout.print(f"[dim]{escape(one.name)}: {one.state}{after}: {escape(one.reason)}{rate}[/]")
    facts = found.data
    stdout.print(
        f"[dim]{facts.pictures:,} pictures of {facts.classes:,} classes: {sum(facts.fold_classes):,} in "
        f"{len(facts.fold_classes)} test folds, {facts.selection_classes:,} for selection. 95% intervals over classes; "
        f"p is corrected for the number of methods. {found.budget.used / 60:.1f} minutes.[/]"
    )
    if found.premise is not None:
        stdout.print(escape(found.premise.text(words)))
    stdout.print()
    print_verdict(found.verdict(words.language))


def _table(found: Comparison, measured: list[MethodResult]) -> Table:
    right = ("R@1", "MAP@R", "FNIR", "below the best", "p", "learning", "one picture", "numbers", "size")
    fnir = f"FNIR at FPIR={found.fpir:g}"
    table = make_table("method", "R@1", "MAP@R", fnir, *right[3:], right=(*right, fnir))
    chosen = None if found.recommendation is None else found.recommendation.method
    for one in measured:
        less = one.difference
        table.add_row(
            escape(one.name),
            cell_with_interval(one.r_at_1),
            cell_with_interval(one.map_at_r),
            cell_with_interval(one.fnir_at_fpir),
            "" if less is None else f"{less.value:+.3f}",
            "" if less is None else f"{less.p:.4f}",
            f"{one.seconds or 0:.1f} s",
            f"{one.milliseconds or 0:.1f} ms",
            f"{one.dim or 0:,}",
            f"{(one.size or 0) / 1e6:.1f} MB",
            style="bold" if one.name == chosen else None,
        )
    return table


def cell_with_interval(figure: Figure | None) -> str:
    """The figure with its interval."""
    if figure is None:
        return figure_cell(None, None)
    value, low, high = figure
    return figure_cell(value, None if low is None or high is None else (low, high))
