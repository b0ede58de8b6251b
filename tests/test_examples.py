"""The scripts and notebooks of `examples/` run: all on what they draw, the scripts also on a folder."""

import os
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

import semelha
from semelha.embedders import Model

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SCRIPTS = {file.stem: file for file in EXAMPLES.glob("*.py")}
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))

Run = Callable[..., str]

PRINTED = {
    "name_from_one_picture": r"\d\d% of 1016 pictures get the right one of 120 names\.",
    "unknown_at_a_rate": r"Asked for: at most 5\.0% of strangers get a name\.\nMeasured: [0-6]\.\d% of 600 pictures",
    "sort_folder": r"notes\.txt → unreadable/notes\.txt\n(.|\n)*thing 88 seen \d\.png → unknown/",
    "find_faults": r"\n3 × duplicate\n(.|\n)*\n[1-9] × mislabel\n",
    "client": r"71 subjects are enrolled at http://127\.0\.0\.1:\d+\n[4-7]\d of 71 new pictures get the right name\n",
    "own_onnx_model": r"fit: crop, assumed\n(.|\n)*[5-9]\d% of 1136 pictures are most like another one",
}
"""What each script prints on what it draws."""


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Model]:
    """`semelha.train`, which learns the same from the same pictures once for all scripts."""
    whole, models = semelha.train, dict[str, Model]()

    def train(dataset: semelha.Dataset, *, out: Path, **settings: Any) -> Model:
        key = f"{dataset.name} {settings}"
        if key not in models:
            models[key] = whole(dataset, out=tmp_path_factory.mktemp("learned") / out.name, **settings)
        return models[key]

    return train


@pytest.fixture
def run(learned: Callable[..., Model], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run(script, argument, …)`: run a script in this process, and return what it prints."""
    monkeypatch.setattr(semelha, "train", learned)

    def run(name: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(SCRIPTS[name]), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve classes of three pictures, of which those of a class differ little."""
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("examples") / "photos"
    for label in range(12):
        pattern = random.integers(40, 216, (8, 8, 3))
        (folder / f"thing {label}").mkdir(parents=True)
        for number in range(3):
            pixels = (pattern + random.integers(-9, 10, pattern.shape)).astype(np.uint8)
            Image.fromarray(pixels).resize((40, 40)).save(folder / f"thing {label}" / f"{number}.png")
    return folder


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_each_script_runs_on_what_it_draws(name: str, run: Run) -> None:
    printed = run(name)
    assert re.search(PRINTED[name], printed), printed


def test_scripts_name_and_check_a_folder(run: Run, photos: Path, tiny: Model, tmp_path: Path) -> None:
    assert "100% of 24 pictures" in run("name_from_one_picture", photos, "--model", tiny.folder)
    assert "18 pictures of 6 strangers" in run("unknown_at_a_rate", photos, "--model", tiny.folder, "--fpir", "0.4")
    run("find_faults", photos, "--model", tiny.folder, "--report", tmp_path / "faults.html")
    assert "<html" in (tmp_path / "faults.html").read_text("utf-8")


def test_a_folder_is_sorted_once(run: Run, photos: Path, tiny: Model, tmp_path: Path) -> None:
    with semelha.Gallery.create(tmp_path / "shop", tiny) as gallery:
        gallery.enroll_dataset(photos)
    for number, file in enumerate(sorted(photos.rglob("0.png"))):
        target = tmp_path / "inbox" / f"{number}.png"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(file.read_bytes())
    (tmp_path / "sorted" / "thing 0").mkdir(parents=True)
    (tmp_path / "sorted" / "thing 0" / "0.png").write_text("another file")
    for file in (tmp_path / "inbox").iterdir():
        os.utime(file, (0, 0))
    (tmp_path / "inbox" / "new.png").write_text("still being copied")
    run("sort_folder", tmp_path / "inbox", tmp_path / "sorted", "--gallery", tmp_path / "shop", "--once")
    assert [file.name for file in (tmp_path / "inbox").iterdir()] == ["new.png"]
    assert (tmp_path / "sorted" / "thing 0" / "0.png").read_text() == "another file"
    assert (tmp_path / "sorted" / "thing 0" / "0-again.png").exists()
    assert len([*(tmp_path / "sorted").rglob("*.png")]) == 13


def test_an_onnx_model_searches_a_folder(run: Run, photos: Path, tmp_path: Path) -> None:
    make_graph = runpy.run_path(str(SCRIPTS["own_onnx_model"]))["make_graph"]
    printed = run("own_onnx_model", photos, "--onnx", make_graph(tmp_path / "own.onnx"), "--preset", "raw")
    assert "100% of 36 pictures are most like another one of their class." in printed


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_each_notebook_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(file, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()


def test_notebooks_are_valid_and_without_outputs() -> None:
    assert len(NOTEBOOKS) == 2
    for file in NOTEBOOKS:
        notebook = nbformat.read(file, as_version=4)
        nbformat.validate(notebook)
        for cell in notebook.cells:
            assert cell.get("outputs", []) == []
            assert cell.get("execution_count") is None


def test_scripts_are_short_and_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    assert set(SCRIPTS) == set(PRINTED)
    for file in SCRIPTS.values():
        assert len(file.read_text("utf-8").splitlines()) <= 100, file.name
    for file in (*SCRIPTS.values(), *NOTEBOOKS):
        assert f"`{file.name}`" in listed
