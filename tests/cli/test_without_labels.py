"""`semelha train --method simclr`: a folder of pictures, the options of a network, and words that need labels."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.tiny_model import noise

import semelha
from semelha.cli.app import main
from semelha.deep import LoopSettings, TrainingProgress, TrainingSettings, train_network
from semelha.deep.ssl import METHODS, MoCo
from semelha.images import read_dataset


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    output = capsys.readouterr()
    return int(stopped.value.code or 0), output.out, " ".join(output.err.split())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for number in range(12):
        Image.fromarray(noise(number)).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


def test_train_without_labels(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", photos, "--method", "moco-v2", "--size", "16", "--dim", "8", "--steps", "2", "--device", "cpu"]
    status, out, err = run(capsys, *words, "--out", tmp_path / "m")
    assert status == 0, err
    assert "learned from 12 pictures without labels (moco-v2, a queue of 4 keys)" in out
    card = json.loads((tmp_path / "m" / "model.json").read_text())
    assert card["classes"] == []
    assert card["training"]["batch"] == 4
    status, out, _ = run(capsys, "embed", tmp_path / "m", photos / "1.png", "--json")
    assert status == 0
    assert np.linalg.norm(json.loads(out)["vectors"]) == pytest.approx(1, abs=1e-5)


def test_a_training_goes_on(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that was begun in Python, by the same settings as words and `--resume`."""
    words = ["train", photos, "--out", tmp_path / "m", "--method", "simclr", "--size", "16", "--dim", "8"]
    words += ["--steps", "4", "--batch", "6", "--json"]

    def stop(progress: TrainingProgress) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_network(
            read_dataset(photos, labelled=False),
            out=tmp_path / "m",
            method=METHODS["simclr"],
            settings=TrainingSettings(size=16, dim=8, steps=4, batch=6),
            callback=stop,
            loop=LoopSettings(checkpoint_seconds=0.0),
        )
    status, _, err = run(capsys, *words)
    assert (status, "--resume" in err) == (1, True)
    status, out, err = run(capsys, *words, "--resume")
    assert status == 0, err
    told = json.loads(out)
    assert (told["method"], told["steps_taken"], told["arguments"]["layers"]) == ("simclr", 4, 2)


@pytest.mark.parametrize("words", [["--loss", "triplet"], ["--sampler", "class-balanced"]])
def test_words_of_labels_are_refused(
    words: list[str], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(capsys, "train", photos, "--out", tmp_path / "m", "--method", "simclr", *words)
    assert (status, f"simclr learns without labels: leave out {words[0][2:]}" in err) == (2, True)


def test_features_are_not_for_networks(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", photos, "--out", tmp_path / "m", "--method", "simclr", "--features", "hog"]
    status, _, err = run(capsys, *words)
    assert (status, "features and on" in err) == (2, True)


def test_the_page_has_every_method_as_it_is_and_its_python_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs" / "ssl.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z0-9-]+) \| `(.+?)` \|", text, flags=re.MULTILINE)
    from semelha.deep import ssl

    assert {name: eval(made, vars(ssl)) for name, made in rows} == METHODS
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "docs/ssl.md", "exec"), names)
    monkeypatch.setattr(semelha, "train", lambda photos, out, method: (photos, out, method))
    assert names["train"]("photos", "model") == ("photos", "model", MoCo(temperature=0.1))  # type: ignore[operator]
