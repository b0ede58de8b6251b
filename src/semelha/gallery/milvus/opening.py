"""Creates and opens galleries on a Milvus server."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from semelha.embedders import Model, load_embedder
from semelha.errors import FingerprintMismatch, UsageError
from semelha.gallery.milvus.index import MilvusIndexFolder
from semelha.gallery.opened import OpenedGallery
from semelha.store.milvus.address import MilvusAddress
from semelha.store.milvus.client import Collection
from semelha.store.milvus.creation import (
    check_metric,
    create_collection,
    create_gallery,
    empty_state,
    exists,
    open_collection,
    write_model,
)
from semelha.store.milvus.store import MilvusStore
from semelha.store.milvus.values import StoredPictures, StoredVectors

NO_PICTURES = (
    "pictures must name the folder or object store for the pictures of a gallery on Milvus, such as s3://bucket/shop "
    "(--pictures), unless it keeps none (keep_pictures=False, --no-keep-pictures)"
)


def check_recall(recall: float | None) -> None:
    """Raise `UsageError` unless a recall is 1, the only one that Milvus galleries have."""
    if recall is not None and recall != 1:
        raise UsageError(f"recall is {recall}: a gallery on Milvus is searched exactly, with a recall of 1")


def create_on_milvus(
    address: MilvusAddress, model: Model, *, keep_pictures: bool, pictures: str | None, recall: float | None
) -> None:
    """Create an empty gallery. Raises `GalleryError` if it exists, and `UsageError`."""
    check_recall(recall)
    space = check_metric(model.metric)
    if keep_pictures and not pictures:
        raise UsageError(NO_PICTURES)
    place = StoredPictures(str(pictures)).place if keep_pictures else ""
    collection = Collection(address)
    try:
        if not create_collection(collection, space, model.dim, model.fingerprint):
            raise exists(collection)
        state = empty_state(model.fingerprint, "pixels" if "pixels" in model.card.content_bases else "encoded")
        create_gallery(collection, model.fingerprint, model.folder, pictures=place, state=state)
    finally:
        collection.close()


def open_on_milvus(address: MilvusAddress, recall: float | None, threads: int | None) -> OpenedGallery:
    """Open a gallery. Raises `GalleryError` or `ModelError`."""
    check_recall(recall)
    collection, settings = open_collection(address)
    folder = Path(tempfile.mkdtemp(prefix="semelha-model-"))
    try:
        write_model(collection, settings, folder)
        model = load_embedder(folder, threads=threads)
        if model.fingerprint != settings.fingerprint:
            raise FingerprintMismatch(
                f"{address} holds vectors of the model {settings.fingerprint[:12]}, but has {model.fingerprint[:12]}"
            )
        stored = StoredVectors(collection, check_metric(model.metric))
        pictures = StoredPictures(settings.pictures) if settings.pictures else None
        store = MilvusStore(collection, stored, pictures, settings.fingerprint)
        store.folders.append(folder)
    except BaseException:
        collection.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    index = MilvusIndexFolder(store.folder, model, 1.0, threads, collection=collection, stored=stored)
    return OpenedGallery(address.path, store.folder, bool(settings.pictures), model, store, index)
