"""`semelha tune`: the settings of one method for these pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from rich.table import Table
from typer import Argument, Option

import semelha
from semelha.cli.comparing import cell_with_interval, note_remarks, parsed_minutes, resumable
from semelha.cli.console import escape
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
    print_json,
    print_report_path,
    print_verdict,
    stdout,
)
from semelha.comparison import TUNED, Tuning
from semelha.language import Words, words_in


def tune(
    folder: Annotated[Path, Argument(help="Folder of class folders, or a CSV manifest.")],
    method: Annotated[
        str, Option(help="Method, as compare names it: 'lda on hog', triplet, default-loss, …", metavar="NAME")
    ],
    out: Annotated[Path, Option(help="Folder for trials and the result, which must be new.")] = Path("tuning"),
    budget: Annotated[
        str | None,
        Option(help="Time for all: 90s, 30m or 2h.", metavar="TIME", show_default="as long as all trials take"),
    ] = None,
    trials: Annotated[int, Option(help="Settings to try, at most.", min=1, max=10_000)] = 30,
    model: Annotated[
        Path | None, Option(help="Model on whose vectors a distance is learned.", show_default="the default model")
    ] = None,
    minutes: Annotated[
        float | None,
        Option(help="For one training of a network.", show_default="a sixteenth of --budget, or 5", min=0.01),
    ] = None,
    resume: Annotated[bool, Option("--resume", help="Continue an interrupted tuning.")] = False,
    layout: Layout = None,
    split: Split = None,
    report: ReportPath = None,
    language: Language = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Tune the settings of a method on some classes, and measure on others whether they are better than the defaults.

    Example: semelha tune photos --method "lda on hog"

    Example: semelha tune photos --method triplet --budget 2h --out tuned --report tuned.html
    """
    check_outputs(report)
    words = words_in(language)
    dataset = replace(load_dataset(folder, layout=layout, split=split), name=str(folder))  # stands in commands
    limit = None if budget is None else parsed_minutes(budget)
    with resumable("tuning") as show:
        found = semelha.tune(
            dataset,
            folder=out,
            method=method,
            model=model,
            budget=limit,
            trials=trials,
            minutes=minutes,
            seed=seed,
            resume=resume,
            callback=show,
        )
    note_remarks(found.data, dataset)
    if json:
        verdict = found.verdict(words.language)
        print_json({**found.to_json(), "verdict": verdict.to_json(), "reading": dataset.report()})
    else:
        print_tuning(found, words)
        stdout.print(f"[dim]Result: {escape(str(out / TUNED))}[/]")
    if report is not None:  # last, so that the figures are not lost if it cannot be written
        from semelha.comparison.report import write_tuning_report  # importing Matplotlib is slow

        write_tuning_report(found, report, language=words.language)
        print_report_path(report, json)


def print_tuning(found: Tuning, words: Words) -> None:
    """The trials, the settings found beside the defaults on the test classes, and what to take."""
    facts = found.data
    stdout.print(_trials_table(found))
    stdout.print(
        f"[dim]{escape(found.method)} on {facts.selection_classes:,} classes for selection, with 95% intervals over "
        "classes. The first trial has the defaults.[/]\n"
    )
    stdout.print(_tested_table(found))
    if (less := found.difference) is not None:
        ends = "" if less.low is None else f" ({less.low:+.3f} to {less.high:+.3f})"
        stdout.print(f"[dim]Difference in R@1: {less.value:+.3f}{ends}, p {less.p:.4f}, on the same pictures.[/]")
    length = "" if found.minutes is None else f" Each training took at most {found.minutes:.1f} minutes."
    stdout.print(
        f"[dim]{sum(facts.fold_classes):,} classes in {len(facts.fold_classes)} test folds, which took no part in the "
        f"choice.{length} {found.used / 60:.1f} minutes in all.[/]"
    )
    if found.found is not None and not found.is_better:
        stdout.print(f"[dim]The settings found: {escape(found.found.command)}[/]", soft_wrap=True)
    stdout.print()
    print_verdict(found.verdict(words.language))


def _trials_table(found: Tuning) -> Table:
    names = list(found.defaults)
    table = make_table("trial", *names, "R@1", "", "time", right=("trial", *names, "time"))
    best = 1 if found.found is None else found.found.trial
    for one in found.trials:
        values = {name: one.settings.get(name, found.defaults[name]) for name in names}
        cells = ("[dim]default[/]" if value is None else f"{value:g}" for value in values.values())
        state = "" if one.state == "measured" else one.state + (f": {one.reason}" if one.reason else "")
        style = "bold" if one.number == best else None
        figure = "[dim]–[/]" if one.r_at_1 is None else cell_with_interval(one.r_at_1)
        table.add_row(str(one.number), *cells, figure, escape(state), f"{one.seconds:.1f} s", style=style)
    return table


def _tested_table(found: Tuning) -> Table:
    right = ("R@1", "MAP@R", "learning")
    table = make_table("on the test classes", *right, right=right)
    for title, one in (("defaults", found.default), ("settings found", found.found)):
        if one is not None:
            row = (title, cell_with_interval(one.r_at_1), cell_with_interval(one.map_at_r), f"{one.seconds:.1f} s")
            table.add_row(*row, style="bold" if one.command == found.command else None)
    return table
