"""The file of keys: it has hashes alone, and a change counts at once, also of another process."""

import json
from pathlib import Path

import pytest

from semelha.errors import SemelhaError, UsageError
from semelha.service.keys import KeyFile


def test_a_key_is_found_by_its_text_alone_and_not_stored(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "folder" / "keys.json")
    assert keys.keys() == []
    one, text = keys.create(" till 3 ", "enroll")
    other, _ = keys.create("other", "read")
    assert (one.name, one.role) == ("till 3", "enroll")
    assert keys.find(text) == one
    stored = keys.path.read_text()
    assert text not in stored
    assert text.rpartition("_")[2] not in stored
    swapped = text.replace(one.id, other.id)
    for wrong in (
        "",
        "x",
        text[:-1],
        text + "x",
        swapped,
        text.upper(),
        f"{text}\n",
        "semelha_" + 12 * "0" + "_" + 43 * "a",
    ):
        assert keys.find(wrong) is None
    assert keys.path.stat().st_mode & 0o007 == 0


def test_a_revoked_key_is_refused_by_another_process_too(tmp_path: Path) -> None:
    keys, server = KeyFile(tmp_path / "keys.json"), KeyFile(tmp_path / "keys.json")
    one, text = keys.create("app", "read")
    assert server.find(text) == one
    keys.revoke(one.id)
    assert server.find(text) is None
    with pytest.raises(UsageError, match="no key has the id"):
        keys.revoke(one.id)
    keys.path.unlink()
    assert server.keys() == []


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 1000])
def test_a_name_or_role_that_cannot_be_used(tmp_path: Path, name: str) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    with pytest.raises(UsageError):
        keys.create(name, "read")
    with pytest.raises(UsageError, match="read, enroll, admin"):
        keys.create("a", "owner")  # type: ignore[arg-type]
    assert keys.keys() == []


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"keys": [1]}, {"keys": [{"id": "a"}]}, {"keys": "x"}, None],
)
def test_a_damaged_file_is_an_error_and_lets_nobody_in(tmp_path: Path, change: dict[str, object] | None) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    _, text = keys.create("app", "admin")
    content = json.loads(keys.path.read_text())
    keys.path.write_text("{" if change is None else json.dumps(content | change))
    with pytest.raises(SemelhaError, match=r"keys\.json"):
        keys.find(text)


def test_a_role_that_is_none_is_damage(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    keys.create("app", "read")
    keys.path.write_text(keys.path.read_text().replace('"read"', '"root"'))
    with pytest.raises(SemelhaError, match="role"):
        keys.keys()
