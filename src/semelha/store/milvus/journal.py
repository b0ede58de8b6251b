"""The journal of a gallery: every change of its database, in one order for all processes.

Each place holds a change, or, the first, the settings of the gallery with its first state. What a place holds is
written before it is proposed, and is seen by nobody unless it is agreed upon. A state is what all places up to one
come to. It follows from them, so that it needs no agreement: any process may write it while others make changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, get_args

from semelha.errors import GalleryError, GalleryUnavailable
from semelha.store.milvus.changeset import Changeset, decode, encode
from semelha.store.milvus.client import Collection, in_rows, joined
from semelha.store.milvus.consensus import Superseded, agree, is_kept, read_places
from semelha.store.milvus.numbers import TRIMMED, new_numbers

AHEAD = 64  # places that are read at a time
KEPT = 256  # places that are kept before a state, so that a process that lags behind can go on

Kind = Literal["settings", "change", "state"]


class Overtaken(Exception):
    """Another process made a change first: the transaction must be made again on top of it."""


class Compacted(Exception):
    """A place, or a state, was replaced by a later state while it was read."""


@dataclass(frozen=True)
class Entry:
    """What a place in the journal holds, or a state: texts in rows, of which each block is (first number, rows)."""

    kind: Kind
    blocks: tuple[tuple[int, int], ...]
    size: int  # characters

    @property
    def numbers(self) -> list[int]:
        """The numbers of its rows."""
        return [number for first, count in self.blocks for number in range(first, first + count)]

    def value(self) -> str:
        """The place as the text that writers agree upon."""
        return json.dumps([self.kind, self.blocks, self.size])

    @classmethod
    def of(cls, value: str) -> Entry:
        """The place of a text. Raises `GalleryError` if it is none."""
        try:
            kind, blocks, size = json.loads(value)
            found = cls(kind, tuple((int(first), int(count)) for first, count in blocks), int(size))
        except (ValueError, TypeError) as error:
            raise GalleryError("the journal of the gallery on Milvus is damaged: a place in it is no place") from error
        if found.kind not in get_args(Kind):
            raise GalleryError(f"the journal of the gallery on Milvus is damaged: a place in it is of kind {kind!r}")
        return found


class Journal:
    """The journal in a collection. `slot` is the last place that this process has applied; −1 before any."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.slot = -1
        self.state_slot = -1  # the last place in the last state that is known
        self.state_size = 0  # characters
        self._sizes: dict[int, int] = {}  # of the places since then

    @property
    def size(self) -> int:
        """Characters of the changes since the last state that is known."""
        return sum(self._sizes.values())

    def propose(self, kind: Kind, texts: Iterable[str]) -> tuple[int, Entry]:
        """Write texts into the next place, and return it; `applied` must be called once the database has it.

        Raises `Overtaken` if another process was first; then nothing is written. Raises `GalleryUnavailable` if this
        process was paused for so long that nobody can tell.
        """
        place, slot = self.write(kind, texts, self.slot + 1), self.slot + 1
        try:
            decided = agree(self.collection, slot, place.value())
        except Superseded as error:
            if error.is_open:
                raise GalleryUnavailable(
                    f"the gallery {self.collection.address} was changed by others while this process was paused, and "
                    "whether its own change was made is unknown: make it again"
                ) from error
            decided = ""
        if slot % 16 == 0:
            self._forget_registers(slot)
        if decided != place.value():
            self.collection.delete(place.numbers)
            raise Overtaken
        return slot, place

    def change(self, changes: Changeset) -> tuple[int, Entry]:
        """Write a changeset into the next place, as `propose` does. Raises `Overtaken`."""
        return self.propose("change", [encode(changes)])

    def news(self) -> list[tuple[int, Entry]] | None:
        """The places after `slot` that are decided, some at a time; None if a state must be read first."""
        slot = self.slot
        if slot < 0:
            return None
        rows = read_places(self.collection, slot, slot + AHEAD)
        if not is_kept(rows, slot):
            return None
        found: list[tuple[int, Entry]] = []
        while (following := slot + 1 + len(found)) in rows:
            found.append((following, Entry.of(rows[following]["body"])))
        return found

    def latest(self) -> tuple[int, Entry]:
        """The last state, and the last place in it. Raises `GalleryError` if there is none."""
        rows = self.collection.find("kind == 'state'", ["slot", "body"])
        states = {row["slot"]: row["body"] for row in rows}
        if not states:
            if (first := self.collection.get([0], ["body"]).get(0)) is None:
                raise no_gallery(self.collection)
            states = {0: first["body"]}
        slot = max(states)
        return slot, Entry.of(states[slot])

    def changesets(self, place: Entry) -> Iterator[Changeset]:
        """The changesets of a place, in order. Raises `Compacted` if its rows were deleted since."""
        for first, count in place.blocks[1 if place.kind == "settings" else 0 :]:
            yield decode(self.text(first, count))

    def text(self, first: int, count: int) -> str:
        """The text of a block. Raises `Compacted` if it was deleted."""
        numbers = range(first, first + count)
        text = joined(numbers, self.collection.get(numbers, ["body"]))
        if text is None:
            raise Compacted
        return text

    def applied(self, slot: int, place: Entry) -> None:
        """Record that the database of this process has a place, or a state up to it."""
        self.slot = slot
        self._sizes[slot] = place.size
        if place.kind != "change":
            self._note_state(slot, place)

    def write_state(self, texts: Iterable[str]) -> None:
        """Write what all places up to `slot` come to."""
        slot = self.slot
        state = self.write("state", texts, slot)
        (number,) = new_numbers(1)
        self.collection.write([self.collection.row(number, "state", slot=slot, body=state.value())])
        self.find_state()
        if self.state_slot > slot:  # of another process, which has deleted a part of this one, or will
            self.collection.delete([number, *state.numbers])

    def find_state(self) -> None:
        """Learn of the last state."""
        self._note_state(*self.latest())

    def _note_state(self, slot: int, state: Entry) -> None:
        self.state_slot, self.state_size = slot, state.size
        self._sizes = {place: size for place, size in self._sizes.items() if place > slot}

    def settings(self) -> dict[str, Any] | None:
        """The settings of the gallery; None if none was created."""
        row = self.collection.get([0], ["body"]).get(0)
        if row is None:
            return None
        try:
            found: dict[str, Any] = json.loads(self.text(*Entry.of(row["body"]).blocks[0]))
        except (Compacted, ValueError, IndexError) as error:
            raise GalleryError(f"the settings of {self.collection.address} are damaged") from error
        return found

    def begin(self, settings: dict[str, Any], state: Iterable[Changeset]) -> None:
        """Write the settings and the first state, by which the gallery exists. Raises `Overtaken` if it does."""
        self.propose("settings", chain([json.dumps(settings)], map(encode, state)))

    def trim(self) -> None:
        """Delete what the last state replaces, and what nobody committed before it. The settings stay."""
        last = self.state_slot
        if last - KEPT > 1:
            self.collection.write([self.collection.row(TRIMMED, "trimmed")])
        for condition in (
            f"kind in ['journal', 'register'] and slot > 0 and slot <= {last}",
            f"kind in ['state', 'part'] and slot < {last}",
            f"kind == 'commit' and slot > 0 and slot < {last - KEPT}",
        ):
            rows = self.collection.find(condition, ["slot"])
            self.collection.delete([row["id"] for row in sorted(rows, key=lambda row: int(row["slot"]))])
        first = Entry.of(self.collection.get([0], ["body"])[0]["body"])
        blocks = [first.blocks[0], *chain.from_iterable((self.settings() or {})["model"].values())]
        kept = {number for start, count in blocks for number in range(start, start + count)}
        rows = self.collection.find("kind == 'journal' and slot == 0", [])  # also those of creations that were cut off
        self.collection.delete([row["id"] for row in rows if row["id"] not in kept])

    def write(self, kind: Kind, texts: Iterable[str], slot: int) -> Entry:
        """Write texts that a place holds, or a state, without proposing it."""
        blocks, size, row_kind = [], 0, "part" if kind == "state" else "journal"
        for text in texts:
            parts = in_rows(text)
            numbers = new_numbers(len(parts))
            rows = zip(numbers, parts, strict=True)
            self.collection.write([self.collection.row(one, row_kind, slot=slot, body=part) for one, part in rows])
            blocks.append((numbers[0], len(parts)))
            size += len(text)
        return Entry(kind, tuple(blocks), size)

    def _forget_registers(self, slot: int) -> None:
        """Delete the registers of places that are decided."""
        rows = self.collection.find(f"kind == 'register' and slot <= {slot}", ["id"])
        self.collection.delete([row["id"] for row in rows])


def no_gallery(collection: Collection) -> GalleryError:
    """The error of a collection in which no gallery was created."""
    makers = "Gallery.create or `semelha enroll`"
    return GalleryError(f"{collection.address} is no gallery: make one with {makers}")
