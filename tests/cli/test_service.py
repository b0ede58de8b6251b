"""The commands of the server's keys, and what `serve` refuses. `tests/service/test_serve.py` starts one."""

from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import answer, run

from semelha.embedders import Model
from semelha.gallery import Gallery
from semelha.service.keys import KeyFile


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of keys that the environment names."""
    monkeypatch.setenv("SEMELHA_KEYS", str(tmp_path / "keys.json"))
    return tmp_path / "keys.json"


def test_create_list_and_revoke(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = answer(capsys, "keys", "create", "till 3", "--role", "enroll")
    found = KeyFile(keys).find(made["key"])
    assert found is not None
    assert (found.id, found.name, found.role) == (made["id"], "till 3", "enroll")
    listed = answer(capsys, "keys", "list")["keys"]
    assert [(one["id"], one["role"]) for one in listed] == [(made["id"], "enroll")]
    assert made["key"] not in str(listed)
    assert run(capsys, "keys", "create", "other")[1].startswith("semelha_")
    assert answer(capsys, "keys", "revoke", made["id"])["revoked"] == made["id"]
    status, _, err = run(capsys, "keys", "revoke", made["id"])
    assert (status, "no key has the id" in err) == (2, True)
    assert run(capsys, "keys", "create", "x", "--role", "root")[0] == 2


def test_another_file_of_keys(keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "keys", "create", "a", "--keys", tmp_path / "other.json")
    assert len(KeyFile(tmp_path / "other.json").keys()) == 1
    assert not keys.exists()


def test_what_cannot_be_served(tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Path) -> None:
    Gallery.create(tmp_path / "shop", tiny).close()
    (tmp_path / "server.toml").write_text("prot = 1\n")
    wrong: list[tuple[list[Any], int, str]] = [
        ([], 2, "no gallery is named"),
        ([tmp_path / "none"], 1, "no gallery"),
        ([tmp_path / "shop", "--port", "70000"], 2, "port"),
        ([tmp_path / "shop", "--config", tmp_path / "server.toml"], 2, "prot"),
        ([tmp_path / "shop", "--host", "203.0.113.1", "--port", "0"], 2, "203.0.113.1:0 cannot be served"),
    ]
    for arguments, status, said in wrong:
        found, _, err = run(capsys, "serve", *arguments)
        assert (found, said in " ".join(err.split())) == (status, True), err
