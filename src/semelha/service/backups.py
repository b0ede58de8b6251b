"""Backups that a server makes: a folder for each, below the folder that the setting `backups` names."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from semelha.errors import GalleryError
from semelha.files import file_lock, make_folder, rename
from semelha.gallery import backup
from semelha.service.problems import Problem

NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
_UNFINISHED = re.compile(rf"\.{NAME.pattern}-[0-9a-f]{{8}}")
_LOCK = ".lock"
TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class StoredBackup:
    """A backup: its name, when (ISO, UTC) it was begun, and its bytes on the disk."""

    name: str
    created: str
    bytes: int


@dataclass(frozen=True)
class NewBackup(StoredBackup):
    """A backup that was made and checked, and how much it has."""

    subjects: int
    examples: int


class Backups:
    """The backups of one gallery. Raises `Problem` (409) if the server has no folder for them."""

    def __init__(self, root: Path | None, gallery: str) -> None:
        if root is None:
            raise Problem(409, "no-backups", "the server has no folder for backups: its setting backups names one")
        self._folder = root / gallery

    def make(self, gallery: Path) -> NewBackup:
        """Copy a gallery while it is in use, and check the copy: `semelha.gallery.backup`. Raises `SemelhaError`.

        One backup of a gallery is made at a time, so that what is unfinished before is of a process that was killed.
        """
        try:
            make_folder(self._folder)
        except OSError as error:
            raise GalleryError(f"{self._folder} cannot be written: {error.strerror or error}") from error
        with file_lock(self._folder / _LOCK, wait=True, error=GalleryError):
            self._remove_unfinished()
            name = f"{datetime.now(UTC).strftime(TIME)}-{secrets.token_hex(3)}"
            done = backup(gallery, self._folder / name)
        stored = self._stored(done.path)
        return NewBackup(stored.name, stored.created, stored.bytes, done.subjects, done.examples)

    def all(self) -> list[StoredBackup]:
        """List the backups, latest first."""
        if not self._folder.is_dir():
            return []
        found = [one for one in self._folder.iterdir() if NAME.fullmatch(one.name) and one.is_dir()]
        return [self._stored(one) for one in sorted(found, reverse=True)]

    def delete(self, name: str) -> StoredBackup:
        """Delete a backup, and return what it was. Raises `Problem` (404)."""
        place = self._folder / name
        if not NAME.fullmatch(name) or not place.is_dir():
            raise Problem(404, "backup-not-found", "there is no backup of that name")
        stored = self._stored(place)
        hidden = self._folder / f".{name}-{secrets.token_hex(4)}"
        try:
            rename(place, hidden)  # so that no part of it is listed
        except FileNotFoundError as error:
            raise Problem(404, "backup-not-found", "the backup is being deleted already") from error
        with suppress(FileNotFoundError):  # a new backup removes it too
            shutil.rmtree(hidden)
        return stored

    def _stored(self, place: Path) -> StoredBackup:
        created = datetime.strptime(place.name.partition("-")[0], TIME).replace(tzinfo=UTC)
        return StoredBackup(place.name, created.isoformat(timespec="seconds"), _size(place))

    def _remove_unfinished(self) -> None:
        for one in self._folder.iterdir():
            if _UNFINISHED.fullmatch(one.name):
                shutil.rmtree(one, ignore_errors=True)


def _size(folder: Path) -> int:
    """Bytes of the files of a folder; of those that are there yet if it is being deleted."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += os.stat(os.path.join(parent, name)).st_size
    return size
