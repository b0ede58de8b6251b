"""`semelha migrate`: a gallery goes on with another model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from rich.markup import escape
from typer import Option

from semelha.cli.output import GalleryPath, Json, print_json, progress_bars, read, stderr, stdout
from semelha.gallery import migrate as migrate_gallery

TOLD = 5  # examples left out that are named


def migrate(
    gallery: GalleryPath,
    model: Annotated[Path, Option(help="Model folder that it goes on with.")],
    pictures: Annotated[
        Path | None, Option(help="Folder or manifest of original pictures, used rather than the copies that were kept.")
    ] = None,
    drop_missing: Annotated[
        bool, Option("--drop-missing", help="Leave out for good the examples of which there is no picture.")
    ] = False,
    strangers: Annotated[
        Path | None, Option(help="Folder of things that are not enrolled, where it is calibrated with such.")
    ] = None,
    confirmed: Annotated[
        Path | None, Option(help="Folder of new pictures of enrolled things, where it is calibrated with such.")
    ] = None,
    uncalibrated: Annotated[
        bool, Option("--uncalibrated", help='Move also where it cannot say "unknown" any more after it.')
    ] = False,
    json: Json = False,
) -> None:
    """Let a gallery go on with another model. It can be used meanwhile; what was cut short goes on when called again.

    Example: semelha migrate shop --model new-model
    """
    originals = () if pictures is None else read(pictures, labelled=False)
    others = None if strangers is None else read(strangers)
    with progress_bars() as bar:
        done = migrate_gallery(
            gallery,
            model,
            pictures=originals,
            drop_missing=drop_missing,
            strangers=others,
            confirmed=None if confirmed is None else read(confirmed),
            uncalibrated=uncalibrated,
            progress=bar,
        )
    if json:
        print_json(asdict(done))
        return
    for warning in done.warnings:
        stderr.print(f"[yellow]note:[/] {escape(warning)}")
    if not done.migrated:
        stdout.print(f"[bold]{escape(str(gallery))}[/] is of this model already: there is nothing to do.")
        return
    if done.dropped:
        stderr.print(f"[yellow]note:[/] {len(done.dropped)} examples without a picture are left out, such as:")
        for one in done.dropped[:TOLD]:
            stderr.print(f"  {escape(one)}")
    by_originals = "" if pictures is None else f", {done.originals} of them by their original pictures"
    stdout.print(
        f"[bold]{escape(str(gallery))}[/] is of the model {done.model[:12]} now, before of {done.previous_model[:12]}: "
        f"{done.examples} examples of {done.subjects} subjects{by_originals}."
    )
    if not done.calibrated:
        stdout.print(f"It is not calibrated. Next: semelha calibrate {escape(str(gallery))}", style="dim")
