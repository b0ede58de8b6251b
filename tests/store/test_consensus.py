"""Writers of a journal agree on one value for each place, whatever they do at the same time and wherever they die."""

import json
import random
import threading
from contextlib import suppress
from typing import Any

import pytest

from semelha.errors import GalleryError, GalleryUnavailable
from semelha.store.milvus import consensus
from semelha.store.milvus.consensus import Superseded, agree, committed
from semelha.store.milvus.journal import Entry, Journal
from semelha.store.milvus.numbers import TRIMMED


class Killed(BaseException):
    """The writer is dead."""


class Rows:
    """Rows as Milvus keeps them, each written and read at once; a writer dies after some of its writes."""

    address = "milvus://127.0.0.1:19530/shop"

    def __init__(self, rows: dict[int, dict[str, Any]], random_: random.Random, lives: int) -> None:
        self.rows = rows
        self.random = random_
        self.lives = lives

    def row(self, number: int, kind: str, **values: Any) -> dict[str, Any]:
        return {"id": number, "kind": kind, **values}

    def get(self, numbers: list[int], fields: list[str]) -> dict[int, dict[str, Any]]:
        self.wait()
        return {number: self.rows[number] for number in numbers if number in self.rows}

    def find(self, condition: str, fields: list[str]) -> list[dict[str, Any]]:
        self.wait()
        return [row for row in list(self.rows.values()) if row["kind"] == "register"]

    def write(self, rows: list[dict[str, Any]]) -> None:
        self.wait()
        if not self.lives:
            raise Killed
        self.lives -= 1
        self.rows.update({row["id"]: row for row in rows})
        self.wait()

    def delete(self, numbers: list[int]) -> None:
        for number in numbers:
            self.rows.pop(number, None)

    def wait(self) -> None:
        threading.Event().wait(self.random.random() * 0.0005)


@pytest.mark.parametrize("seed", range(12))
def test_all_writers_learn_the_same_value(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that come later, and where some of them die after any of their writes."""
    monkeypatch.setattr(consensus, "PAUSE", 0.001)
    chance, rows, decided = random.Random(seed), {0: {"id": 0, "kind": "commit", "body": ""}}, []

    def propose(number: int, lives: int) -> None:
        with suppress(Killed):
            decided.append(agree(Rows(rows, random.Random(100 * seed + number), lives), 1, f"value {number}"))

    threads = [threading.Thread(target=propose, args=(number, chance.choice([1, 2, 3, 99]))) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    propose(5, 99)
    assert len(set(decided)) == 1
    assert rows[1]["body"] == decided[0]
    assert decided[0] in {f"value {number}" for number in range(6)}


def test_a_place_whose_predecessor_is_gone_was_decided_long_ago() -> None:
    with pytest.raises(Superseded):
        agree(Rows({}, random.Random(0), 99), 7, "late")


def test_a_dead_writer_s_accepted_value_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been read by somebody as decided."""
    rows: dict[int, dict[str, Any]] = {0: {"id": 0, "kind": "commit", "body": ""}}
    with pytest.raises(Killed):
        agree(Rows(rows, random.Random(0), 2), 1, "first")
    assert agree(Rows(rows, random.Random(1), 99), 1, "second") == "first"


@pytest.mark.parametrize("others", [(), (0, TRIMMED, 300, 301)])
def test_it_is_told_if_nobody_can_say_what_was_decided(others: tuple[int, ...]) -> None:
    """A writer is paused after it accepted its own value, and the place is deleted: others may have completed it."""

    class Paused(Rows):
        def write(self, rows: list[dict[str, Any]]) -> None:
            super().write(rows)
            if rows[0]["kind"] == "register" and json.loads(rows[0]["body"])[1] is not None:
                self.rows.clear()
                self.rows.update(places(*others))

    rows = Paused(places(*range(7)), random.Random(0), 99)
    with pytest.raises(Superseded) as caught:
        agree(rows, 7, "own")
    assert caught.value.is_open
    journal = Journal(Paused(places(*range(7)), random.Random(0), 99))
    journal.slot = 6
    with pytest.raises(GalleryUnavailable, match="make it again"):
        journal.propose("change", ["text"])


def test_it_is_told_also_if_the_writer_accepted_another_value_since() -> None:
    """Its own may have been completed before."""

    class Met(Rows):
        def write(self, rows: list[dict[str, Any]]) -> None:
            super().write(rows)
            _, accepted, value = json.loads(rows[0]["body"])
            if accepted is not None and value == "own":
                body = json.dumps([[2, "z"], [2, "z"], "other"])
                super().write([self.row(1 << 50, "register", slot=7, writer="z", part=1, body=body)])
            elif accepted is not None:
                self.rows.clear()

    with pytest.raises(Superseded) as caught:
        agree(Met(places(*range(7)), random.Random(0), 99), 7, "own")
    assert caught.value.is_open


@pytest.mark.parametrize("body", ["", "[]", "[1, 2, 3]", '["state", [["a", 1]], 2]', '["other", [], 2]', "{"])
def test_a_damaged_place_is_told(body: str) -> None:
    with pytest.raises(GalleryError, match=r"is damaged: a (place|change)"):
        Entry.of(body)


PLACE = {"body": Entry("change", ((1 << 50, 1),), 10).value()}


def places(*numbers: int) -> dict[int, dict[str, Any]]:
    return {number: {"id": number, "kind": "commit", **PLACE} for number in numbers}


@pytest.mark.parametrize("slot", [1, 2, 7])
def test_a_writer_that_was_paused_does_not_bring_back_a_deleted_place(slot: int) -> None:
    """It is paused before it writes the row of its place; the others go on, and delete that place and later ones."""

    class Paused(Rows):
        def write(self, rows: list[dict[str, Any]]) -> None:
            if rows[0]["kind"] == "commit":
                self.rows.clear()
                self.rows.update(places(0, TRIMMED, 300, 301))
            super().write(rows)

    rows = places(*range(slot))
    assert agree(Paused(rows, random.Random(0), 99), slot, "paused") == "paused"
    assert sorted(rows) == [0, 300, 301, TRIMMED]


@pytest.mark.parametrize("left", [(0,), (1,), (7,), (19, 20)])
def test_nothing_follows_a_place_whose_successor_was_deleted(left: tuple[int, ...]) -> None:
    """Neither is it read as the last one, nor is the next one decided; also if paused writers wrote several again."""
    rows, slot = Rows(places(0, TRIMMED, *left, *range(290, 302)), random.Random(0), 99), left[-1]
    journal = Journal(rows)
    journal.slot = slot
    assert journal.news() is None
    with pytest.raises(Superseded):
        committed(rows, slot + 1)
    journal.slot = 301
    assert journal.news() == []
    assert committed(rows, 302) is None
