"""The folder of a gallery: `gallery.json`, `model/`, `gallery.sqlite`."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from semelha.embedders import Model
from semelha.errors import GalleryError, GalleryTooNew
from semelha.gallery.segments import RECALL
from semelha.store import Store

FORMAT = 1
DATABASE = "gallery.sqlite"
SETTINGS = "gallery.json"


@dataclass(frozen=True)
class Settings:
    """What `gallery.json` holds.

    Attributes
    ----------
    format : int
    keep_pictures : bool
    fingerprint : str
        Of the model.
    recall : float
        For which an index is made where there is none on the disk.
    """

    format: int
    keep_pictures: bool
    fingerprint: str
    recall: float = RECALL


def make_folder(folder: Path, model: Model, *, keep_pictures: bool, recall: float = RECALL) -> None:
    """Make an empty gallery, whole or not at all. Raises `GalleryError` where it exists or cannot be written."""
    if folder.exists():
        raise GalleryError(f"{folder} exists already: open it, or choose another place")
    partial = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        shutil.copytree(model.folder, partial / "model")
        settings = Settings(FORMAT, keep_pictures, model.fingerprint, recall)
        (partial / SETTINGS).write_text(json.dumps(asdict(settings), indent=1) + "\n", encoding="utf-8")
        Store(partial / DATABASE).close()
        partial.chmod(0o755)
        partial.rename(folder)
    except OSError as error:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        raise GalleryError(f"the gallery cannot be made at {folder}: {error.strerror or error}") from error


def read_settings(folder: Path) -> Settings:
    """The settings of a gallery. Raises `GalleryError` or `GalleryTooNew`."""
    try:
        content = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        settings = Settings(
            int(content["format"]),
            bool(content["keep_pictures"]),
            str(content["fingerprint"]),
            float(content.get("recall", RECALL)),  # not there before there were indexes on the disk
        )
        if not 0 < settings.recall <= 1:
            raise ValueError(f"there is no recall of {settings.recall}")
    except FileNotFoundError as error:
        raise GalleryError(
            f"{folder} is no gallery: make one with Gallery.create, or `semelha enroll --model`"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GalleryError(f"{folder / SETTINGS} is damaged: {error}") from error
    if settings.format > FORMAT:
        raise GalleryTooNew(
            f"{folder} has the format {settings.format}, this semelha reads up to {FORMAT}: update semelha"
        )
    if not (folder / DATABASE).is_file():
        raise GalleryError(f"{folder} has lost its {DATABASE}: restore it from a copy")
    return settings
