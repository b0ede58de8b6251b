"""`semelha shards`: pictures in tar archives that keep each class together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from semelha.cli.console import escape
from semelha.cli.output import Json, Layout, Split, check_outputs, load_dataset, print_result, progress_bars
from semelha.errors import DatasetError
from semelha.images import write_shards


def shards(
    folder: Annotated[Path, Argument(help="Folder of class folders, or a CSV manifest.")],
    out: Annotated[Path, Option(help="Folder to make, for the shards and their index.")],
    number: Annotated[
        int | None,
        Option(help="Number of shards.", min=1, show_default="by size: about 256 MB each, and 8 or more"),
    ] = None,
    layout: Layout = None,
    split: Split = None,
    json: Json = False,
) -> None:
    """Pack pictures into tar archives for a training on many machines, each class in one of them.

    Example: semelha shards photos --out packed

    Example: semelha train packed --backbone small --out model
    """
    check_outputs(folder=out, error=DatasetError)
    dataset = load_dataset(folder, layout=layout, split=split)
    with progress_bars() as bar:
        made = write_shards(dataset, out, number=number, progress=bar("packing"))
    size = sum(one.bytes for one in made)
    print_result(
        json,
        {"out": str(out), "shards": [vars(one) for one in made], "reading": dataset.report()},
        f"[bold]{escape(out)}[/] has {len(made):,} shards of {len(dataset):,} pictures and {len(dataset.classes):,} "
        f"classes, {size / 2**20:,.1f} MB in all.",
        f"[dim]Next: semelha train {escape(out)} --backbone small --out MODEL[/]",
    )
