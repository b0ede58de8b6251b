"""`semelha tune`: what it prints, and the command in the end, which works."""

import json
import shlex
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.commands import answer, run
from tests.comparison.pictures import pictures

from semelha.comparison import TUNED, Tuning, preparation


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for picture in pictures(classes=16, weight=6.0):
        file = tmp_path / "my photos" / picture.label / f"{picture.name.replace('/', '-')}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(picture.source)).save(file)
    return tmp_path / "my photos"


def test_the_command_in_the_end_trains(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--method", "gmml on hog", "--trials", "6", "--out", tmp_path / "out"]
    status, out, err = run(capsys, "tune", photos, *options)
    assert status == 0, err
    assert "INFO" not in out + err
    assert "A new study" not in err
    found = Tuning.read(tmp_path / "out" / TUNED)
    assert len(found.trials) == 6
    assert found.verdict("en").result in " ".join(out.split())
    assert found.command in out
    words = ["--resume", "--language", "pt-BR", "--report", tmp_path / "tuned.html"]
    again = answer(capsys, "tune", photos, *options, *words)
    assert {name: again[name] for name in found.to_json()} == json.loads(json.dumps(found.to_json()))
    assert again["verdict"]["text"] == str(found.verdict("pt-BR"))
    assert found.verdict("pt-BR").result in unescape((tmp_path / "tuned.html").read_text("utf-8"))
    for number, command in enumerate({found.command, (found.found or found.default).command}):
        words = shlex.split(command)[1:]
        words[words.index("--out") + 1] = f"model {number}"
        assert run(capsys, *words)[0] == 0, command


def test_what_cannot_be_right_is_one_sentence(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, expected, said in [
        (["--method", "gmml on hog", "--budget", "soon"], 2, "write 90s, 30m or 2h"),
        (["--method", "magic"], 2, "method is 'magic', which is no method: there are pca-whitening"),
        (["--method", "gmml on hog", "--out", photos], 1, "exists already"),
        (["--method", "gmml on hog", "--report", photos], 1, "my photos"),
        ([], 2, "--method"),
    ]:
        status, out, err = run(capsys, "tune", photos, "--out", tmp_path / "out", *words)
        assert (status, out) == (expected, "")
        assert said in " ".join(err.split())
        assert "Traceback" not in err


def test_drawn_classes_are_told(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "EMBEDDING", 1e-9)  # of the time, for features: none can be computed for all
    words = ["tune", photos, "--method", "gmml on hog", "--budget", "30s", "--trials", "2", "--out", tmp_path / "out"]
    status, _, err = run(capsys, *words)
    assert status == 0, err
    assert "of 16 classes were drawn" in " ".join(err.split())
