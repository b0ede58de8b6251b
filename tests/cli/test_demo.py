"""The demo, on fewer scripts and in less time."""

import json
from pathlib import Path

import pytest

import semelha
from semelha.cli import demo
from semelha.cli.app import main

FIGURES = {"r_at_1", "map_at_r", "fnir_at_fpir", "fpir_target", "fpir_achieved", "fnir_achieved"}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "TRAIN_SCRIPTS", ("Lao",))
    monkeypatch.setattr(demo, "TEST_SCRIPTS", ("Hebrew",))
    monkeypatch.setattr(demo, "FPIR", 0.1)  # which the few characters that are left can support


def test_demo(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the figures and both baselines, and writes a model, a gallery and a report."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "README.txt").touch()
    (tmp_path / "demo" / "model").mkdir()  # a demo that was killed while it trained is replaced
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--minutes", "0.05", "--json"])
    assert stopped.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert {"seconds", "report", "examples"} | FIGURES <= set(found)
    for baseline in ("raw_pixels", "untrained"):
        assert set(found[baseline]) >= FIGURES
    assert found["fpir_target"] == 0.1
    assert found["fpir_achieved"] is not None
    assert [("not enrolled" in example["picture"]) for example in found["examples"]] == [False] * 6 + [True] * 6
    assert "<html" in Path(found["report"]).read_text(encoding="utf-8")
    with semelha.Gallery.open("demo/gallery") as gallery:
        assert gallery.calibration is not None
        assert gallery.model.fingerprint == semelha.load_embedder("demo/model").fingerprint


def test_other_folders_are_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "precious").touch()
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--out", str(tmp_path)])
    assert stopped.value.code == 2
    assert "choose another --out" in capsys.readouterr().err
    assert (tmp_path / "model" / "precious").exists()
