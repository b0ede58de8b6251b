"""`read_dataset`: read pictures with labels from a folder or a manifest, in one of the layouts of `LAYOUTS`."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from semelha.arguments import check_types
from semelha.errors import DatasetError, UsageError
from semelha.images.catalogue import catalogue, looks_like_catalogue
from semelha.images.checking import checked
from semelha.images.dataset import Dataset
from semelha.images.enclosed import check_enclosed
from semelha.images.folder import Found, check_folder, class_folders, looks_split, split_folders
from semelha.images.formats import Limits
from semelha.images.layouts import KNOWN, read_known, recognized
from semelha.images.manifest import manifest
from semelha.images.shards import is_sharded, read_shards
from semelha.images.splits import one_split
from semelha.images.table import JSON_LINES, OTHER_WORKBOOKS, WORKBOOKS
from semelha.text import as_unicode

MANIFESTS = frozenset({".csv", ".tsv", ".tab", ".txt", *JSON_LINES, *WORKBOOKS, *OTHER_WORKBOOKS})
"""Suffixes of files that are read as a table."""
LAYOUTS = ("class-folders", "split-folders", "catalogue", "manifest", "shards", *KNOWN)
"""Names of the layouts; docs/datasets.md describes them."""


@check_types
def read_dataset(
    path: str | os.PathLike[str],
    *,
    labelled: bool = True,
    layout: str | None = None,
    split: str | None = None,
    groups: str | None = None,
    limits: Limits = Limits(),
    check: bool = True,
    within: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Read a folder, or a manifest: a table with a row for each picture. See docs/datasets.md.

    `Dataset.remarks` says what was used, assumed, ignored and left out; `Dataset.skipped` lists the files that cannot
    be used, with reasons.

    Parameters
    ----------
    path : path or URL
        A folder, or a file: CSV and other tables, JSON lines, or the JSON of COCO and iNaturalist. Or shards that
        `write_shards` made: their folder, or archives such as `photos/shards-{0000..0009}.tar`; fsspec reads URLs.
    labelled : bool
        False: labels are optional, and pictures may lie anywhere in a folder; without a class their label is "".
    layout : str, optional
        One of `LAYOUTS`, such as "class-folders". Recognized by default.
    split : str, optional
        Read the pictures of one split, such as "test". "all": read all pictures, and forget their splits. By default
        every picture has its split, and whatever uses the data set chooses.
    groups : str, optional
        The column of a manifest that has the groups, such as "visit"; by default one of those in docs/datasets.md.
    check : bool
        Read the header of every file now. Damage after the header is found when a picture is decoded.
    within : path, optional
        The folder in which every picture must lie, for data sets from outside.

    Raises
    ------
    DatasetError
        The path cannot be read, or has no pictures, or its layout is not clear; or it has no such column; or a picture
        does not lie in the folder `within`.
    UsageError
        No layout is called so.
    MissingExtra
        The layout needs a package that is not installed.
    """
    if layout is not None and layout not in LAYOUTS:
        raise UsageError(f"layout is {layout!r}: it must be one of {', '.join(LAYOUTS)}")
    if layout == "shards" or (layout is None and is_sharded(path)):
        if groups is not None:
            raise DatasetError(f"{as_unicode(str(path))} is no manifest: groups ({groups}) names a column of one")
        sharded = read_shards(path, limits=limits, within=within)
        return sharded if split is None else one_split(sharded, split)
    file = Path(path)
    is_file = _is_file(file, layout)
    if groups is not None and (not is_file or _is_coco(file, layout)):
        raise DatasetError(f"{as_unicode(str(file))} is no manifest: groups ({groups}) names a column of one")
    found = _read_file(file, layout, labelled, groups) if is_file else _read_root(file, layout, labelled)
    if within is not None:
        check_enclosed(found, within)
    dataset = checked(found, limits, labelled=labelled, check=check)
    if not dataset.pictures:
        raise DatasetError(_without_pictures(file, dataset, labelled))
    return dataset if split is None else one_split(dataset, split)


