"""Shared parts of the commands: options, tables, JSON, notes and progress bars."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from typer import Argument, Exit, Option

from semelha.cli.console import escape, write_json
from semelha.cli.reading import limits, picture_of
from semelha.errors import SemelhaError, UsageError
from semelha.files import check_writable
from semelha.images import LAYOUTS, Dataset, Picture, Skipped, Use, expand_pattern, for_use, read_dataset
from semelha.language import LANGUAGES, Verdict
from semelha.text import shown

UNWRAPPED_WIDTH = 10_000
"""Columns of a console that is no terminal, so that lines in files and pipes are not wrapped."""
MAX_SKIPPED_SHOWN = 5  # files of a kind that are named

stdout = Console(emoji=False, width=None if sys.stdout.isatty() else UNWRAPPED_WIDTH)
stderr = Console(stderr=True, emoji=False, width=None if sys.stderr.isatty() else UNWRAPPED_WIDTH)

GalleryPath = Annotated[Path, Argument(metavar="GALLERY", help="Gallery: a folder, or milvus://HOST:PORT/NAME.")]
Fpir = Annotated[
    float,
    Option(help="False-positive identification rate: fraction of strangers that may be named.", min=0.0, max=1.0),
]
Json = Annotated[bool, Option("--json", help="Print one JSON object for programs to read.")]
Layout = Annotated[
    str | None,
    Option(help=f"Layout of the pictures: {', '.join(LAYOUTS)}.", metavar="NAME", show_default="recognized"),
]
Split = Annotated[
    str | None,
    Option(help="Split to use, such as test; all: every picture.", metavar="NAME", show_default="by the command"),
]
ReportPath = Annotated[Path | None, Option(help="HTML report to write.")]
Seed = Annotated[int, Option(help="Seed of every random draw.", min=0)]
Language = Annotated[
    str | None,
    Option(
        help=f"Language of the verdict and of the report: {', '.join(LANGUAGES)}.",
        metavar="NAME",
        show_default="by the locale",
    ),
]
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


def check_outputs(*files: Path | None, folder: Path | None = None, error: type[SemelhaError] = SemelhaError) -> None:
    """Raise `error` for an output that cannot be written, before the work for it: files, or a new folder."""
    for path in files:
        if path is not None:
            check_writable(path, error=error)
    if folder is not None:
        check_writable(folder, is_folder=True, error=error)


def note(text: str) -> None:
    """Print a note on standard error."""
    stderr.print(f"[yellow]note:[/] {escape(text)}")


def print_verdict(verdict: Verdict) -> None:
    """Print a verdict as one paragraph."""
    style = {"good": "green", "fair": "yellow", "poor": "red", "unknown": "yellow"}[verdict.level]
    stdout.print(f"[bold {style}]{escape(verdict.result)}[/] {escape(' '.join((*verdict.steps, verdict.basis)))}\n")
    if verdict.command:
        stdout.print(f"{escape(verdict.command)}\n", soft_wrap=True)


def print_report_path(report: Path, as_json: bool) -> None:
    """Print the path of a report that was written; beside JSON on standard error."""
    (stderr if as_json else stdout).print(f"Report: [bold]{escape(report)}[/]")


def exit_after_skipped(skipped: Sequence[Skipped] | None) -> None:
    """If pictures were left out, print a note for each reason, with their number and some names, and exit with 1."""
    kinds: dict[str, list[Skipped]] = {}
    for one in skipped or ():
        kinds.setdefault(one.reason.removeprefix(shown(one.name)).strip(" :"), []).append(one)
    for reason, some in kinds.items():
        names = ", ".join(one.name for one in some[:MAX_SKIPPED_SHOWN])
        more = f" and {len(some) - MAX_SKIPPED_SHOWN} more" if len(some) > MAX_SKIPPED_SHOWN else ""
        note(
            f"{len(some)} left out, each of which {reason}: {names}{more}"
            if some[1:]
            else f"left out: {some[0].reason}"
        )
    if kinds:
        raise Exit(1)


def make_table(*columns: str, right: Collection[str] = ()) -> Table:
    """A plain table, with the columns in `right` aligned to the right."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    return table


def load_dataset(
    path: Path | str,
    *,
    use: Use | None = None,
    labelled: bool = True,
    layout: str | None = None,
    split: str | None = None,
    groups: str | None = None,
) -> Dataset:
    """Read a data set, select the split for its use, and print its remarks as notes."""
    dataset = read_dataset(path, labelled=labelled, layout=layout, split=split, groups=groups, limits=limits())
    if use is not None:
        dataset = for_use(dataset, use)
    for remark in dataset.remarks:
        note(str(remark))
    return dataset


def expand_pictures(paths: Sequence[Path], *, folders: bool) -> list[Picture]:
    """The pictures that arguments name: files, quoted patterns, and folders of pictures.

    Raises `UsageError` for a pattern that no file matches, and for a folder that has folders unless `folders`.
    """
    pictures: list[Picture] = []
    for path in paths:
        if not path.is_dir():
            pictures += [picture_of(file) for file in expand_pattern(path)]
            continue
        dataset = load_dataset(path, labelled=False)
        if not folders and any(picture.label for picture in dataset):
            raise UsageError(f"{path} has folders of pictures: --from {path} takes each of them as one subject")
        pictures += [replace(picture, label="", name=str(picture.source)) for picture in dataset]
    return pictures


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
