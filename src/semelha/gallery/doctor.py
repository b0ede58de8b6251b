"""Diagnosis of a gallery on disk, and the repair of what can be repaired."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from semelha.arguments import check_types
from semelha.embedders import load_embedder
from semelha.errors import FingerprintMismatch, GalleryError, IndexFileError, PictureError, SemelhaError
from semelha.gallery.folder import DATABASE, model_folder, read_settings
from semelha.gallery.gallery import Gallery
from semelha.gallery.live_index import IndexFolder
from semelha.images import Picture
from semelha.store import Store
from semelha.store.damage import LeftOut

BACKUP = "restore the gallery from a backup: semelha restore BACKUP NEW_FOLDER"
REPAIR = "semelha doctor {} --repair"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a gallery, and what helps; `loses` says that a repair removes something for good."""

    what: str
    helps: str
    loses: bool = False


@check_types
def diagnose(gallery: str | os.PathLike[str]) -> list[Problem]:
    """Check every file of a gallery: settings, model, database with pictures, index.

    Damaged rows of the database are set aside, as whenever a gallery is opened. Raises `GalleryError` if it is none.
    """
    folder = Path(gallery).absolute()
    settings = read_settings(Path(gallery))
    try:
        store = Store(folder / DATABASE, settings.fingerprint)
    except GalleryError as error:
        return [Problem(str(error), BACKUP)]
    try:
        return list(_problems(folder, store))
    finally:
        store.close()


def _problems(folder: Path, store: Store) -> Iterator[Problem]:
    repair = REPAIR.format(folder)
    try:
        store.damage.check(large=True)
        for one in store.damage.left_out():
            helps = f"{repair} forgets it"
            if one.damage.table == "examples":
                helps = f"{repair} enrolls it from the copy that was kept, or drops it"
            yield Problem(f"{one.damage} is damaged and left out", helps, loses=True)
        for picture in store.damage.damaged_pictures():
            yield Problem(f"{picture} is damaged", f"{repair} drops the picture; the example stays", loses=True)
        if not store.damage.is_sound():
            yield Problem("pages of the database are damaged", BACKUP)
    except GalleryError as error:
        yield Problem(str(error), BACKUP)
        return
    try:
        model = load_embedder(model_folder(folder, store.model))
        if model.fingerprint != store.model:
            raise FingerprintMismatch(f"model/ is another model than that of the vectors, {store.model[:12]}")
    except SemelhaError as error:
        yield Problem(str(error), "copy the folder of the same model there, or " + BACKUP)
        return
    index = IndexFolder(folder, model)
    if index.has_index:
        try:
            with store.reading() as view:
                index.load(view).index.close()
        except IndexFileError as error:
            yield Problem(f"the index cannot be used: {error}", f"{repair} builds it again from the vectors")


@check_types
def repair(gallery: str | os.PathLike[str]) -> list[str]:
    """Repair what `diagnose` finds, but what takes a backup, and return what was done, a sentence for each.

    Damaged examples are enrolled again from the copies of their pictures that the gallery kept; those without one, and
    damaged pictures, are dropped. Raises `GalleryError` or `ModelError` if the gallery cannot be opened.
    """
    done = []
    with Gallery(gallery) as opened:
        store = opened._store
        store.damage.check(large=True)
        for picture in store.damage.drop_damaged_pictures():
            done.append(f"dropped {picture}")
        for one in store.damage.left_out():
            done.append(_enrolled_again(opened, one) if one.damage.table == "examples" else f"forgot {one.damage}")
            store.damage.forget_left_out([one.place])
        opened.flush()
        done.append("brought the index up to date")
    return done


def _enrolled_again(gallery: Gallery, one: LeftOut) -> str:
    """Enroll a damaged example from the copy of its picture, and say so, or why that cannot be."""
    subject, source = one.damage.subject, one.damage.source
    try:
        if one.picture is None or not subject:
            raise PictureError("no intact copy of its picture was kept, with its subject")
        gallery.enroll(subject, Picture(one.picture, subject, source))
    except PictureError as error:
        return f"dropped {one.damage}: {error}"
    return f"enrolled {one.damage} again, from the copy that was kept"
