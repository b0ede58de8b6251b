"""Merging from the command line: asked for when a name is taken, told, listed and undone."""

import io
import sys
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.test_commands import answer, run
from tests.tiny_model import noise

from semelha.embedders import Model


@pytest.fixture
def shop(tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    for number in range(3):
        Image.fromarray(noise(number)).save(tmp_path / f"{number}.png")
    folder = tmp_path / "shop"
    for name, numbers in (("apple", (0, 1)), ("Apple", (1, 2))):
        pictures = [tmp_path / f"{number}.png" for number in numbers]
        assert run(capsys, "enroll", folder, "--model", tiny.folder, name, *pictures)[0] == 0
    return folder


def names(shop: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    return {one["name"]: one["examples"] for one in answer(capsys, "subjects", "list", shop)["subjects"]}


def test_merge_list_undo(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "subjects", "merge", shop, "apple", "Apple")
    assert (status, "with 1 examples, and 1 that both had" in out) == (0, True)
    assert names(shop, capsys) == {"Apple": 3}
    (merge,) = answer(capsys, "subjects", "merges", shop)["merges"]
    assert (merge["source"], merge["into"], merge["inside"]) == ("apple", "Apple", None)
    assert "1 merges" in run(capsys, "subjects", "merges", shop)[1]
    assert "own again" in run(capsys, "subjects", "undo", shop, merge["number"])[1]
    assert names(shop, capsys) == {"Apple": 2, "apple": 2}
    status, _, err = run(capsys, "subjects", "undo", shop, merge["number"])
    assert (status, "no merge 1 to undo" in err) == (1, True)


@pytest.mark.parametrize(("said", "status", "left"), [("y", 0, {"Apple": 3}), ("n", 1, {"Apple": 2, "apple": 2})])
def test_a_name_that_is_taken_is_asked_about(
    shop: Path,
    said: str,
    status: int,
    left: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(said + "\n"))
    found, _, err = run(capsys, "subjects", "rename", shop, "apple", "Apple")
    assert (found, "Merge apple into it?" in err) == (status, True)
    assert names(shop, capsys) == left


def test_a_script_is_not_asked(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "subjects", "rename", shop, "apple", "Apple", "--merge")[0] == 0
    assert names(shop, capsys) == {"Apple": 3}
    assert run(capsys, "subjects", "rename", shop, "Apple", "pear", "--merge")[0] == 0
    assert names(shop, capsys) == {"pear": 3}


def test_not_this_one(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = shop.parent / "2.png"  # an example of Apple
    status, _, err = run(capsys, "reject", shop, picture, "Apple")
    assert (status, "cannot be rejected too" in err) == (1, True)
    number = answer(capsys, "reject", shop, picture, "apple")["rejection"]
    assert "is not apple" in run(capsys, "reject", shop, picture, "apple")[1]
    (one,) = answer(capsys, "subjects", "rejections", shop, "apple")["rejections"]
    assert (one["rejection"], one["picture"]) == (number, str(picture))
    assert "1 rejections" in run(capsys, "subjects", "rejections", shop, "apple")[1]
    assert answer(capsys, "identify", shop, picture)["identifications"][0]["excluded"] == ["apple"]
    assert run(capsys, "subjects", "withdraw", shop, number)[0] == 0
    assert answer(capsys, "identify", shop, picture)["identifications"][0]["excluded"] == []
