"""The command about the index of a gallery."""

from __future__ import annotations

from typing import Annotated, Any

from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table
from typer import Option

from semelha.cli.output import GalleryPath, Json, print_json, progress_bars, stdout
from semelha.gallery import Gallery


def index(
    gallery: GalleryPath,
    rebuild: Annotated[bool, Option("--rebuild", help="Make it anew, all of it in one segment.")] = False,
    recall: Annotated[
        float | None, Option(help="Part of the nearest to be found; 1: all. Kept.", show_default="as it was, or 0.99")
    ] = None,
    json: Json = False,
) -> None:
    """Bring the index of a gallery up to date on the disk, and show what it is made of.

    Example: semelha index shop
    """
    with Gallery.open(gallery, recall=recall) as opened, progress_bars() as bar:
        bar("bringing the index up to date")
        opened.flush(rebuild=rebuild)
        found: dict[str, Any] = opened.index_stats()
    if json:
        print_json(found)
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("segment", "state", "vectors", "removed", "size", "recall", "why"):
        table.add_column(column, justify="right" if column in ("vectors", "removed", "size", "recall") else "left")
    for one in found["segments"]:
        measured = f"{one['recall']:.3f}" if "recall" in one else "all"
        numbers = f"{one['vectors']:,}", f"{one['removed']:,}", decimal(one["bytes"]), measured
        table.add_row(one["kind"], one["state"], *numbers, escape(one.get("why", "few, and scanned until merged")))
    stdout.print(table)
    kept = "on the disk" if found["on_disk"] == found["change"] else "too few to be kept on the disk"
    stdout.print(
        f"[dim]{found['vectors']:,} vectors, {decimal(found['bytes'])}, {kept}; recall wanted {found['recall']:g}[/]"
    )
