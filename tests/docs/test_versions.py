"""Sites of several versions in one folder: what the menu of versions reads."""

import json
from pathlib import Path
from typing import Any

import pytest
from docs.site.versions import add
from packaging.version import InvalidVersion


def listed(folder: Path) -> Any:
    return json.loads((folder / "versions.json").read_text(encoding="utf-8"))


def site(folder: Path, text: str) -> Path:
    (folder / "pt-BR").mkdir(parents=True)
    (folder / "index.html").write_text(text, encoding="utf-8")
    return folder


def test_versions_are_listed_newest_first_for_each_language_and_a_copy_replaces_an_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    for number, version in enumerate(("0.9.0", "0.10.0", "0.9.0")):
        add(site(tmp_path / str(number), f"site {number}"), folder, version)
    assert [one["version"] for one in listed(folder)] == ["0.10.0", "0.9.0"]
    assert (folder / "0.9.0" / "index.html").read_text(encoding="utf-8") == "site 2"
    assert listed(folder / "0.9.0") == [
        {"version": "../0.10.0/pt-BR", "title": "0.10.0", "aliases": []},
        {"version": "../0.9.0/pt-BR", "title": "0.9.0", "aliases": ["pt-BR"]},
    ]
    assert "url=0.10.0/index.html" in (folder / "index.html").read_text(encoding="utf-8")


def test_a_name_that_is_no_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidVersion):
        add(site(tmp_path / "site", ""), tmp_path / "all", "../elsewhere")
