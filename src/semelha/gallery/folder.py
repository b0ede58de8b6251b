"""The folder of a gallery: `gallery.json`, `model/`, `gallery.sqlite`.

The database says of which model its vectors are. After a migration that was cut short its model may stand in
`model-…` still, beside the one that was there before.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from semelha.embedders import Model, load_embedder
from semelha.errors import FingerprintMismatch, GalleryError, GalleryTooNew, ModelError, SemelhaError
from semelha.gallery.segments import RECALL
from semelha.store import Store

FORMAT = 1
DATABASE = "gallery.sqlite"
SETTINGS = "gallery.json"
MODEL = "model"
TRIES = 3


@dataclass(frozen=True)
class Settings:
    """What `gallery.json` holds.

    Attributes
    ----------
    format : int
    keep_pictures : bool
    fingerprint : str
        Of the model, where the database does not say.
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
        shutil.copytree(model.folder, partial / MODEL)
        settings = Settings(FORMAT, keep_pictures, model.fingerprint, recall)
        (partial / SETTINGS).write_text(json.dumps(asdict(settings), indent=1) + "\n", encoding="utf-8")
        Store(partial / DATABASE, model.fingerprint).close()
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


def open_folder(folder: Path, settings: Settings) -> tuple[Model, Store]:
    """The database, and the model whose vectors it holds.

    Raises
    ------
    FingerprintMismatch
        The model in the folder is another.
    GalleryError, ModelError
    """
    problem: SemelhaError
    for attempt in range(TRIES):
        time.sleep(0.1 * attempt)  # another process may be just moving the gallery to another model
        store = Store(folder / DATABASE, settings.fingerprint)
        try:
            model = load_embedder(model_place(folder, store.model))
            if model.fingerprint == store.model:
                return model, store
            problem = FingerprintMismatch(
                f"{folder} holds vectors of the model {store.model[:12]}, but has {model.fingerprint[:12]}"
            )
        except ModelError as error:
            problem = error
        except BaseException:
            store.close()
            raise
        store.close()
    raise problem


def waiting_place(folder: Path, fingerprint: str) -> Path:
    """Where a model stands from before the database holds its vectors until it takes the place of the last one."""
    return folder / f"{MODEL}-{fingerprint[:16]}"


def model_place(folder: Path, fingerprint: str) -> Path:
    """Where the model of a database is."""
    waiting = waiting_place(folder, fingerprint)
    return waiting if waiting.is_dir() else folder / MODEL


def put_in_place(folder: Path, settings: Settings) -> None:
    """Give the folder of a gallery that was moved to another model the names it always has, and clear away the rest.

    It is whole before, after, and wherever this ends. For one process at a time. Raises `OSError`.
    """
    waiting, model = waiting_place(folder, settings.fingerprint), folder / MODEL
    if waiting.is_dir():
        if model.exists():
            model.rename(Path(tempfile.mkdtemp(prefix=f".{MODEL}-", dir=folder)) / MODEL)
        waiting.rename(model)
    written = folder / f".{SETTINGS}"
    with written.open("w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(settings), indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    written.replace(folder / SETTINGS)
    for stale in [*folder.glob(f"{MODEL}-" + 16 * "[0-9a-f]"), *folder.glob(f".{MODEL}-*")]:
        shutil.rmtree(stale)
