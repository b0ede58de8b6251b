"""Files under checksums that are right, whose content lies: refused, and nothing crashes."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.index.forged import KINDS
from tests.index.lies import LIES, manifest_lies


def outcomes(what: str, kinds: list[str]) -> list[list[str]]:
    """Kind, name and outcome of everything that a process of its own tried, which did not crash."""
    command = [sys.executable, "-m", "tests.index.forged", what, *kinds]
    ran = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    lines = [line.split("\t") for line in ran.stdout.splitlines()]
    assert ran.returncode == 0, (ran.returncode, lines[-1:], ran.stderr)
    return lines


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for kind, name, outcome in outcomes("lies", list(KINDS)):
        found[kind][name] = outcome
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_lie_is_refused(kind: str, told: dict[str, dict[str, str]]) -> None:
    found = told[kind]
    assert found.pop("nothing") == "valid"
    if kind == "cells":  # those of float32 may then be the vectors, from which the answers are right too
        assert found.get("no codes") == "valid"
        found["no codes"] = "refused"
    assert {name: outcome for name, outcome in found.items() if outcome != "refused"} == {}
    assert found.keys() == {*LIES[kind], *(f"manifest: {name}" for name in manifest_lies(kind))}


def check_other_content(what: str, kinds: list[str], least: int) -> None:
    """Every number and array replaced by others: the files are refused, or answers are of the vectors in them."""
    found = outcomes(what, kinds)
    assert len(found) > least * len(kinds)
    assert [line for line in found if line[2] not in ("refused", "valid")] == []


def test_other_content_is_refused_or_answered_soundly() -> None:
    """A quarter of all replacements, of two kinds."""
    check_other_content("some", ["hnsw-8bit", "cells"], 75)


@pytest.mark.slow
def test_other_content_of_every_kind_is_refused_or_answered_soundly() -> None:
    check_other_content("all", list(KINDS), 300)
