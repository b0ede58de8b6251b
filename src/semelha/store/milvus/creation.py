"""Creates the collection of a gallery and opens it: its settings, the files of its model, its first state."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import isqrt
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter

from semelha.errors import GalleryError, GalleryTooNew, UsageError
from semelha.images import HashBasis
from semelha.index.space import Space
from semelha.metrics import MappedMetric, Metric, pack_gaussians
from semelha.store.database import VERSION
from semelha.store.milvus.address import MilvusAddress
from semelha.store.milvus.changeset import Changeset, whole
from semelha.store.milvus.client import Collection
from semelha.store.milvus.journal import Compacted, Journal, Overtaken, no_gallery
from semelha.store.store import Store

FORMAT = 1
PIECE = 30 << 20  # bytes of a file in a block


@dataclass(frozen=True)
class MilvusSettings:
    """What a gallery on Milvus is created with.

    `model` has for each file its blocks of rows; `pictures` is the place of the pictures, "" if it keeps none;
    `copied` is the number of the state that it is a copy of.
    """

    format: int
    schema: int  # of the database
    fingerprint: str
    pictures: str
    model: dict[str, list[tuple[int, int]]]
    copied: int = 0


def check_metric(metric: Metric) -> Space:
    """The maps of a metric. Raises `UsageError` if Milvus cannot search by it."""
    if not isinstance(metric, MappedMetric):
        raise UsageError(
            f"a gallery on Milvus cannot have the metric {metric.name}: it is neither an inner product nor a Euclidean "
            "distance of mapped vectors"
        )
    return Space(metric)


def product_of(space: Space) -> Literal["L2", "IP"]:
    """How Milvus compares mapped vectors."""
    return "IP" if space.product == "ip" else "L2"


def create_collection(collection: Collection, space: Space, dim: int, fingerprint: str) -> bool:
    """Create the collection for a gallery; returns False if there is a gallery in it.

    Raises `GalleryError` if there is another collection.
    """
    probe = np.full((1, dim), 1 / dim, np.float32)
    if space.metric.domain == "gaussians":
        d = (isqrt(9 + 8 * dim) - 3) // 2
        probe = pack_gaussians(np.zeros((1, d), np.float32), np.eye(d, dtype=np.float32)[None])
    image = space.map_stored(probe)
    wanted = {"vector": dim} if image is probe else {"vector": dim, "mapped": image.shape[1]}
    if not collection.exists():
        collection.create(dim, wanted.get("mapped"), product_of(space), f"semelha gallery of the model {fingerprint}")
    if not collection.is_ours():
        raise GalleryError(f"{collection.address} is a collection that is no gallery: choose another place")
    is_wanted = collection.dimensions == wanted
    if Journal(collection).settings() is not None:
        return False
    if not is_wanted:  # of a creation that was cut off
        collection.drop()
        return create_collection(collection, space, dim, fingerprint)
    return True


def create_gallery(
    collection: Collection,
    fingerprint: str,
    model: Path,
    *,
    pictures: str,
    state: Iterable[Changeset],
    copied: int = 0,
) -> None:
    """Create a gallery in its collection: it exists once all of it is written. Raises `GalleryError` if it does.

    `model` is the folder of its model; `copied` is the number of the state that it is a copy of.
    """
    journal = Journal(collection)
    files = {
        path.relative_to(model).as_posix(): [
            journal.write("settings", [base64.b64encode(piece).decode()], 0).blocks[0] for piece in _pieces(path)
        ]
        for path in sorted(model.rglob("*"))
        if path.is_file()
    }
    try:
        journal.begin(asdict(MilvusSettings(FORMAT, VERSION, fingerprint, pictures, files, copied)), state)
    except Overtaken as error:
        raise exists(collection) from error


def exists(collection: Collection) -> GalleryError:
    """The error of a gallery that exists."""
    return GalleryError(f"{collection.address} exists already: open it, or choose another place")


def empty_state(fingerprint: str, hash_basis: HashBasis) -> list[Changeset]:
    """The state of a gallery without subjects."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "gallery.sqlite", fingerprint, hash_basis=hash_basis)
        try:
            return list(whole(store._db))
        finally:
            store.close()


def has_gallery(collection: Collection) -> bool:
    """Whether there is a gallery, whose creation was not cut off."""
    return _settings(collection) is not None


def read_settings(collection: Collection) -> MilvusSettings:
    """The settings of a gallery. Raises `GalleryError` if there is none, `GalleryTooNew`."""
    found = _settings(collection)
    if found is None:
        raise no_gallery(collection)
    try:
        format, schema = int(found["format"]), int(found["schema"])
        if format > FORMAT or schema > VERSION:
            raise GalleryTooNew(f"{collection.address} was made by a newer semelha: update semelha")
        if schema < VERSION:
            advice = "copy it to a folder with that one, and back with this one"
            raise GalleryError(f"{collection.address} was made by an older semelha: {advice}")
        return TypeAdapter(MilvusSettings).validate_python(found)
    except (ValueError, TypeError, KeyError) as error:
        raise GalleryError(f"the settings of {collection.address} are damaged") from error


def write_model(collection: Collection, settings: MilvusSettings, folder: Path) -> None:
    """Write the files of the model to a folder. Raises `GalleryError` if one would lie outside of it."""
    journal = Journal(collection)
    for name, blocks in settings.model.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise GalleryError(f"{collection.address} is damaged: it has a file of a model that is called {name!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for first, count in blocks:
                try:
                    file.write(base64.b64decode(journal.text(first, count)))
                except (Compacted, ValueError) as error:
                    raise GalleryError(f"{collection.address} is damaged: rows of its model are missing") from error


def open_collection(address: MilvusAddress) -> tuple[Collection, MilvusSettings]:
    """The collection of a gallery, with its settings."""
    collection = Collection(address)
    try:
        return collection, read_settings(collection)
    except BaseException:
        collection.close()
        raise


def _settings(collection: Collection) -> dict[str, Any] | None:
    if not collection.exists() or not collection.is_ours():
        return None
    collection.load()
    return Journal(collection).settings()


def _pieces(path: Path) -> Iterable[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
