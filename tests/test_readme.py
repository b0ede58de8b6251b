"""The Python of the README and of the docs runs as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import semelha
from semelha.deep import Network

README = Path(__file__).parents[1] / "README.md"
FACES = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "DejaVu Sans Bold")  # of the pictures


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a small photo folder and a catalogue of enough things for a rate of 1%; a small network is trained."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    for folder, scripts in (("photos", ["Lao"]), ("catalogue", ["Cyrillic"])):
        for picture in semelha.glyphs(scripts, size=32):
            face = picture.name.split("/")[0]
            if face in FACES:
                file = tmp_path / folder / picture.label.replace("/", " ") / f"{face}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.asarray(picture.source)).save(file)
    apples = sorted((tmp_path / "photos").rglob("*.png"))[:3]
    for name, apple in zip(("a.jpg", "b.jpg", "new.jpg"), apples, strict=True):
        Image.open(apple).convert("RGB").save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    whole = semelha.train
    network = Network(channels=1, size=32, dim=16)
    monkeypatch.setattr(semelha, "train", lambda *a, **k: whole(*a, **k, network=network, minutes=0.05))
    names: dict[str, object] = {}
    exec(compile(code, str(README), "exec"), names)
    gallery = names["gallery"]
    assert isinstance(gallery, semelha.Gallery)
    assert "granny-smith" in [subject.name for subject in gallery.subjects()]
    assert gallery.identify("a.jpg").candidates[0].subject == "granny-smith"
    gallery.close()


def test_the_python_of_the_docs_on_search_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (README.parent / "docs" / "search.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(compile(code, "search.md", "exec"), {})
    assert capsys.readouterr().out.strip() == code.rsplit("# ")[-1].strip()


def test_the_python_of_the_docs_on_other_libraries_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the first block prints stands at its end."""
    monkeypatch.chdir(tmp_path)
    text = (README.parent / "docs" / "other-libraries.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    for number, code in enumerate(blocks):
        exec(compile(code, "other-libraries.md", "exec"), names)
        if number == 0:
            told = [line[2:] for line in code.splitlines() if line.startswith("# ")]
            assert capsys.readouterr().out.splitlines() == told
    assert len(blocks) == 3
