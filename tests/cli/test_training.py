"""`semelha train`: networks, methods, plans, weights from a file, and options that do not go together."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.commands import answer, run

import semelha
from semelha.cli import training
from semelha.embedders import load_embedder
from semelha.images import glyphs


def test_an_interrupted_training_says_how_to_resume(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train_with_bars", interrupted)
    status, out, err = run(capsys, "train", photos, "--out", tmp_path / "m")
    assert (status, out) == (130, "")
    assert "--resume" in err
    assert "Traceback" not in err


def test_a_method_instead_of_a_network(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model"
    found = answer(capsys, "train", photos, "--out", model, "--method", "gmml", "--features", "pixels")
    assert (found["method"], found["pictures"]) == ("gmml", 12)
    words = ["--method", "lda", "--on", model, "--set", "ridge=0.01", "--set", "n_components=2"]
    status, out, err = run(capsys, "train", photos, "--out", tmp_path / "again", *words)
    assert status == 0
    assert "12 pictures of 4 classes" in out
    assert "note:" in err  # twelve examples do not span a thousand dimensions
    assert semelha.load_embedder(tmp_path / "again").card.training["arguments"] == {
        "n_components": 2,
        "ridge": 0.01,
        "shrinkage": 0.0,
    }
    assert answer(capsys, "evaluate", tmp_path / "again", photos, "--no-baselines")["r_at_1"] == 1
    status, out, err = run(capsys, "enroll", tmp_path / "gallery", "--model", model, "--from", photos)
    assert status == 0
    found = answer(capsys, "identify", tmp_path / "gallery", photos / "thing 2" / "1.png")
    assert found["identifications"][0]["candidates"][0]["subject"] == "thing 2"


@pytest.mark.parametrize(
    "words",
    [
        ["--method", "gmml", "--minutes", "1"],
        ["--method", "gmml", "--device", "cuda"],
        ["--features", "hog"],
        ["--method", "magic"],
        ["--on", "x"],
        ["--method", "gmml", "--teacher", "model"],
        ["--method", "none", "--on", "model"],
    ],
)
def test_words_of_two_trainings_do_not_mix(
    words: list[str], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "train", photos, "--out", tmp_path / "model", *words)
    assert (status, out) == (2, "")
    assert "method" in err


def test_pretrained_weights_become_a_model(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a size, of the one that timm has the weights for; then enrolled and evaluated as any other."""
    pytest.importorskip("torch")
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model("resnet10t", num_classes=10).state_dict(), tmp_path / "weights.safetensors")
    model, shop = tmp_path / "model", tmp_path / "shop"
    words = ["--method", "none", "--backbone", "resnet10t", "--pretrained", tmp_path / "weights.safetensors"]
    assert answer(capsys, "train", photos, "--out", model, *words)["method"] == "none"
    spec = load_embedder(model).card.input
    assert spec is not None
    assert (spec.width, spec.channels) == (timm.get_pretrained_cfg("resnet10t").input_size[-1], 3)
    assert answer(capsys, "enroll", shop, "--model", model, "--from", photos)["subjects"] == 4
    assert answer(capsys, "calibrate", shop, "--fpir", "0.4")["n"] == 4
    found = answer(capsys, "identify", shop, photos / "thing 2" / "1.png")
    assert found["identifications"][0]["candidates"][0]["subject"] == "thing 2"
    for more in (["--loss", "triplet"], ["--dim", "8"], ["--features", "hog"], ["--minutes", "1"]):
        status, _, err = run(capsys, "train", photos, "--out", tmp_path / "new", *words, *more)
        assert (status, "method" in err) == (2, True)
    missing = [*words[:-1], tmp_path / "none.pth"]
    status, _, err = run(capsys, "train", photos, "--out", tmp_path / "new", *missing)
    assert (status, "there is no weight file" in err) == (1, True)


def test_backbone_is_named_by_the_folder_of_its_weights(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    import timm

    timm.models.save_for_hf(timm.create_model("resnet10t"), tmp_path / "mine", safe_serialization=True)
    words = ["train", photos, "--out", tmp_path / "model", "--method", "none", "--backbone"]
    assert answer(capsys, *words, f"local-dir:{tmp_path / 'mine'}")["method"] == "none"
    assert load_embedder(tmp_path / "model").card.network["backbone"] == "resnet10t"
    status, _, err = run(capsys, *words[:3], tmp_path / "new", *words[4:], f"local-dir:{tmp_path / 'none'}")
    assert (status, "there is no folder" in err) == (1, True)


def test_a_plan_is_printed_and_nothing_is_trained(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What Python plans with the same settings, without a place for a model."""
    pytest.importorskip("torch")
    from semelha.deep import TrainingSettings

    before = sorted(tmp_path.rglob("*"))
    words = ["--steps", "40", "--size", "24", "--minutes", "3"]
    status, out, err = run(capsys, "train", photos, "--plan", *words)
    assert status == 0, err
    settings = TrainingSettings(steps=40, size=24)
    plan = semelha.plan_training(photos, settings=settings, minutes=3)
    assert out.split() == str(plan).split()
    assert "at most 40 steps of 256 pictures or 3 minutes" in out
    assert "Set explicitly: size 24, steps 40." in out
    assert answer(capsys, "train", photos, "--plan", *words) == plan.to_json()
    assert sorted(tmp_path.rglob("*")) == before


def test_the_options_of_train_are_in_panels(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "train", "--help")
    assert status == 0
    assert [name for name in ("Data", "Model", "Loss", "Training", "Hardware") if f"─ {name} ─" not in out] == []


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The words of a short training on characters."""
    for picture in glyphs(["Lao"], size=32):
        file = tmp_path / "lao" / picture.label.split("/")[1] / f"{picture.name.split('/')[0]}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(picture.source)).save(file)
    words = ["train", str(tmp_path / "lao"), "--out", str(tmp_path / "m"), "--steps", "3", "--size", "24"]
    return [*words, "--dim", "16", "--loss", "arcface", "--pooling", "gem"]


def test_train_from_the_command_line(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert answer(capsys, *words)["steps_taken"] == 3
    assert load_embedder(tmp_path / "m").dim == 16


@pytest.mark.slow
def test_train_in_a_process_as_users_run_it(words: list[str], tmp_path: Path) -> None:
    """`test_torchrun.py` has another of its kind that is not slow."""
    pytest.importorskip("torch")
    command = [sys.executable, "-m", "semelha.cli", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps_taken"] == 3
    assert load_embedder(tmp_path / "m").dim == 16
