"""Data sets from disk: a folder of class folders, or a CSV manifest."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from semelha.errors import DatasetError, PictureError
from semelha.images.dataset import Dataset, Picture, Skipped
from semelha.images.decode import Box, Limits, check_header

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}


def read_dataset(path: str | os.PathLike[str], *, limits: Limits = Limits(), check: bool = True) -> Dataset:
    """A folder as `read_folder` reads it, or a CSV file as `read_manifest` does."""
    if Path(path).suffix.lower() == ".csv":
        return read_manifest(path, limits=limits, check=check)
    return read_folder(path, limits=limits, check=check)


def read_folder(path: str | os.PathLike[str], *, limits: Limits = Limits(), check: bool = True) -> Dataset:
    """Read `path/class/…/picture`: every folder in `path` is a class, and the pictures below it show that class.

    Hidden files and folders are left alone. Files beside the class folders, and files in them that are no pictures, are
    listed in the result's `skipped` (files beside pictures whose suffix is no picture's only if nothing else is there).

    Parameters
    ----------
    path : path
    limits : Limits
    check : bool
        Look at the header of every file now. A picture that is damaged further in is found when it is decoded.

    Raises
    ------
    DatasetError
        There is no such folder, or no picture in it.
    """
    root = Path(path)
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder" if root.exists() else f"there is no folder {root}")
    try:
        folders = sorted(
            entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
        )
        found = [
            Picture(source=file, label=folder.name, name=file.relative_to(root).as_posix())
            for folder in folders
            for file in _files(folder)
        ]
        loose = [entry.name for entry in sorted(root.iterdir()) if entry.is_file() and _is_picture(entry)]
    except OSError as error:
        raise DatasetError(f"{root} cannot be read: {error.strerror}") from error
    skipped = [Skipped(name, "it lies beside the class folders, so it has no class") for name in loose]
    if not found:
        what = f"{len(loose)} pictures but no class folders" if loose else "no pictures in class folders"
        raise DatasetError(
            f"{root} holds {what}: put the pictures of each class into a folder of its own, named after it"
        )
    return _checked(root.resolve().name or str(root), found, skipped, limits, check)


def read_manifest(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    limits: Limits = Limits(),
    check: bool = True,
) -> Dataset:
    """Read a CSV file with the columns `path` and `label` (or `class`), and if there `split`, `group`, `box`.

    Parameters
    ----------
    path : path
        UTF-8, with a header line. A box is `left top right bottom`, pixels of the upright picture.
    root : path, optional
        What relative paths are relative to; the manifest's folder if not given.
    limits, check
        As for `read_folder`.

    Raises
    ------
    DatasetError
        No such file, a column is missing, or a row cannot be understood; the message has the line number.
    """
    file = Path(path)
    base = Path(root) if root is not None else file.parent
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            found = list(_rows(csv.DictReader(opened), base, file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"the manifest {file} cannot be read: {error}") from error
    if not found:
        raise DatasetError(f"the manifest {file} names no picture")
    return _checked(file.stem, found, [], limits, check)


def _rows(reader: csv.DictReader[str], base: Path, file: Path) -> Iterator[Picture]:
    columns = reader.fieldnames or []
    label = next((name for name in ("label", "class") if name in columns), None)
    if "path" not in columns or label is None:
        raise DatasetError(
            f"the manifest {file} has the columns {', '.join(columns)}: it needs 'path' and 'label'"
        )
    for row in reader:
        name, thing = (row["path"] or "").strip(), (row[label] or "").strip()
        if not name or not thing:
            raise DatasetError(f"line {reader.line_num} of {file} has no {'path' if not name else label}")
        yield Picture(
            source=base / name,
            label=thing,
            name=name,
            group=(row.get("group") or "").strip() or None,
            split=(row.get("split") or "").strip() or None,
            box=_box((row.get("box") or "").strip(), reader.line_num, file),
        )


def _box(text: str, line: int, file: Path) -> Box | None:
    if not text:
        return None
    try:
        left, top, right, bottom = (int(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise DatasetError(
            f"line {line} of {file} has the box {text!r}: it is 'left top right bottom'"
        ) from error
    return left, top, right, bottom


def _files(folder: Path) -> Iterator[Path]:
    """Every file below `folder`, in the order of names; hidden ones are left alone, links to folders followed once."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES


def _checked(name: str, found: list[Picture], skipped: list[Skipped], limits: Limits, check: bool) -> Dataset:
    kept: list[Picture] = []
    for picture in found:
        try:
            if check and isinstance(picture.source, Path):
                check_header(picture.source, limits=limits)
            kept.append(picture)
        except PictureError as error:
            skipped.append(Skipped(picture.name, str(error)))
    if not kept:
        raise DatasetError(
            f"none of the {len(found)} files of {name} is a picture that can be used: {skipped[0].reason}"
        )
    return Dataset(name, tuple(kept), tuple(skipped), tuple(_alike(kept)))


def _alike(pictures: list[Picture]) -> Iterator[str]:
    """A warning for labels that differ by case only: they are two classes, which is rarely meant."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for picture in pictures:
        spellings[picture.label.casefold()].add(picture.label)
    for labels in spellings.values():
        if len(labels) > 1:
            yield f"labels that differ by case only are kept apart: {', '.join(sorted(labels))}"
