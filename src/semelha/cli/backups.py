"""Commands that copy a gallery: backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument

from semelha.cli.console import escape
from semelha.cli.output import GalleryPath, Json, print_result
from semelha.gallery import Backup
from semelha.gallery import backup as backup_gallery
from semelha.gallery import restore as restore_gallery


def backup(
    gallery: GalleryPath,
    out: Annotated[Path, Argument(metavar="OUT", help="New folder for the copy.")],
    json: Json = False,
) -> None:
    """Copy a gallery while it is in use, and check the copy. The copy is a gallery too.

    Example: semelha backup shop backups/shop-monday
    """
    _print(backup_gallery(gallery, out), "backed up to", json)


def restore(
    source: Annotated[Path, Argument(metavar="BACKUP", help="Folder that `semelha backup` made.")],
    out: Annotated[Path, Argument(metavar="OUT", help="New folder for the gallery; move a damaged one away first.")],
    json: Json = False,
) -> None:
    """Copy a backup to a new folder, and check the copy. The backup stays as it is.

    Example: semelha restore backups/shop-monday shop
    """
    _print(restore_gallery(source, out), "restored to", json)


def _print(done: Backup, what: str, json: bool) -> None:
    value = {"path": str(done.path), "subjects": done.subjects, "examples": done.examples}
    line = f"{done.examples} examples of {done.subjects} subjects {what} [bold]{escape(str(done.path))}[/], checked."
    print_result(json, value, line)
