"""Embed the pictures of a gallery again with another model, and keep track of those that have no picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from semelha.embedders import EmbeddedPicture, Model, Progress, embed_pictures
from semelha.errors import GalleryError, PictureError
from semelha.images import HashBasis, Picture, read_pictures
from semelha.store import PLACES, Kept, Place, StagedVectors, Store, View

BATCH = 64
MAX_NAMED = 3  # subjects and pictures named in a message

Row = tuple[Place, int]


@dataclass(frozen=True)
class MissingPicture:
    """An example without a usable picture: its subject, its source, and what is wrong with its picture, if any."""

    subject: str
    source: str
    reason: str


def find_originals(
    pictures: Sequence[Picture], wanted: Collection[str], basis: HashBasis, progress: Progress | None
) -> tuple[dict[str, Picture], list[str]]:
    """Pictures whose content hash, of that basis, is wanted, by hash; messages about pictures that cannot be used."""
    found: dict[str, Picture] = {}
    errors = []
    read = read_pictures(pictures, lambda image: None, at_least=1, hashed=basis, progress=progress)
    for picture, result in zip(pictures, read, strict=True):
        if isinstance(result, PictureError):
            errors.append(str(result))
        elif result.content_hash in wanted:
            found.setdefault(result.content_hash, picture)
    return found, errors


class Reembedding:
    """Embeds the pictures of a store with another model, into staged vectors.

    `originals`, by content hash, are embedded instead of the copies that the gallery kept. Rows without a picture that
    can be embedded are collected in `missing`.
    """

    def __init__(self, store: Store, staged: StagedVectors, model: Model, originals: Mapping[str, Picture]) -> None:
        self._store = store
        self._staged = staged
        self._model = model
        self._originals = originals
        self.missing: dict[Row, MissingPicture] = {}

    def pending(self, view: View) -> list[Row]:
        """Rows of the view that are not embedded yet. Rows that no longer exist are removed from `missing`."""
        rows: list[Row] = []
        missing: dict[Row, MissingPicture] = {}
        for place in PLACES:
            done = self._staged.done(place)
            for number, content in view.hashes(place).items():
                row = (place, number)
                if row in self.missing:
                    missing[row] = self.missing[row]
                    continue
                embedded, is_original = done.get(number, ("", False))
                if embedded != content or (not is_original and content in self._originals):
                    rows.append(row)
        self.missing = missing
        return rows

    def find_missing(self, rows: Sequence[Row], progress: Progress) -> None:
        """Decode the pictures of the rows, and record in `missing` which cannot be used."""
        queue: deque[tuple[Place, Kept]] = deque()
        results = read_pictures(self._pictures(rows, queue), lambda image: None, at_least=1)
        for done, result in enumerate(results, start=1):
            place, kept = queue.popleft()
            if isinstance(result, PictureError):
                self._record(place, kept, str(result))
            progress(done, len(rows))
        progress(len(rows), len(rows))

    def embed(self, rows: Sequence[Row], progress: Progress | None = None) -> None:
        """Embed the rows and write each batch to disk; rows without a usable picture go to `missing`."""
        queue: deque[tuple[Place, Kept]] = deque()
        batch: list[tuple[Place, Kept, EmbeddedPicture]] = []
        pictures = self._pictures(rows, queue)
        hashed = self._store.hash_basis if self._originals else False
        results = embed_pictures(self._model, pictures, hashed=hashed, batch_size=BATCH)
        for done, result in enumerate(results, start=1):
            place, kept = queue.popleft()
            original = self._originals.get(kept.content_hash)
            if isinstance(result, PictureError):
                self._record(place, kept, str(result))
            elif original is not None and result.content_hash != kept.content_hash:
                self._record(place, kept, f"{original.name} changed during the migration")
            else:
                batch.append((place, kept, result))
            if len(batch) == BATCH:
                self._write(batch)
                batch = []
                if progress is not None:
                    progress(done, len(rows))
        self._write(batch)
        if progress is not None:
            progress(len(rows), len(rows))

    def check_missing(self, view: View, *, drop: bool) -> None:
        """Raise `GalleryError` if pictures are missing and `drop` is false, or if nothing would be left."""
        if not self.missing:
            return
        total = sum(len(view.hashes(place)) for place in PLACES)
        subjects = ", ".join(_shortened(list(dict.fromkeys(one.subject for one in self.missing.values()))))
        damaged = [one for one in self.missing.values() if one.reason]
        reasons = "; ".join(_shortened([f"{one.source or 'one'} of {one.subject}: {one.reason}" for one in damaged]))
        what = f"{len(self.missing):,} of {total:,} examples have no picture to embed, those of {subjects}"
        what += f" ({reasons})" if reasons else ""
        if len(self.missing) == total:
            raise GalleryError(f"{what}: pass the originals (pictures=, --pictures FOLDER)")
        if not drop:
            raise GalleryError(
                f"{what}: pass the originals (pictures=, --pictures FOLDER), or remove these examples "
                "(drop_missing=True, --drop-missing)"
            )

    def count_originals(self, view: View) -> int:
        """Number of rows of the view that were embedded from the original picture."""
        counted = 0
        for place in PLACES:
            current = view.hashes(place)
            done = self._staged.done(place).items()
            counted += sum(is_original and current.get(number) == content for number, (content, is_original) in done)
        return counted

    def _pictures(self, rows: Sequence[Row], queue: deque[tuple[Place, Kept]]) -> Iterator[Picture]:
        """The picture of each row that has one; its row is appended to the queue."""
        for start in range(0, len(rows), BATCH):
            some = rows[start : start + BATCH]
            with self._store.reading() as view:  # one short transaction each: a long one lets the database's log grow
                stored = [
                    (place, kept)
                    for place in PLACES
                    for kept in view.kept(place, [number for of, number in some if of is place])
                ]
            for place, kept in stored:
                picture = self._originals.get(kept.content_hash)
                if picture is None and kept.picture is not None:
                    picture = Picture(kept.picture, "", "the picture")
                if picture is None:
                    self._record(place, kept, "")
                else:
                    queue.append((place, kept))
                    yield picture

    def _write(self, batch: Sequence[tuple[Place, Kept, EmbeddedPicture]]) -> None:
        if not batch:
            return
        vectors = np.stack([embedded.vector for _, _, embedded in batch])
        if not np.isfinite(vectors).all():
            raise GalleryError(f"{self._model.folder} computes vectors that are not finite: the gallery is unchanged")
        rows = [
            (place, kept.number, kept.content_hash, kept.content_hash in self._originals) for place, kept, _ in batch
        ]
        self._staged.put(rows, vectors)

    def _record(self, place: Place, kept: Kept, reason: str) -> None:
        self.missing[place, kept.number] = MissingPicture(kept.subject, kept.source, reason)


def _shortened(names: Sequence[str]) -> list[str]:
    """The first names, and how many more there are."""
    more = len(names) - MAX_NAMED
    return [*names[:MAX_NAMED], f"{more:,} more"] if more > 0 else list(names)
