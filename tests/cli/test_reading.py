"""`--threads`, `--max-pixels` and `--bits` of every command that reads pictures."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.commands import answer, run
from typer.main import get_command

from semelha import processors as module
from semelha.cli import reading
from semelha.cli.app import COMMANDS, make_app
from semelha.embedders import Model
from semelha.processors import processors


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = reading._limits
    yield
    module.use_at_most(None)
    reading._limits = before


def test_every_command_that_takes_pictures_has_them() -> None:
    commands = get_command(make_app()).commands
    with_threads = {name for name, each in commands.items() if "threads" in {option.name for option in each.params}}
    assert with_threads == reading.COMMANDS
    assert with_threads < set(COMMANDS)


def test_threads(
    tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    assert len(answer(capsys, "embed", tiny.folder, tmp_path / "a.png", "--threads", 3)["vectors"]) == 1
    assert processors() == 3
    assert run(capsys, "embed", tiny.folder, tmp_path / "a.png", "--threads", 0)[0] == 2


def test_max_pixels(tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        Image.new("RGB", (20, 30)).save(tmp_path / f"{name}.png")
    status, _, err = run(capsys, "embed", tiny.folder, tmp_path / "a.png", "--json", "--max-pixels", 599)
    assert status == 1
    assert "a.png has 20 × 30 pixels: max_pixels is 599 in all" in re.sub(r"\s+", " ", err)
    answer(
        capsys, "enroll", tmp_path / "shop", "--model", tiny.folder, "thing", tmp_path / "b.png", "--max-pixels", 600
    )
    for command in (["identify"], ["verify", tmp_path / "b.png"], ["explain"]):
        words = [command[0], tmp_path / "shop", *command[1:], tmp_path / "a.png"]
        assert run(capsys, *words, "--max-pixels", 599)[0] == 1
        assert run(capsys, *words)[0] == 0


def test_bits(tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (20, 20)).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    vectors = [
        answer(capsys, "embed", tiny.folder, tmp_path / "a.png", *more)["vectors"]
        for more in ([], ["--bits", 12], ["--bits", 16])
    ]
    assert vectors[0] == vectors[1] != vectors[2]
