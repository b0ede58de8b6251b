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
from dataclasses import dataclass
from typing import Any

from semelha.store.milvus.client import Collection
from semelha.store.milvus.numbers import new_numbers

PAUSE = 0.02  # seconds, at most, before a writer that met another tries again; doubled each time
MAX_PAUSE = 1.0

Ballot = tuple[int, str]  # a round, and the writer


class Superseded(Exception):
    """The journal went on, and its earlier part was deleted: this place in it was decided long ago."""


@dataclass(frozen=True)
class Register:
    """What a writer has written last: the ballot that it joined, and the value that it accepted in an earlier one."""

    ballot: Ballot
    accepted: Ballot | None = None
    value: str = ""


def committed(collection: Collection, slot: int) -> str | None:
    """The value of a place in the journal; None if none is decided. Raises `Superseded`."""
    rows = collection.get([slot - 1, slot] if slot else [slot], ["body"])
    if slot and slot - 1 not in rows:
        raise Superseded
    return rows[slot]["body"] if slot in rows else None


def agree(collection: Collection, slot: int, proposal: str) -> str:
    """Decide the value of a place in the journal: the proposal, or that of another writer. Raises `Superseded`."""
    writer, turn, pause = secrets.token_hex(8), 1, PAUSE
    own = Register((0, writer))
    written = 0

    def publish(register: Register) -> list[Register]:
        """Write the register, and return the latest of every writer."""
        nonlocal own, written
        own, written = register, written + 1
        collection.write([_row(collection, slot, writer, written, register)])
        return _registers(collection, slot)

    while True:
        if (value := committed(collection, slot)) is not None:
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
            if (decided := committed(collection, slot)) is not None:
                return decided
            assert value is not None
            collection.write([commit_row(collection, slot, value)])
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
