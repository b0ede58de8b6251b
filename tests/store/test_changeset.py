"""What is read from the journal of another process is a change of the database, or one clear error."""

import base64
import sqlite3
import zlib
from contextlib import closing

import pytest

from semelha.errors import GalleryError
from semelha.store.milvus import changeset
from semelha.store.milvus.changeset import decode, encode, whole


def packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode())).decode()


def test_a_change_is_read_as_it_was_written() -> None:
    change = {"vectors": {"put": [[1, "a", b"\x00\xff", None, 0.1]], "drop": [[2]]}}
    assert decode(encode(change)) == change


@pytest.mark.parametrize(
    "text", ["", "?", "AAAA", encode({})[:-8], packed("[1]"), packed('{"subjects": 3}'), packed("[" * 10**5)]
)
def test_a_damaged_change_is_told(text: str) -> None:
    with pytest.raises(GalleryError, match=r"is damaged: a (place|change)"):
        decode(text)


def test_a_change_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = encode({"subjects": {"put": [["a" * 10_000]], "drop": []}})
    assert decode(text)["subjects"]["drop"] == []
    monkeypatch.setattr(changeset, "MAX_UNPACKED", 1000)
    with pytest.raises(GalleryError, match="too large"):
        decode(text)
    with pytest.raises(GalleryError, match=r"10,0\d\d bytes is too large: make it in parts"):
        encode({"subjects": {"put": [["a" * 10_000]], "drop": []}})


def test_a_whole_database_is_in_changesets_that_are_not_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE vectors (id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB)")
        db.executemany("INSERT INTO vectors (data) VALUES (?)", [(bytes(100),)] * 10)
        for name, value in {"BYTES": 250, "ROWS": 4}.items():
            monkeypatch.undo()
            monkeypatch.setattr(changeset, name, value)
            found = [part["vectors"]["put"] for part in whole(db) if "vectors" in part]
            assert [len(rows) for rows in found] == ([3, 3, 3, 1] if name == "BYTES" else [4, 4, 2])
            assert [row[0] for rows in found for row in rows] == list(range(1, 11))
