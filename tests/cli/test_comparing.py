"""`semelha compare --report`: a page with the pictures, in the language that was asked for."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.commands import answer, run
from tests.comparison.pictures import pictures
from tests.tiny_model import tiny_model

from semelha.embedders.published import DEFAULT, published_folder


def test_the_report_and_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path / "cache"))
    tiny_model(published_folder(DEFAULT), published=DEFAULT)
    for picture in pictures():
        file = tmp_path / "photos" / picture.label / f"{picture.name.replace('/', '-')}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(picture.source)).save(file)
    report = tmp_path / "report.html"
    photos, out = tmp_path / "photos", tmp_path / "out"
    options = ["--methods", "pixels,gmml", "--out", out, "--report", report, "--language", "pt-BR"]
    found = answer(capsys, "compare", photos, *options)
    assert found["verdict"]["language"] == "pt-BR"
    text = report.read_text("utf-8")
    assert found["verdict"]["result"].split(":")[0] in text
    assert len(re.findall('<image id="p', text)) > 5
    assert "pode ser lida" not in text
    status, printed, _ = run(capsys, "compare", photos, *options[:4], "--language", "pt-BR", "--resume")
    assert status == 0
    assert found["verdict"]["result"] in printed
    assert found["verdict"]["steps"][0] in printed
    assert printed.count(found["recommendation"]["command"]) == 1
    assert "cadastrar levou" in printed
