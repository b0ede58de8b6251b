"""Writers of a journal agree on one value for each place, whatever they do at the same time and wherever they die."""

import random
import threading
from contextlib import suppress
from typing import Any

import pytest

from semelha.store.milvus import consensus
from semelha.store.milvus.consensus import Superseded, agree


class Killed(BaseException):
    """The writer is dead."""


class Rows:
    """Rows as Milvus keeps them, each written and read at once; a writer dies after some of its writes."""

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
