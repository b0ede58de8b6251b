"""Commands about subjects that are one: merge, undo, merges."""

from __future__ import annotations

from typing import Annotated

from rich.markup import escape
from rich.table import Table
from typer import Argument

from semelha.cli.output import GalleryPath, Json, print_json, stdout
from semelha.gallery import Gallery


def merge_subjects(
    gallery: GalleryPath,
    source: Annotated[str, Argument(help="The subject that ends.")],
    into: Annotated[str, Argument(help="The subject that gets its examples.")],
) -> None:
    """Make two subjects one. It can be undone.

    Example: semelha subjects merge shop granny-smith "Granny Smith"
    """
    with Gallery.open(gallery) as opened:
        tell_merge(opened, opened.merge(source, into))


def undo_merge(
    gallery: GalleryPath, merge: Annotated[int, Argument(help="Its number, as `subjects merges` lists it.")]
) -> None:
    """Part two subjects that were merged: each has again what it had.

    Example: semelha subjects undo shop 1
    """
    with Gallery.open(gallery) as opened:
        name = opened.unmerge(merge)
    stdout.print(f"[bold]{escape(name)}[/] is a subject of its own again")


def merges_of_subjects(gallery: GalleryPath, json: Json = False) -> None:
    """List the merges that can be undone.

    Example: semelha subjects merges shop
    """
    with Gallery.open(gallery) as opened:
        found = opened.merges()
    if json:
        print_json({"merges": [vars(one) for one in found]})
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("merge", "subject", "into", "examples", "since", "undo before"):
        table.add_column(column, justify="right" if column == "examples" else "left")
    for one in found:
        before = "" if one.inside is None else str(one.inside)
        count = str(one.moved + one.shared)
        table.add_row(str(one.number), escape(one.source), escape(one.into), count, one.created, before)
    stdout.print(table)
    stdout.print(f"[dim]{len(found)} merges[/]")


def tell_merge(gallery: Gallery, number: int) -> None:
    """Say what a merge did, and how it is undone."""
    (merge,) = [one for one in gallery.merges() if one.number == number]
    shared = f", and {merge.shared} that both had" if merge.shared else ""
    stdout.print(f"{escape(merge.source)} is [bold]{escape(merge.into)}[/] now, with {merge.moved} examples{shared}")
    stdout.print(f"[dim]semelha subjects undo {escape(str(gallery.path))} {number} parts them again[/]")
