"""Commands that copy a gallery: backup, restore, copy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from semelha.cli.console import escape
from semelha.cli.output import GalleryPath, Json, print_result, progress_bars
from semelha.gallery import Backup, copy_gallery
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


def copy(
    source: GalleryPath,
    target: Annotated[Path, Argument(metavar="TARGET", help="New place: a folder, or milvus://HOST:PORT/NAME.")],
    pictures: Annotated[
        str | None, Option(metavar="PLACE", help="Where a copy on Milvus keeps its pictures, as s3://bucket/shop.")
    ] = None,
    json: Json = False,
) -> None:
    """Copy a gallery to or from a Milvus server, and verify the copy. One that is cut off goes on the next time.

    Example: semelha copy shop milvus://10.0.0.5:19530/shop --pictures s3://pictures/shop

    Example: semelha copy milvus://10.0.0.5:19530/shop shop-again
    """
    with progress_bars() as bar:
        done = copy_gallery(source, target, pictures=pictures, progress=bar("copying"))
    value = {"path": str(target), "subjects": done.subjects, "examples": done.examples, "checksum": done.checksum}
    line = f"{done.examples} examples of {done.subjects} subjects copied to [bold]{escape(str(target))}[/], verified."
    print_result(json, value, line)


def _print(done: Backup, what: str, json: bool) -> None:
    value = {"path": str(done.path), "subjects": done.subjects, "examples": done.examples}
    line = f"{done.examples} examples of {done.subjects} subjects {what} [bold]{escape(str(done.path))}[/], checked."
    print_result(json, value, line)
