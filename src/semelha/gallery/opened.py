"""What a gallery is opened with, wherever it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from semelha.embedders import Model
from semelha.gallery.live_index import IndexFolder
from semelha.store import Store


@dataclass(frozen=True, eq=False)
class OpenedGallery:
    """The parts of a gallery.

    Attributes
    ----------
    path : Path
        By which it can be opened again.
    folder : Path
        For files that are made from the examples.
    """

    path: Path
    folder: Path
    keep_pictures: bool
    model: Model
    store: Store
    index: IndexFolder
