"""The command that tells what an answer rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.markup import escape
from rich.table import Table
from typer import Argument, Option

from semelha.cli.output import GalleryPath, Json, print_json, stdout
from semelha.gallery import Gallery
from semelha.recognition import Evidence


def explain(
    gallery: GalleryPath,
    picture: Annotated[Path, Argument(help="A picture of one thing.")],
    out: Annotated[Path | None, Option(help="PNG file to write the sheet to.")] = None,
    k: Annotated[int, Option("-k", help="Matching examples to show.", min=1)] = 3,
    json: Json = False,
) -> None:
    """Tell what an answer rests on: matching examples, what came second, and which parts of the picture did it.

    Example: semelha explain shop new.jpg --out evidence.png
    """
    with Gallery.open(gallery) as opened:
        found = opened.explain(picture, k=k)
    if out is not None:
        found.save(out)
    if json:
        print_json({"picture": str(picture), **found.to_json()})
        return
    _tell(found)
    if out is not None:
        stdout.print(f"Evidence: [bold]{escape(str(out))}[/]")


def _tell(found: Evidence) -> None:
    answer = found.identification
    p_value = "" if answer.p_value is None else f", p {answer.p_value:.3f}"
    nearest = "; nearest is" if answer.subject is None and found.matched else ":"
    name = answer.subject or (found.matched[0].subject if found.matched else "–")
    stdout.print(f"{answer.decision}{nearest} [bold]{escape(name)}[/]{p_value}")
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("", "subject", "distance", "example", "picture"):
        table.add_column(column)
    second = [] if found.runner_up is None else [("second", found.runner_up)]
    for word, each in [*(("matched", each) for each in found.matched), *second]:
        kept = "not kept" if each.picture is None else "kept"
        table.add_row(word, escape(each.subject), f"{each.distance:.3f}", escape(each.source), kept)
    stdout.print(table)
    if found.margin is not None:
        stdout.print(f"The second is farther by {found.margin:.3f}.")
    stdout.print(f"[dim]{escape(answer.note)}[/]")
