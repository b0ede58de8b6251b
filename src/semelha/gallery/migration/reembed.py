"""What a gallery holds, embedded by another model: what is left to do, what cannot be done, and the doing of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model, Progress
from semelha.errors import GalleryError, PictureError
from semelha.images import Picture, content_hash, decode, read_all
from semelha.store import PLACES, Kept, Place, Store, Successor, View

BATCH = 64
NAMED = 3  # subjects that are told where something is missing

Row = tuple[Place, int]


@dataclass(frozen=True)
class Missing:
    """What has no picture to embed: of which subject, what it was enrolled from, and why."""

    subject: str
    source: str
    why: str


def find_originals(
    pictures: Sequence[Picture], wanted: set[str], progress: Progress | None
) -> tuple[dict[str, Picture], list[str]]:
    """Those of the pictures whose content hash is wanted, by it; and what is wrong with those that cannot be used."""
    found: dict[str, Picture] = {}
    unusable = []
    hashes = read_all(pictures, lambda picture: content_hash(picture.pixels()))
    for number, (picture, result) in enumerate(zip(pictures, hashes, strict=True), start=1):
        if isinstance(result, PictureError):
            unusable.append(str(result))
        elif result in wanted:
            found.setdefault(result, picture)
        if progress is not None:
            progress(number, len(pictures))
    return found, unusable


class Reembedding:
    """Brings a successor to what the store holds.

    Parameters
    ----------
    store : Store
    successor : Successor
    model : Model
        Of the successor.
    originals : mapping of str to Picture
        By content hash; embedded rather than the copies that were kept.

    Attributes
    ----------
    missing : dict
        By place and number, what was found to have no picture that can be embedded.
    """

    def __init__(self, store: Store, successor: Successor, model: Model, originals: Mapping[str, Picture]) -> None:
        self._store = store
        self._successor = successor
        self._model = model
        self._originals = originals
        self.missing: dict[Row, Missing] = {}

    def pending(self, view: View) -> list[Row]:
        """What the successor still lacks of the moment of a view. Forgets what is `missing` and is no more."""
        rows: list[Row] = []
        missing: dict[Row, Missing] = {}
        for place in PLACES:
            done = self._successor.done(place)
            for number, content in view.hashes(place).items():
                row = (place, number)
                if row in self.missing:
                    missing[row] = self.missing[row]
                    continue
                embedded, original = done.get(number, ("", False))
                if embedded != content or (not original and content in self._originals):
                    rows.append(row)
        self.missing = missing
        return rows

    def look(self, rows: Sequence[Row], progress: Progress | None) -> None:
        """Find what is `missing` among the rows, and embed nothing."""
        for done, some in self._batches(rows):
            for one, result in zip(some, read_all(some, lambda one: self._pixels(one[1]).shape), strict=True):
                if isinstance(result, PictureError):
                    self._note(*one, result)
            if progress is not None:
                progress(done, len(rows))

    def embed(self, rows: Sequence[Row], progress: Progress | None) -> None:
        """Embed the rows, but those that are found `missing`. Each batch is on the disk before the next is begun."""
        for done, some in self._batches(rows):
            prepared, embedded = [], []
            results = read_all(some, lambda one: self._model.prepare(self._pixels(one[1])))
            for (place, kept), result in zip(some, results, strict=True):
                if isinstance(result, PictureError):
                    self._note(place, kept, result)
                else:
                    prepared.append(result)
                    embedded.append((place, kept.number, kept.content_hash, kept.content_hash in self._originals))
            if embedded:
                vectors = self._model.embed_prepared(np.stack(prepared))
                if not np.isfinite(vectors).all():
                    raise GalleryError(
                        f"{self._model.folder} gives vectors that are not finite: the gallery stays as it is"
                    )
                self._successor.put(embedded, vectors)
            if progress is not None:
                progress(done, len(rows))

    def check(self, view: View, drop: bool) -> None:
        """Raise `GalleryError` where something is `missing` that is not to be dropped, or nothing would be left."""
        if not self.missing:
            return
        total = sum(len(view.hashes(place)) for place in PLACES)
        of = ", ".join(some_of(list(dict.fromkeys(one.subject for one in self.missing.values()))))
        damaged = [one for one in self.missing.values() if one.why]
        told = "; ".join(some_of([f"{one.source or 'one'} of {one.subject}: {one.why}" for one in damaged]))
        told = f" ({told})" if told else ""
        what = f"of {len(self.missing):,} of {total:,} examples there is no picture to embed, those of {of}{told}"
        if len(self.missing) == total:
            raise GalleryError(f"{what}: give the originals (pictures=, --pictures FOLDER)")
        if not drop:
            raise GalleryError(
                f"{what}: give the originals (pictures=, --pictures FOLDER), or leave them out for good "
                "(drop_missing=True, --drop-missing)"
            )

    def originals(self, view: View) -> int:
        """How many vectors of what is there are of original pictures."""
        counted = 0
        for place in PLACES:
            there = view.hashes(place)
            done = self._successor.done(place).items()
            counted += sum(original and there.get(number) == content for number, (content, original) in done)
        return counted

    def _batches(self, rows: Sequence[Row]) -> Iterator[tuple[int, list[tuple[Place, Kept]]]]:
        """A batch of the rows that are still there at a time, and how many are done with it."""
        for start in range(0, len(rows), BATCH):
            some = rows[start : start + BATCH]
            with self._store.reading() as view:  # a short one each: a long one lets the database's log grow
                kept = [
                    (place, one)
                    for place in PLACES
                    for one in view.kept(place, [number for of, number in some if of is place])
                ]
            yield start + len(some), kept

    def _pixels(self, kept: Kept) -> NDArray[np.uint8]:
        original = self._originals.get(kept.content_hash)
        if original is None:
            if kept.picture is None:
                raise PictureError("no picture of it was kept")
            return decode(kept.picture)
        pixels = original.pixels()
        if content_hash(pixels) != kept.content_hash:
            raise PictureError(f"{original.name} was changed meanwhile")
        return pixels

    def _note(self, place: Place, kept: Kept, error: PictureError) -> None:
        """Remember what is missing."""
        why = "" if kept.picture is None and kept.content_hash not in self._originals else str(error)
        self.missing[place, kept.number] = Missing(kept.subject, kept.source, why)


def some_of(names: Sequence[str]) -> list[str]:
    """The first few, and how many more there are."""
    more = len(names) - NAMED
    return [*names[:NAMED], f"{more:,} more"] if more > 0 else list(names)
