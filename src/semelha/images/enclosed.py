"""Data sets of which no file may lie elsewhere: such as those that came in an archive from outside."""

from __future__ import annotations

import os

from semelha.errors import DatasetError
from semelha.images.folder import Found


def check_enclosed(found: Found, root: str | os.PathLike[str]) -> None:
    """Raise `DatasetError` if a picture lies outside of the folder `root`, by its path or over a link."""
    inside = os.path.join(os.path.realpath(root), "")
    for entry in found.entries:
        try:
            place = os.path.realpath(entry.path)
        except (OSError, ValueError):
            place = ""
        if not place.startswith(inside):
            raise DatasetError(f"{entry.name} does not lie in the folder of the data set")