@check_types
def read_folder(
    path: str | os.PathLike[str], *, labelled: bool = True, limits: Limits = Limits(), check: bool = True
) -> Dataset:
    """Read a folder, as `read_dataset` does: `path/class/…/picture`, and the other layouts of folders.

    Hidden files and folders, and those of desktop software, are ignored. The pictures are in the order of their names.

    Raises
    ------
    DatasetError
        The folder does not exist, or has no pictures.
    """
    return read_dataset(check_folder(path), labelled=labelled, limits=limits, check=check)


@check_types
def read_manifest(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    labelled: bool = True,
    limits: Limits = Limits(),
    check: bool = True,
) -> Dataset:
    """Read a table with the columns `path` and `label` (or `class`), and if there `split`, `group`, `domain`, `box`.

    docs/datasets.md lists other names of columns, the forms of boxes, and the encodings and separators that are read.

    Parameters
    ----------
    root : path, optional
        Folder of relative paths; the manifest's folder by default.
    labelled : bool
        False: the column of labels is optional, and its cells may be empty.
    limits, check
        As for `read_dataset`.

    Raises
    ------
    DatasetError
        The file or a column is missing, or a row is invalid; the message has its line number.
    MissingExtra
        It is an Excel workbook, and openpyxl is not installed.
    """
    file = Path(path)
    base = file.parent if root is None else Path(root)
    return checked(manifest(file, base, labelled=labelled), limits, labelled=labelled, check=check)


def expand_pattern(path: Path) -> list[Path]:
    """The files that a pattern such as `photos/*.jpg` matches, in the order of their names; an existing path as it is.

    Raises `UsageError` if no file matches.
    """
    if os.path.lexists(path) or not glob.has_magic(str(path)):
        return [path]
    files = [Path(file) for file in sorted(glob.glob(str(path), recursive=True)) if os.path.isfile(file)]
    if not files:
        raise UsageError(f"no file matches the pattern {as_unicode(str(path))}")
    return files


def _is_file(path: Path, layout: str | None) -> bool:
    if path.is_dir():
        return False
    return layout in ("manifest", "coco") or path.suffix.lower() in {*MANIFESTS, ".json"}


def _is_coco(file: Path, layout: str | None) -> bool:
    return layout == "coco" or (layout is None and file.suffix.lower() == ".json")


def _read_file(file: Path, layout: str | None, labelled: bool, groups: str | None) -> Found:
    if _is_coco(file, layout):
        return read_known("coco", file)
    if layout not in (None, "manifest"):
        raise DatasetError(f"{as_unicode(str(file))} is a file: the layout {layout} is one of folders")
    return manifest(file, file.parent, labelled=labelled, groups=groups)


def _read_root(path: Path, layout: str | None, labelled: bool) -> Found:
    root = check_folder(path)
    if layout == "manifest":
        raise DatasetError(f"{as_unicode(str(path))} is a folder: the layout manifest is one of files")
    known = recognized(root) if layout is None else layout
    if known in KNOWN:
        found = read_known(known, root)
        found.report.add("assumed", f"the layout is {known}")
        return found
    if known == "catalogue" or (known is None and looks_like_catalogue(root)):
        return catalogue(root)
    if known == "split-folders" or (known is None and looks_split(root, labelled=labelled)):
        return split_folders(root)
    return class_folders(root, labelled=labelled)


def _without_pictures(path: Path, dataset: Dataset, labelled: bool) -> str:
    """Why a folder has nothing to read."""
    name = as_unicode(str(path))
    if not labelled:
        return f"{name} contains no pictures"
    what = "pictures but no class folders" if dataset.skipped else "no pictures in class folders"
    tables = [one for one in path.iterdir() if one.suffix.lower() in MANIFESTS] if path.is_dir() else []
    pass_table = f", or pass the manifest {as_unicode(tables[0].name)} if it has their labels" if tables else ""
    return f"{name} contains {what}: put the pictures of each class into one folder, named after it{pass_table}"
