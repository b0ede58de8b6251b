"""Read the layouts of well-known data sets and programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from semelha.images.folder import Found


@dataclass(frozen=True)
class FolderLayout:
    """How to recognize a folder of a layout, and how to read it."""

    matches: Callable[[Path], bool]
    read: Callable[[Path], Found]


FOLDER_LAYOUTS: dict[str, FolderLayout] = {}
FILE_LAYOUTS: dict[str, Callable[[Path], Found]] = {}


def recognized(root: Path) -> str | None:
    """The layout of a folder, if it has the files of one."""
    return next((name for name, layout in FOLDER_LAYOUTS.items() if layout.matches(root)), None)
