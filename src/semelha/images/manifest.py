"""Read manifests: tables with a row for each picture."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

from semelha.errors import DatasetError
from semelha.images.folder import Entry, FloatBox, Found, tell_merged
from semelha.images.names import domain_name, split_name
from semelha.images.report import Report
from semelha.images.table import Table, exists, read_table
from semelha.text import as_unicode
from semelha.untrusted import normalized_name

COLUMNS = {
    "path": (
        *("path", "file_path", "filepath", "file_name", "filename", "file", "image_path", "image", "image_name"),
        *("image_file", "img_path", "img", "picture", "photo"),
    ),
    "label": (
        *("label", "class", "class_name", "label_name", "category", "category_name", "subject", "identity"),
        *("individual", "individual_id", "species", "target", "class_id", "classid", "label_id", "category_id"),
    ),
    "split": ("split", "subset", "set", "partition"),
    "group": ("group", "burst", "encounter"),
    "domain": ("domain", "modality", "source_kind", "picture_kind"),
}
"""What a column is for, and the names that it may have; the first that a manifest has is used."""

CORNERS = (
    ("box",),
    ("left", "top", "right", "bottom"),
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"),
    ("roi_x1", "roi_y1", "roi_x2", "roi_y2"),
)
"""Columns of boxes as left, top, right and bottom."""
SIZES = (
    ("bbox",),
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("left", "top", "width", "height"),
    ("bbox_x", "bbox_y", "bbox_width", "bbox_height"),
    ("bbox_x", "bbox_y", "bbox_w", "bbox_h"),
)
"""Columns of boxes as left, top, width and height, as COCO has them."""


def manifest(file: Path, base: Path, *, labelled: bool, groups: str | None = None, found: Found | None = None) -> Found:
    """The pictures that a manifest lists, with paths relative to `base`; `groups` names the column of their groups.

    Raises `DatasetError`, `MissingExtra`.
    """
    found = Found(as_unicode(file.stem)) if found is None else found
    table = read_table(file, found.report, lambda header: _count_known(header, labelled))
    return listed(table, found, base, f"the manifest {as_unicode(str(file))}", labelled=labelled, groups=groups)


def listed(table: Table, found: Found, base: Path, name: str, *, labelled: bool, groups: str | None = None) -> Found:
    """The pictures that a table lists, with paths relative to `base`.

    Raises `DatasetError`; its message calls the table `name`.
    """
    columns = [_normal(column) for column in table.columns]
    place = {use: _first(columns, names) for use, names in COLUMNS.items()}
    there = ", ".join(as_unicode(column) for column in table.columns if column.strip()) or "(none)"
    if (path_at := place["path"]) is None or (labelled and place["label"] is None):
        wanted = "'path' and 'label', with commas between" if labelled else "'path'"
        raise DatasetError(f"{name} has the columns {there}: its first line must name {wanted}")
    if groups is not None:
        place["group"] = _first(columns, (_normal(groups),))
    if groups is not None and place["group"] is None:
        raise DatasetError(f"{name} has no column {as_unicode(groups)} for groups: it has {there}")
    corners, sizes = _first_set(columns, CORNERS), _first_set(columns, SIZES)
    box = corners or sizes
    used = [index for index in (*place.values(), *(box or ())) if index is not None]
    _check_columns(table.columns, columns, used, place, name, found.report)
    if box is not None and corners is None:
        titles = ", ".join(table.columns[index].strip() for index in box)
        found.report.add("assumed", f"boxes are left, top, width and height, in {titles}")
    spellings: dict[str, dict[str, None]] = {}
    start = len(found.entries)
    empty = 0
    width = len(columns)
    label_at, split_at, group_at, domain_at = (place[use] for use in ("label", "split", "group", "domain"))
    for line, row in table.rows:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            empty += bool(cells)
            continue
        if any(cells[width:]):
            raise DatasetError(
                f"line {line} of {name} has {len(cells)} cells, and the header {width}: put a cell that has the "
                "separator in it between quotes"
            )
        cells += [""] * (width - len(cells))
        path, raw = cells[path_at], "" if label_at is None else cells[label_at]
        label = normalized_name(raw)
        if not path or (labelled and not label):
            raise DatasetError(
                f"line {line} of {name} has no {'path' if not path or label_at is None else columns[label_at]}"
            )
        spellings.setdefault(label, {})[raw] = None
        entry = Entry(path, label, as_unicode(path))
        if group_at is not None:
            entry.group = cells[group_at] or None
        if split_at is not None:
            entry.split = split_name(cells[split_at]) or None
        if domain_at is not None:
            entry.domain = domain_name(cells[domain_at]) or None
        if box is not None:
            entry.box = _box([cells[index] for index in box], line, name, sizes=corners is None)
        found.entries.append(entry)
    if len(found.entries) == start:
        raise DatasetError(f"{name} names no picture")
    if empty:
        found.report.add("ignored", f"empty rows of {os.path.basename(name)}: {empty}")
    found.labels = list(dict.fromkeys((*found.labels, *spellings)))
    tell_merged(found.report, {label: list(each) for label, each in spellings.items()})
    _find_files(found.entries[start:], base, found.report)
    _find_relative_boxes(found.entries[start:], found.report)
    return found


def _normal(column: str) -> str:
    """The name of a column in lower case, with underscores for spaces, points and hyphens."""
    return re.sub(r"[\s.\-]+", "_", column.strip().casefold())


def _first(columns: list[str], names: Sequence[str]) -> int | None:
    return next((columns.index(name) for name in names if name in columns), None)


def _first_set(columns: list[str], sets: Sequence[tuple[str, ...]]) -> tuple[int, ...] | None:
    return next((tuple(columns.index(name) for name in names) for names in sets if set(names) <= set(columns)), None)


def _count_known(header: list[str], labelled: bool) -> int:
    columns = [_normal(column) for column in header]
    needed = [_first(columns, COLUMNS[use]) is not None for use in (("path", "label") if labelled else ("path",))]
    return 10 * sum(needed) + sum(_first(columns, names) is not None for names in COLUMNS.values())


def _check_columns(
    titles: list[str], columns: list[str], used: list[int], place: dict[str, int | None], name: str, report: Report
) -> None:
    """Raise `DatasetError` for a used column that is there twice; report columns by another name, and ignored ones."""
    for index in used:
        if columns.count(columns[index]) > 1:
            raise DatasetError(f"{name} has the column {columns[index]} twice: leave one of them")
    renamed = [
        f"{use} is the column {as_unicode(titles[index].strip())}"
        for use, index in place.items()
        if index is not None and columns[index] not in (use, "class")
    ]
    if renamed:
        report.add("assumed", "; ".join(renamed))
    ignored = [as_unicode(title.strip()) for i, title in enumerate(titles) if i not in used and title.strip()]
    if ignored:
        report.add("ignored", "columns", *ignored)


def _box(given: Sequence[str], line: int, name: str, *, sizes: bool) -> FloatBox | None:
    if not any(given):
        return None
    written = " ".join(given)
    # In one cell commas separate numbers; in four, one may be a decimal comma.
    parts = (
        re.sub(r"[\[\](){},;]", " ", written).split() if len(given) == 1 else [one.replace(",", ".") for one in given]
    )
    try:
        a, b, c, d = (float(part) for part in parts)
        if not all(math.isfinite(one) for one in (a, b, c, d)):
            raise ValueError
    except ValueError as error:
        order = "left top width height" if sizes else "left top right bottom"
        raise DatasetError(f"line {line} of {name} has the box {written!r}: write {order}, four numbers") from error
    return (a, b, a + c, b + d) if sizes else (a, b, c, d)


def _find_files(entries: list[Entry], base: Path, report: Report) -> None:
    """Make paths absolute or relative to `base`; backslashes separate folders where no file is called so."""
    root = str(base)
    for entry in entries:
        path = os.path.join(root, entry.path)
        if "\\" in entry.path and not exists(path):
            other = os.path.join(root, entry.path.replace("\\", "/"))
            if exists(other):
                path = other
                report.add("assumed", "paths in which backslashes separate folders", entry.name)
        entry.path = path


def _find_relative_boxes(entries: list[Entry], report: Report) -> None:
    """Boxes are fractions of the picture if no number of any of them is above 1."""
    boxes = [entry for entry in entries if entry.box is not None]
    if boxes and all(0 <= number <= 1.0001 for entry in boxes for number in entry.box or ()):
        for entry in boxes:
            entry.relative_box = True
        report.add("assumed", "boxes are fractions of the width and height: no number in them is above 1")
