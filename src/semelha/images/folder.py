"""Read data sets from disk: a folder with a subfolder for each class, or a CSV manifest."""

from __future__ import annotations

import csv
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from semelha.arguments import check_types
from semelha.errors import DatasetError, PictureError
from semelha.images.dataset import Dataset, Skipped
from semelha.images.decode import Box, Limits
from semelha.images.picture import Picture

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}


def read_dataset(
    path: str | os.PathLike[str], *, labelled: bool = True, limits: Limits = Limits(), check: bool = True
) -> Dataset:
    """Read a folder with `read_folder`, or a CSV file with `read_manifest`. Raises `DatasetError`."""
    if Path(path).suffix.lower() == ".csv":
        return read_manifest(path, labelled=labelled, limits=limits, check=check)
    return read_folder(path, labelled=labelled, limits=limits, check=check)


@check_types
def read_folder(
    path: str | os.PathLike[str], *, labelled: bool = True, limits: Limits = Limits(), check: bool = True
) -> Dataset:
    """Read `path/class/…/picture`: every folder in `path` is a class, and all pictures below it belong to it.

    Files in class folders that cannot be used are listed in the result's `skipped`, and so are pictures beside the
    class folders. Hidden files and folders are ignored. The pictures are in the order of their names; `warnings` lists
    labels that look alike, and classes without pictures.

    Parameters
    ----------
    labelled : bool
        False: pictures beside the class folders are included, with the label "", and class folders are optional.
    check : bool
        Check the header of every file now. Damage after the header is found when a picture is decoded.

    Raises
    ------
    DatasetError
        The folder does not exist, or has no pictures.
    """
    root = Path(path)
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder" if root.exists() else f"there is no folder {root}")
    try:
        entries = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DatasetError(f"{root} cannot be read: {error.strerror}") from error
    found: list[Picture] = []
    folders = [entry for entry in entries if entry.is_dir()]
    loose = [entry for entry in entries if not entry.is_dir() and entry.suffix.lower() in SUFFIXES]
    skipped: list[Skipped] = []
    if labelled:
        skipped = [Skipped(_text(file.name), "it lies beside the class folders: it has no class") for file in loose]
    else:
        found = [Picture(source=file, label="", name=_text(file.name)) for file in loose]
    for folder in folders:
        for file in _files(folder, root, skipped):
            name = _text(file.relative_to(root).as_posix())
            found.append(Picture(source=file, label=_text(folder.name), name=name))
    if not found and not labelled:
        raise DatasetError(f"{root} contains no pictures")
    if not found:
        what = "pictures but no class folders" if loose else "no pictures in class folders"
        raise DatasetError(f"{root} contains {what}: put the pictures of each class into one folder, named after it")
    labels = [_text(folder.name) for folder in folders]
    return _checked(_text(root.resolve().name) or str(root), labels, found, skipped, limits, check)


@check_types
def read_manifest(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    labelled: bool = True,
    limits: Limits = Limits(),
    check: bool = True,
) -> Dataset:
    """Read a CSV file with the columns `path` and `label` (or `class`), and if there `split`, `group`, `box`.

    Parameters
    ----------
    path : path
        UTF-8, with a header line. A box is `left top right bottom`, pixels of the upright picture.
    root : path, optional
        Folder of relative paths; the manifest's folder by default.
    labelled : bool
        False: the column of labels is optional, and its cells may be empty.
    limits, check
        As for `read_folder`.

    Raises
    ------
    DatasetError
        The file or a column is missing, or a row is invalid; the message has its line number.
    """
    file = Path(path)
    base = Path(root) if root is not None else file.parent
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            found = list(_rows(csv.DictReader(opened), base, file, labelled))
    except OSError as error:
        raise DatasetError(f"the manifest {file} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"the manifest {file} is no CSV file in UTF-8: {error}") from error
    if not found:
        raise DatasetError(f"the manifest {file} names no picture")
    labels = list(dict.fromkeys(picture.label for picture in found))
    return _checked(file.stem, labels, found, [], limits, check)


def _rows(reader: csv.DictReader[str], base: Path, file: Path, labelled: bool) -> Iterator[Picture]:
    columns = reader.fieldnames or []
    label = next((name for name in ("label", "class") if name in columns), "label")
    if "path" not in columns or (labelled and label not in columns):
        wanted = "'path' and 'label', with commas between" if labelled else "'path'"
        raise DatasetError(
            f"the manifest {file} has the columns {', '.join(columns) or '(none)'}: its first line must name {wanted}"
        )
    for row in reader:
        cell = {column: (row.get(column) or "").strip() for column in ("path", label, "group", "split", "box")}
        if not cell["path"] or (labelled and not cell[label]):
            missing = label if cell["path"] else "path"
            raise DatasetError(f"line {reader.line_num} of {file} has no {missing}")
        yield Picture(
            source=base / cell["path"],
            label=cell[label],
            name=cell["path"],
            group=cell["group"] or None,
            split=cell["split"] or None,
            box=_box(cell["box"], reader.line_num, file),
        )


def _box(text: str, line: int, file: Path) -> Box | None:
    if not text:
        return None
    try:
        left, top, right, bottom = (int(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise DatasetError(
            f"line {line} of {file} has the box {text!r}: write left top right bottom, whole numbers"
        ) from error
    return left, top, right, bottom


def _files(folder: Path, root: Path, skipped: list[Skipped]) -> Iterator[Path]:
    """Files below `folder`, sorted by name, without hidden ones; links to folders are not followed."""

    def unreadable(error: OSError) -> None:
        name = Path(error.filename).relative_to(root).as_posix()
        skipped.append(Skipped(_text(name), f"the folder cannot be read: {error.strerror}"))

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))


def _text(name: str) -> str:
    """The name of a file as valid Unicode: bytes that are not UTF-8 are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


def _checked(
    name: str, labels: list[str], found: list[Picture], skipped: list[Skipped], limits: Limits, check: bool
) -> Dataset:
    kept: list[Picture] = []
    for picture in found:
        try:
            if check:
                picture.open(limits).close()
            kept.append(picture)
        except PictureError as error:
            skipped.append(Skipped(picture.name, str(error)))
    if not kept:
        raise DatasetError(
            f"none of the {len(found)} files of {name} is a picture that can be used: {skipped[-1].reason}"
        )
    warnings = (*_similar_labels(labels), *_without_pictures(labels, kept))
    return Dataset(name, tuple(kept), tuple(skipped), warnings)


def _similar_labels(labels: Iterable[str]) -> Iterator[str]:
    """Warnings of labels that differ by case or encoding only: they are separate classes."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        spellings[unicodedata.normalize("NFC", label.casefold())].append(label)
    for alike in spellings.values():
        if len(alike) > 1:
            yield f"labels that differ only by case or encoding are kept apart: {', '.join(sorted(alike))}"


def _without_pictures(labels: Iterable[str], kept: list[Picture]) -> Iterator[str]:
    with_pictures = {picture.label for picture in kept}
    empty = [label for label in labels if label not in with_pictures]
    if empty:
        names = ", ".join(empty[:5]) + (", …" if len(empty) > 5 else "")
        yield f"classes without a picture that can be used: {len(empty)} ({names})"
