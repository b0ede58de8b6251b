"""Shared parts of the commands: options, tables, JSON, notes and progress bars."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from typer import Argument, Option

from semelha.cli.console import escape, write_json
from semelha.images import Dataset, read_dataset

UNWRAPPED_WIDTH = 10_000
"""Columns of a console that is no terminal, so that lines in files and pipes are not wrapped."""
MAX_SKIPPED_SHOWN = 5  # skipped files that are named

stdout = Console(emoji=False, width=None if sys.stdout.isatty() else UNWRAPPED_WIDTH)
stderr = Console(stderr=True, emoji=False, width=None if sys.stderr.isatty() else UNWRAPPED_WIDTH)

GalleryPath = Annotated[Path, Argument(metavar="GALLERY", help="Gallery folder.")]
Fpir = Annotated[
    float,
    Option(help="False-positive identification rate: fraction of strangers that may be named.", min=0.0, max=1.0),
]
Json = Annotated[bool, Option("--json", help="Print one JSON object for programs to read.")]
ReportPath = Annotated[Path | None, Option(help="HTML report to write.")]
Seed = Annotated[int, Option(help="Seed of every random draw.", min=0)]
Yes = Annotated[bool, Option("--yes", help="Do not ask for confirmation.")]

ProgressCallback = Callable[[int, int], None]
"""Called with (done, total)."""


def print_json(value: object) -> None:
    """Print one JSON object on standard output. Numbers must be finite."""
    write_json(value)


def print_result(as_json: bool, value: object, *lines: str) -> None:
    """Print a result: as one JSON object, or as lines of text with markup."""
    if as_json:
        print_json(value)
        return
    for line in lines:
        stdout.print(line)


def print_records(
    as_json: bool, value: dict[str, Any], columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    """Print records: as one JSON object, whose last value lists them, or as a table and their number."""
    if as_json:
        print_json(value)
        return
    table = make_table(*columns, right=("examples", "example"))
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    stdout.print(table)
    stdout.print(f"[dim]{len(rows)} {list(value)[-1]}[/]")


def note(text: str) -> None:
    """Print a note on standard error."""
    stderr.print(f"[yellow]note:[/] {escape(text)}")


def print_report_path(report: Path | None) -> None:
    """Print the path of a report, if one was written."""
    if report is not None:
        stdout.print(f"Report: [bold]{escape(str(report))}[/]")


def make_table(*columns: str, right: Collection[str] = ()) -> Table:
    """A plain table, with the columns in `right` aligned to the right."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    return table


def load_dataset(path: Path, *, labelled: bool = True) -> Dataset:
    """Read a data set, and print its warnings and skipped files as notes."""
    dataset = read_dataset(path, labelled=labelled)
    for warning in dataset.warnings:
        note(warning)
    if dataset.skipped:
        note(f"{len(dataset.skipped)} files skipped, such as:")
        for skipped in dataset.skipped[:MAX_SKIPPED_SHOWN]:
            stderr.print(f"  {escape(skipped.reason)}")
    return dataset


@contextmanager
def progress_bars() -> Iterator[Callable[[str], ProgressCallback]]:
    """Show progress bars on standard error. Yields a function from a title to a callback of (done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bars:

        def bar(title: str) -> ProgressCallback:
            task = bars.add_task(escape(title), total=None)

            def advance(done: int, total: int) -> None:
                bars.update(task, completed=done, total=total)

            return advance

        yield bar


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Print warnings raised inside as notes, once each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        note(text)


@contextmanager
def training_bars() -> Iterator[tuple[ProgressCallback, Callable[[Any], None]]]:
    """Show two bars on standard error: pictures read, by (done, total), and the training, by `TrainingProgress`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bars:
        reading = bars.add_task("reading pictures", total=None, figures="")
        training = bars.add_task("training", total=None, figures="")

        def read(done: int, total: int) -> None:
            bars.update(reading, completed=done, total=total)

        def callback(progress: Any) -> None:
            validation = (
                "" if progress.validation is None else f"  R@1 {progress.validation:.3f} (best {progress.best:.3f})"
            )
            figures = f"{progress.images_per_second:4.0f} images/s  loss {progress.loss:.3f}{validation}"
            bars.update(training, completed=progress.done, total=1.0, figures=figures)

        yield read, callback
