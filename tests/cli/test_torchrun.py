"""`torchrun … -m semelha.cli train`: one answer, one model, and one message where something is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.tiny_model import noise

from semelha.embedders import load_embedder
from semelha.images import read_dataset, write_shards

pytest.importorskip("torch")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for label in range(12):
        folder = tmp_path / "photos" / f"thing {label}"
        folder.mkdir(parents=True)
        for number in range(3):
            pixels = noise(label).astype(np.int16) + noise(100 + 10 * label + number) // 16
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    (folder / "no picture.png").write_bytes(b"none")
    return tmp_path / "photos"


def torchrun(*words: object) -> tuple[int, str, str]:
    """Status, output and errors of two processes and of torchrun itself."""
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "semelha.cli"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": "0"}
    done = subprocess.run(
        [*run, *map(str, words)], env=environment, capture_output=True, text=True, timeout=120, cwd=Path.cwd()
    )
    return done.returncode, done.stdout, done.stderr


def train(photos: Path, out: Path, *words: object) -> tuple[int, str, str]:
    small = ("--size", 16, "--dim", 8, "--batch", 16, "--steps", 4, "--device", "cpu")
    return torchrun("train", photos, "--out", out, *small, *words)


def test_two_processes_make_one_model_and_say_so_once(photos: Path, tmp_path: Path) -> None:
    status, out, err = train(photos, tmp_path / "model", "--json")
    assert status == 0, err
    told = json.loads(out)
    assert told["steps_taken"] == 4
    assert told["pictures"] == 36
    assert err.count("thing 11/no picture.png") == 1, err
    assert (tmp_path / "model" / "embedder.onnx").exists()
    assert [file.name for file in (tmp_path / "model.training").iterdir()] == ["log.jsonl"]
    assert len((tmp_path / "model.training" / "log.jsonl").read_text().splitlines()) == 1


@pytest.mark.slow
def test_two_processes_hear_a_teacher_and_learn_without_labels(photos: Path, tmp_path: Path) -> None:
    status, _, err = train(photos, tmp_path / "teacher", "--method", "moco-v3", "--batch", 8)
    assert status == 0, err
    status, out, err = train(photos, tmp_path / "model", "--teacher", tmp_path / "teacher", "--freeze", 0.5, "--json")
    assert status == 0, err
    assert json.loads(out)["teacher"]["name"] == "teacher"
    status, _, err = train(photos, tmp_path / "none", "--method", "moco-v3", "--teacher", tmp_path / "teacher")
    assert status != 0
    assert err.count("a teacher is added to a loss of labels") == 1, err


@pytest.mark.slow
def test_weights_and_classes_in_parts_make_a_model_too(photos: Path, tmp_path: Path) -> None:
    """From archives, of which each process reads its own."""
    status, _, err = torchrun("shards", photos, "--out", tmp_path / "none")
    assert status != 0
    assert err.count("several processes are for training only") == 1, err
    write_shards(read_dataset(photos), tmp_path / "packed", number=4)
    words = ("--strategy", "fsdp", "--shards", 2, "--chunk", 5, "--readout", "layers", "--json")
    status, out, err = train(tmp_path / "packed", tmp_path / "model", *words)
    assert status == 0, err
    assert json.loads(out)["pictures"] == 36
    assert load_embedder(tmp_path / "model").embed(read_dataset(tmp_path / "packed").pictures).shape == (36, 8)
    status, _, err = train(tmp_path / "packed", tmp_path / "other", "--batch", 4, "--shards", 3)
    assert status != 0
    assert err.count("a batch of 4 is too small for 3 shards") == 1, err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "photos", "--out", "photos"), "photos exists already: choose another place"),
        (("train", "photos", "--out", "photos/thing 0/0.png/m"), "cannot be written: Not a directory"),
        (("train", "nowhere", "--out", "m"), "nowhere"),
        (("train", "photos", "--out", "m", "--batch", "3"), "Invalid value for '--batch'"),
        (("train", "photos", "--out", "m", "--method", "gmml"), "method gmml runs in one process"),
        (("train", "photos", "--out", "m"), "several processes train one network: say which"),
        (("evaluate", "m", "photos"), "several processes are for training only: torchrun"),
    ],
)
def test_what_is_wrong_is_said_once(
    words: tuple[str, ...], said: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be it wrong in all processes, or in the first alone."""
    monkeypatch.chdir(photos.parent)
    status, out, err = torchrun(*words)
    assert status != 0
    assert out == ""
    assert err.count(said) == 1, err
    assert err.count("rror: ") >= 1


@pytest.mark.slow
def test_a_training_in_two_processes_goes_on_in_one(photos: Path, tmp_path: Path) -> None:
    """Killed with the first process; the same model folder comes of it."""
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "semelha.cli"]
    words += ["train", str(photos), "--out", str(tmp_path / "model"), "--size", "16", "--dim", "8", "--device", "cpu"]
    words += ["--batch", "16", "--steps", "400"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    checkpoint = tmp_path / "model.training" / "checkpoint.pt"
    while not checkpoint.exists():  # the first is written at half time
        assert process.poll() is None
    process.terminate()
    process.communicate(timeout=60)
    if not (tmp_path / "model").exists():
        done = subprocess.run([*words[:1], *words[5:], "--resume"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "model" / "embedder.onnx").exists()
