"""Agreement of several writers on what comes next in the journal, by reads and writes of single rows alone.

Milvus has neither transactions nor a compare-and-swap. Disk Paxos (Gafni and Lamport, Distributed Computing 16, 2003)
needs neither: each writer has a register that it alone writes and all read. It is safe at any speed, and when a writer
dies at any point; only two writers at a time can delay one another, so that they pause at random.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from semelha.store.milvus.client import Collection, Row
from semelha.store.milvus.numbers import TRIMMED, new_numbers

BEFORE = 8  # places that must be there before one, for it to count as not deleted
PAUSE = 0.02  # seconds, at most, before a writer that met another tries again; doubled each time
MAX_PAUSE = 1.0

Ballot = tuple[int, str]  # a round, and the writer


class Superseded(Exception):
    """The journal went on, and its earlier part was deleted: this place in it was decided long ago.

    `is_open`: the proposal may be what was decided.
    """

    is_open = False


@dataclass(frozen=True)
class Register:
    """What a writer has written last: the ballot that it joined, and the value that it accepted in an earlier one."""

    ballot: Ballot
    accepted: Ballot | None = None
    value: str = ""


def committed(collection: Collection, slot: int) -> str | None:
    """The value of a place in the journal; None if none is decided. Raises `Superseded`."""
    rows = read_places(collection, slot - 1, slot + 1)
    if slot in rows:
        return str(rows[slot]["body"])
    if slot and not is_kept(rows, slot - 1):
        raise Superseded
    return None


def read_places(collection: Collection, first: int, end: int) -> dict[int, Row]:
    """The places from `first` to `end` − 1, those before by which `is_kept` knows, and the row `TRIMMED`."""
    return collection.get([*range(max(first - BEFORE, 0), end), TRIMMED], ["body"])


def is_kept(rows: Mapping[int, Row], slot: int) -> bool:
    """Whether what follows a place in the journal can be read and decided.

    Not if it was deleted. A writer that was paused may write the row of its place once more after that; so the places
    before must be there, too, which were deleted earlier. The first one never is: whether those after it were, says the
    row `TRIMMED`.
    """
    places = range(max(slot - BEFORE, 0), slot + 1)
    return all(place in rows for place in places) and (slot > BEFORE or TRIMMED not in rows)


def agree(collection: Collection, slot: int, proposal: str) -> str:
    """Decide the value of a place in the journal: the proposal, or that of another writer. Raises `Superseded`."""
    writer, turn, pause = secrets.token_hex(8), 1, PAUSE
    own = Register((0, writer))
    written, was_accepted = 0, False  # the proposal, in any ballot: another writer may have completed it

    def publish(register: Register) -> list[Register]:
        """Write the register, and return it with the latest of every writer: those of a decided place are deleted."""
        nonlocal own, written, was_accepted
        own, written = register, written + 1
        was_accepted |= register.accepted is not None and register.value == proposal
        collection.write([_row(collection, slot, writer, written, register)])
        return [register, *_registers(collection, slot)]

    def decided() -> str | None:
        try:
            return committed(collection, slot)
        except Superseded as error:
            error.is_open = was_accepted
            raise

    while True:
        if (value := decided()) is not None:
            return value
        ballot = (turn, writer)
        registers = publish(Register(ballot, own.accepted, own.value))
        highest = max(one.ballot for one in registers)
        if highest == ballot:
            accepted = [(one.accepted, one.value) for one in registers if one.accepted is not None]
            value = max(accepted)[1] if accepted else proposal
            highest = max(one.ballot for one in publish(Register(ballot, ballot, value)))
        if highest == ballot:
            # Registers are deleted only after their place was committed: one that was missed is seen here.
            if (known := decided()) is not None:
                return known
            assert value is not None
            collection.write([commit_row(collection, slot, value)])
            if slot and not is_kept(read_places(collection, slot, slot + 1), slot):  # deleted during a pause before
                collection.delete([slot])
            return value
        turn = highest[0] + 1
        time.sleep(random.uniform(0, pause))
        pause = min(2 * pause, MAX_PAUSE)


def commit_row(collection: Collection, slot: int, value: str) -> dict[str, Any]:
    """The row that says what a place in the journal holds. Its number is that of the place."""
    return collection.row(slot, "commit", slot=slot, body=value)


def _row(collection: Collection, slot: int, writer: str, part: int, register: Register) -> dict[str, Any]:
    body = json.dumps([register.ballot, register.accepted, register.value])
    (number,) = new_numbers(1)
    return collection.row(number, "register", slot=slot, writer=writer, part=part, body=body)


def _registers(collection: Collection, slot: int) -> list[Register]:
    latest: dict[str, tuple[int, str]] = {}
    for row in collection.find(f"kind == 'register' and slot == {slot}", ["writer", "part", "body"]):
        if row["part"] > latest.get(row["writer"], (0, ""))[0]:
            latest[row["writer"]] = row["part"], row["body"]
    found = []
    for _, body in latest.values():
        ballot, accepted, value = json.loads(body)
        found.append(Register((ballot[0], ballot[1]), None if accepted is None else (accepted[0], accepted[1]), value))
    return found
