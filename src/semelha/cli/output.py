"""What commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from typer import Argument, Option

from semelha.images import Dataset, read_dataset

NO_TERMINAL = 10_000
"""Columns where nobody has a window to wrap lines for, so that a file or a pipe gets them whole."""

stdout = Console(width=None if sys.stdout.isatty() else NO_TERMINAL)
stderr = Console(stderr=True, width=None if sys.stderr.isatty() else NO_TERMINAL)

GalleryPath = Annotated[Path, Argument(metavar="GALLERY", help="Gallery folder.")]
Json = Annotated[bool, Option("--json", help="Print one JSON object for programs to read.")]


def print_json(value: object) -> None:
    """One JSON object on standard output, its numbers finite."""
    print(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def read(folder: Path, *, labelled: bool = True) -> Dataset:
    """Read a data set; print its warnings and skipped files on standard error."""
    dataset = read_dataset(folder, labelled=labelled)
    for warning in dataset.warnings:
        stderr.print(f"[yellow]note:[/] {escape(warning)}")
    if dataset.skipped:
        stderr.print(f"[yellow]note:[/] {len(dataset.skipped)} files left out, such as:")
        for skipped in dataset.skipped[:5]:
            stderr.print(f"  {escape(skipped.reason)}")
    return dataset


@contextmanager
def progress_bars() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Bars on standard error: gives a function from a title to a callback of (done, in all)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bars:

        def bar(title: str) -> Callable[[int, int], None]:
            task = bars.add_task(title, total=None)

            def advance(done: int, total: int) -> None:
                bars.update(task, completed=done, total=total)

            return advance

        yield bar


@contextmanager
def told_warnings() -> Iterator[None]:
    """What is warned of inside is told on standard error, once each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        stderr.print(f"[yellow]note:[/] {escape(text)}")


@contextmanager
def training_bars() -> Iterator[tuple[Callable[[int, int], None], Callable[[Any], None]]]:
    """Two bars on standard error: one for the pictures read, taking (done, in all), and one for the training, taking a
    `TrainingProgress`: part done, images/s, loss, and R@1 on the classes held out."""
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
