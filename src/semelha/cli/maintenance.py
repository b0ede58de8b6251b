"""Commands for the maintenance of a gallery: migrate, index."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from rich.filesize import decimal
from rich.markup import escape
from typer import Option

from semelha.cli.output import (
    GalleryPath,
    Json,
    load_dataset,
    make_table,
    note,
    print_json,
    progress_bars,
    stderr,
    stdout,
)
from semelha.gallery import Gallery
from semelha.gallery import migrate as migrate_gallery

MAX_MISSING = 5  # examples without a picture to name


def migrate(
    gallery: GalleryPath,
    model: Annotated[Path, Option(help="Folder of the new model.")],
    pictures: Annotated[
        Path | None, Option(help="Folder or CSV manifest of original pictures, used before the copies in the gallery.")
    ] = None,
    drop_missing: Annotated[bool, Option("--drop-missing", help="Remove examples without a picture for good.")] = False,
    strangers: Annotated[
        Path | None, Option(help="Folder or CSV manifest of things that are not enrolled, to calibrate on again.")
    ] = None,
    confirmed: Annotated[
        Path | None, Option(help="Folder or CSV manifest of new pictures of enrolled subjects, to calibrate on again.")
    ] = None,
    uncalibrated: Annotated[
        bool, Option("--uncalibrated", help="Migrate even if the gallery cannot be calibrated afterwards.")
    ] = False,
    json: Json = False,
) -> None:
    """Move a gallery to a new model. It can be used during the migration; an interrupted migration resumes.

    Example: semelha migrate shop --model new-model
    """
    datasets = [None if path is None else load_dataset(path) for path in (strangers, confirmed)]
    originals = () if pictures is None else load_dataset(pictures, labelled=False)
    with progress_bars() as bar:
        done = migrate_gallery(
            gallery,
            model,
            pictures=originals,
            drop_missing=drop_missing,
            strangers=datasets[0],
            confirmed=datasets[1],
            uncalibrated=uncalibrated,
            progress=bar,
        )
    if json:
        print_json(asdict(done))
        return
    for warning in done.warnings:
        note(warning)
    if not done.migrated:
        stdout.print(f"[bold]{escape(str(gallery))}[/] already uses this model: there is nothing to do.")
        return
    if done.dropped:
        note(f"{len(done.dropped)} examples without a picture were removed, such as:")
        for one in done.dropped[:MAX_MISSING]:
            stderr.print(f"  {escape(one)}")
    by_originals = "" if pictures is None else f", {done.originals} of them from original pictures"
    stdout.print(
        f"[bold]{escape(str(gallery))}[/] now uses the model {done.model[:12]}, before {done.previous_model[:12]}: "
        f"{done.examples} examples of {done.subjects} subjects{by_originals}."
    )
    if not done.calibrated:
        stdout.print(f"It is not calibrated. Next: semelha calibrate {escape(str(gallery))}", style="dim")


def index(
    gallery: GalleryPath,
    rebuild: Annotated[bool, Option("--rebuild", help="Build the index again, in one segment.")] = False,
    recall: Annotated[
        float | None,
        Option(help="Fraction of the nearest neighbors to find, 1 for all. Saved.", show_default="as saved, or 0.99"),
    ] = None,
    json: Json = False,
) -> None:
    """Update the index of a gallery on disk, and show its segments.

    Example: semelha index shop
    """
    with Gallery(gallery, recall=recall) as opened, progress_bars() as bar:
        bar("updating the index")
        opened.flush(rebuild=rebuild)
        found: dict[str, Any] = opened.index_stats()
    if json:
        print_json(found)
        return
    columns = ("segment", "state", "vectors", "removed", "size", "recall", "why")
    table = make_table(*columns, right=columns[2:6])
    for one in found["segments"]:
        recalled = f"{one['recall']:.3f}" if "recall" in one else "all"
        numbers = f"{one['vectors']:,}", f"{one['removed']:,}", decimal(one["bytes"]), recalled
        table.add_row(one["kind"], one["state"], *numbers, escape(one.get("why", "few; scanned until merged")))
    stdout.print(table)
    saved = "saved on disk" if found["on_disk"] == found["change"] else "too few to save on disk"
    stdout.print(
        f"[dim]{found['vectors']:,} vectors, {decimal(found['bytes'])}, {saved}; target recall {found['recall']:g}[/]"
    )
