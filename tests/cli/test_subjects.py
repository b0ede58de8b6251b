"""`semelha subjects` and `semelha reject`: merges, single examples and rejections."""

import io
import sys
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.commands import answer, run
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


def test_merge_and_unmerge(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "subjects", "merge", shop, "apple", "Apple")
    assert (status, "with 1 examples, and 1 that both subjects had" in out) == (0, True)
    assert names(shop, capsys) == {"Apple": 3}
    (merge,) = answer(capsys, "subjects", "merges", shop)["merges"]
    assert (merge["source"], merge["into"], merge["inside"]) == ("apple", "Apple", None)
    assert "1 merges" in run(capsys, "subjects", "merges", shop)[1]
    assert "separate subject again" in run(capsys, "subjects", "unmerge", shop, merge["number"])[1]
    assert names(shop, capsys) == {"Apple": 2, "apple": 2}
    status, _, err = run(capsys, "subjects", "unmerge", shop, merge["number"])
    assert (status, "no merge 1 to undo" in err) == (1, True)


@pytest.mark.parametrize(("said", "status", "left"), [("y", 0, {"Apple": 3}), ("n", 1, {"Apple": 2, "apple": 2})])
def test_renaming_to_a_taken_name_asks(
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


def test_rename_with_merge_does_not_ask(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "subjects", "rename", shop, "apple", "Apple", "--merge")[0] == 0
    assert names(shop, capsys) == {"Apple": 3}
    assert run(capsys, "subjects", "rename", shop, "Apple", "pear", "--merge")[0] == 0
    assert names(shop, capsys) == {"pear": 3}


def test_changes_as_json(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    merge = answer(capsys, "subjects", "merge", shop, "apple", "Apple")
    assert [merge] == answer(capsys, "subjects", "merges", shop)["merges"]
    undone = answer(capsys, "subjects", "unmerge", shop, merge["number"])
    assert undone == {"undone": merge["number"], "subject": "apple"}
    assert answer(capsys, "subjects", "rename", shop, "apple", "pear") == {"renamed": "apple", "subject": "pear"}
    assert answer(capsys, "subjects", "rename", shop, "pear", "Apple", "--merge")["source"] == "pear"
    assert answer(capsys, "subjects", "remove", shop, "Apple", "--yes") == {"removed": "Apple", "examples": 3}


def test_the_audit_log(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [one["name"] for one in answer(capsys, "subjects", "list", shop)["subjects"]]
    assert run(capsys, "subjects", "remove", shop, names[0], "--yes")[0] == 0
    entries = answer(capsys, "audit", shop, "--limit", "2")["entries"]
    assert (entries[0]["action"], entries[0]["subject"]) == ("remove", None)
    status, out, _ = run(capsys, "audit", shop)
    assert status == 0
    assert "deleted (" in out
    assert names[0] not in out
    assert {one["subject"] for one in answer(capsys, "audit", shop, "--subject", names[1])["entries"]} == {names[1]}


def test_reject_and_withdraw(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = shop.parent / "2.png"  # an example of Apple
    status, _, err = run(capsys, "reject", shop, picture, "Apple")
    assert (status, "cannot be rejected too" in err) == (1, True)
    number = answer(capsys, "reject", shop, picture, "apple")["rejection"]
    assert "is not apple" in run(capsys, "reject", shop, picture, "apple")[1]
    (one,) = answer(capsys, "subjects", "rejections", shop, "apple")["rejections"]
    assert (one["number"], one["source"]) == (number, str(picture))
    assert "1 rejections" in run(capsys, "subjects", "rejections", shop, "apple")[1]
    assert answer(capsys, "identify", shop, picture)["identifications"][0]["excluded"] == ["apple"]
    assert answer(capsys, "subjects", "withdraw", shop, number) == {"withdrawn": number}
    assert answer(capsys, "identify", shop, picture)["identifications"][0]["excluded"] == []


def numbers(shop: Path, name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    """The number of each example of a subject, by the name of its file."""
    found = answer(capsys, "subjects", "examples", shop, name)["examples"]
    return {Path(one["source"]).name: one["number"] for one in found}


def test_one_example_is_listed_moved_and_removed(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of_apple = numbers(shop, "apple", capsys)
    assert sorted(of_apple) == ["0.png", "1.png"]
    assert "2 examples" in run(capsys, "subjects", "examples", shop, "apple")[1]
    moved = answer(capsys, "subjects", "move-example", shop, of_apple["0.png"], "Apple")
    assert (moved["moved"], moved["subject"]) == (of_apple["0.png"], "Apple")
    of_Apple = numbers(shop, "Apple", capsys)
    assert sorted(of_Apple) == ["0.png", "1.png", "2.png"]
    assert moved["example"] == of_Apple["0.png"]
    removed = answer(capsys, "subjects", "remove-example", shop, of_Apple["2.png"], "--yes")
    assert (removed["subject"], removed["subject_removed"]) == ("Apple", False)
    assert names(shop, capsys) == {"Apple": 2, "apple": 1}
    status, out, _ = run(capsys, "subjects", "remove-example", shop, of_apple["1.png"], "--yes")
    assert (status, "it was the last example" in out) == (0, True)
    assert names(shop, capsys) == {"Apple": 2}
    out = run(capsys, "subjects", "move-example", shop, of_Apple["1.png"], "pear")[1]
    assert "of pear" in out
    assert names(shop, capsys) == {"Apple": 1, "pear": 1}


def test_an_example_is_removed_only_when_confirmed(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = numbers(shop, "apple", capsys)["0.png"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert run(capsys, "subjects", "remove-example", shop, number)[0] == 1
    assert names(shop, capsys)["apple"] == 2


def test_wrong_examples_are_refused_in_a_sentence(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["remove-example", shop, 99, "--yes"], ["move-example", shop, 99, "x"], ["examples", shop, "x"]):
        status, out, err = run(capsys, "subjects", *words)
        assert (status, out, err.count("\n")) == (1, "", 1)
