"""A comparison goes to JSON and back, and what is read from outside is checked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.comparison.made import comparison

from semelha.comparison.result import Comparison
from semelha.errors import SemelhaError


def test_json_and_back(tmp_path: Path) -> None:
    made = comparison()
    made.write(str(tmp_path / "comparison.json"))
    assert Comparison.read(str(tmp_path / "comparison.json")) == made
    assert Comparison.read(tmp_path / "comparison.json") == made


def test_the_best_come_first_then_what_was_cut() -> None:
    made = comparison()
    assert [one.name for one in made.methods][:4] == [
        "lda on the model",
        "model as it is",
        "raw pixels",
        "triplet network",
    ]
    assert made.is_right(made["lda on the model"], 0)
    assert not made.is_right(made["model as it is"], 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(format=2), "newer semelha"),
        (lambda c: c.pop("budget"), "budget"),
        (lambda c: c["methods"][0].update(state="good"), r"methods\.0\.state"),
        (lambda c: c["methods"][0].update(r_at_1=["x", 0, 1]), r"r_at_1"),
        (lambda c: c["methods"][0]["nearest"].__setitem__(0, [99]), "is no picture of it"),
        (lambda c: c["methods"][0]["nearest"].pop(), "one answer for each query"),
        (lambda c: c["methods"].append(c["methods"][0]), "same name"),
        (lambda c: c["recommendation"].update(method="none"), "recommends"),
        (lambda c: c["queries"][0].update(picture=-1), "query"),
        (lambda c: c["premise"]["ways"].pop(), "ways"),
    ],
)
def test_what_is_no_comparison_is_refused(change: Callable[[dict[str, Any]], object], said: str) -> None:
    content = comparison().to_json()
    change(content)
    with pytest.raises(SemelhaError, match=said):
        Comparison.from_json(json.dumps(content))
