"""Commands that say what a picture does not show: reject, rejections, withdraw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.markup import escape
from rich.table import Table
from typer import Argument

from semelha.cli.output import GalleryPath, Json, print_json, stdout
from semelha.gallery import Gallery


def reject(
    gallery: GalleryPath,
    picture: Annotated[Path, Argument(help="A picture.")],
    subject: Annotated[str, Argument(help="What it does not show.")],
    json: Json = False,
) -> None:
    """Say that a picture does not show a subject: it, and what is like it, is not named so any more.

    Example: semelha reject shop new.jpg granny-smith
    """
    with Gallery.open(gallery) as opened:
        number = opened.reject(picture, subject)
    if json:
        print_json({"rejection": number, "subject": subject, "picture": str(picture)})
        return
    stdout.print(f"{escape(str(picture))} is not [bold]{escape(subject)}[/]")
    stdout.print(f"[dim]semelha subjects withdraw {escape(str(gallery))} {number} takes that back[/]")


def rejections_of_subject(
    gallery: GalleryPath, name: Annotated[str, Argument(help="Its name.")], json: Json = False
) -> None:
    """List the pictures that were said not to show a subject.

    Example: semelha subjects rejections shop granny-smith
    """
    with Gallery.open(gallery) as opened:
        found = opened.rejections(name)
    if json:
        rows = [{"rejection": one.number, "picture": one.source, "since": one.created} for one in found]
        print_json({"subject": name, "rejections": rows})
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("rejection", "picture", "since"):
        table.add_column(column)
    for one in found:
        table.add_row(str(one.number), escape(one.source), one.created)
    stdout.print(table)
    stdout.print(f"[dim]{len(found)} rejections[/]")


def withdraw_rejection(
    gallery: GalleryPath,
    rejection: Annotated[int, Argument(help="Its number, as `subjects rejections` lists it.")],
) -> None:
    """Take back that a picture does not show a subject.

    Example: semelha subjects withdraw shop 1
    """
    with Gallery.open(gallery) as opened:
        opened.withdraw_rejection(rejection)
    stdout.print(f"The rejection {rejection} is withdrawn")
