"""The places where a gallery can be kept, in a folder or on a Milvus server, and what opens and creates it there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from semelha.embedders import Model
from semelha.errors import UsageError
from semelha.gallery.folder import create_folder, open_folder, read_settings
from semelha.gallery.live_index import RECALL, IndexFolder
from semelha.gallery.opened import OpenedGallery
from semelha.store.milvus.address import MilvusAddress


@dataclass(frozen=True)
class Creation:
    """The options of `Gallery.create`."""

    keep_pictures: bool = True
    pictures: str | None = None
    recall: float | None = None
    threads: int | None = None


def create_gallery(place: str | os.PathLike[str], model: Model, options: Creation) -> None:
    """Create an empty gallery: see `Gallery.create`."""
    if address := MilvusAddress.of(place):
        from semelha.gallery.milvus.opening import create_on_milvus

        create_on_milvus(
            address, model, keep_pictures=options.keep_pictures, pictures=options.pictures, recall=options.recall
        )
        return
    if options.pictures is not None:
        raise UsageError(f"pictures is for galleries on Milvus alone: {place} keeps its pictures itself")
    IndexFolder(Path(place), model, options.recall, options.threads).empty_index()
    recall = RECALL if options.recall is None else options.recall
    create_folder(Path(place), model, keep_pictures=options.keep_pictures, recall=recall)


def open_gallery(place: str | os.PathLike[str], recall: float | None, threads: int | None) -> OpenedGallery:
    """Open a gallery: see `Gallery`."""
    if address := MilvusAddress.of(place):
        from semelha.gallery.milvus.opening import open_on_milvus

        return open_on_milvus(address, recall, threads)
    settings = read_settings(Path(place))
    path = absolute_place(place)
    model, store = open_folder(path, settings, threads)
    index = IndexFolder(path, model, recall, threads, settings.recall)
    return OpenedGallery(path, path, settings.keep_pictures, model, store, index)


def absolute_place(place: str | os.PathLike[str]) -> Path:
    """A place that a change of the working folder does not change."""
    address = MilvusAddress.of(place)
    return Path(place).absolute() if address is None else address.path


def on_milvus(place: str | os.PathLike[str]) -> bool:
    """Whether a place is on a Milvus server."""
    return MilvusAddress.of(place) is not None


def gallery_exists(place: str | os.PathLike[str]) -> bool:
    """Whether there is a gallery at a place: something in a folder, or the settings of a gallery on a Milvus server."""
    if address := MilvusAddress.of(place):
        from semelha.store.milvus.client import Collection
        from semelha.store.milvus.creation import has_gallery

        collection = Collection(address)
        try:
            return has_gallery(collection)
        finally:
            collection.close()
    return Path(place).exists()


def gallery_name(place: str | os.PathLike[str]) -> str:
    """The name of a gallery: of its folder or collection."""
    address = MilvusAddress.of(place)
    return Path(place).absolute().name if address is None else address.collection
