"""The layouts of well-known data sets and programs, and how a folder is recognized as one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from semelha.errors import DatasetError
from semelha.images import annotated, listed
from semelha.images.folder import Found
from semelha.text import as_unicode

KNOWN: dict[str, tuple[Callable[[Path], bool], Callable[[Path], Found]]] = {
    "sop": (listed.is_sop, listed.sop),
    "in-shop": (listed.is_in_shop, listed.in_shop),
    "cub": (listed.is_cub, listed.cub),
    "cars196": (listed.is_cars196, listed.cars196),
    "lfw": (listed.is_lfw, listed.lfw),
    "market1501": (listed.is_market1501, listed.market1501),
    "coco": (annotated.is_coco, annotated.coco),
    "fiftyone": (annotated.is_fiftyone, annotated.fiftyone),
    "huggingface": (annotated.is_huggingface, annotated.huggingface),
}
"""By the name of a layout: whether a folder has its files, and what reads it."""


def recognized(root: Path) -> str | None:
    """The layout whose files a folder has. Raises `DatasetError` if it has those of several."""
    names = [name for name, (matches, _) in KNOWN.items() if matches(root)]
    if len(names) > 1:
        raise DatasetError(
            f"{as_unicode(str(root))} may have the layout {' or '.join(names)}: say which with layout (--layout NAME)"
        )
    return names[0] if names else None


def read_known(layout: str, path: Path) -> Found:
    """Read a folder, or for "coco" a file, in a layout. Raises `DatasetError` if it does not have it."""
    if path.is_dir() and not KNOWN[layout][0](path):
        raise DatasetError(
            f"{as_unicode(str(path))} does not have the files of the layout {layout}: docs/datasets.md lists them"
        )
    return KNOWN[layout][1](path)
