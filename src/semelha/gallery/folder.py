"""The folder of a gallery: `gallery.json`, `model/`, `gallery.sqlite`.

The database names the model of its vectors. After a migration that was cut short that model may still be in
`model-…`, beside the earlier one.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from semelha.embedders import Model, load_embedder
from semelha.errors import FingerprintMismatch, GalleryError, GalleryTooNew, ModelError, SemelhaError, UsageError
from semelha.files import atomic_folder, remove_partial_files, rename, write_file
from semelha.gallery.live_index import RECALL
from semelha.images import HashBasis
from semelha.store import Store
from semelha.store.milvus.address import MilvusAddress
from semelha.untrusted import field_of, read_json

FORMAT = 1
DATABASE = "gallery.sqlite"
SETTINGS = "gallery.json"
MODEL = "model"
MAX_SETTINGS_BYTES = 1 << 20
ATTEMPTS = 3


@dataclass(frozen=True)
class GallerySettings:
    """The content of `gallery.json`."""

    format: int
    keep_pictures: bool
    fingerprint: str  # of the model, for a database that does not name it
    recall: float = RECALL  # target of the index if none is on disk


def create_folder(folder: Path, model: Model, *, keep_pictures: bool, recall: float = RECALL) -> None:
    """Create an empty gallery, whole or not at all. Raises `GalleryError` if it exists or cannot be written."""
    if folder.exists():
        raise GalleryError(f"{folder} exists already: open it, or choose another place")
    with atomic_folder(folder, private=True, error=GalleryError) as partial:
        shutil.copytree(model.folder, partial / MODEL)
        write_settings(partial, GallerySettings(FORMAT, keep_pictures, model.fingerprint, recall))
        # That of the pictures that the model was trained on, so that the gallery recognizes them.
        basis: HashBasis = "pixels" if "pixels" in model.card.content_bases else "encoded"
        Store(partial / DATABASE, model.fingerprint, hash_basis=basis).close()


def write_settings(folder: Path, settings: GallerySettings) -> None:
    """Write `gallery.json`."""
    write_file(folder / SETTINGS, [json.dumps(asdict(settings), indent=1), "\n"], error=GalleryError)


def read_settings(folder: Path) -> GallerySettings:
    """Read `gallery.json`. Raises `GalleryError` or `GalleryTooNew`, and `UsageError` for a gallery on Milvus."""
    if address := MilvusAddress.of(folder):
        raise UsageError(f"{address} is on Milvus, and this takes a folder: copy it there with `semelha copy`")
    name = str(folder / SETTINGS)
    try:
        content = read_json(folder / SETTINGS, max_bytes=MAX_SETTINGS_BYTES, error=GalleryError)
    except FileNotFoundError as error:
        makers = "Gallery.create, `semelha enroll` or `semelha open`"
        raise GalleryError(f"{folder} is no gallery: make one with {makers}") from error
    content = {"recall": RECALL, **content}  # absent before indexes were saved to disk
    kinds: dict[str, type] = {"format": int, "keep_pictures": bool, "fingerprint": str, "recall": float}
    settings = GallerySettings(
        **{key: field_of(content, key, kind, name, error=GalleryError) for key, kind in kinds.items()}
    )
    if not 0 < settings.recall <= 1:
        raise GalleryError(f"{name} is damaged: recall must be within (0, 1], not {settings.recall}")
    if settings.format > FORMAT:
        raise GalleryTooNew(
            f"{folder} has the format {settings.format}, this semelha reads up to {FORMAT}: update semelha"
        )
    if not (folder / DATABASE).is_file():
        raise GalleryError(f"{folder} has lost its {DATABASE}: restore it from a copy")
    return settings


def open_folder(folder: Path, settings: GallerySettings, threads: int | None = None) -> tuple[Model, Store]:
    """Open the database, and load the model of its vectors.

    Raises `FingerprintMismatch` if the folder has another model, `GalleryError` or `ModelError`.
    """
    problem: SemelhaError
    for attempt in range(ATTEMPTS):
        time.sleep(0.1 * attempt)  # another process may be installing another model at this moment
        store = Store(folder / DATABASE, settings.fingerprint)
        try:
            model = load_embedder(model_folder(folder, store.model), threads=threads)
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


def pending_model_folder(folder: Path, fingerprint: str) -> Path:
    """Where a migration keeps its model until the database has its vectors and `install_model` renames it."""
    return folder / f"{MODEL}-{fingerprint[:16]}"


def model_folder(folder: Path, fingerprint: str) -> Path:
    """The folder of the model of a database's vectors."""
    pending = pending_model_folder(folder, fingerprint)
    return pending if pending.is_dir() else folder / MODEL


def install_model(folder: Path, settings: GallerySettings) -> None:
    """Rename the model of a migration to `model/`, write the settings, and delete leftovers.

    The gallery is whole before, after, and wherever this is interrupted. For one process at a time. Raises `OSError` or
    `GalleryError`.
    """
    pending, model = pending_model_folder(folder, settings.fingerprint), folder / MODEL
    if pending.is_dir():
        if model.exists():
            rename(model, Path(tempfile.mkdtemp(prefix=f".{MODEL}-", dir=folder)) / MODEL)
        rename(pending, model)
    remove_partial_files(folder)
    write_settings(folder, settings)
    for stale in [*folder.glob(f"{MODEL}-" + 16 * "[0-9a-f]"), *folder.glob(f".{MODEL}-*")]:
        shutil.rmtree(stale)
