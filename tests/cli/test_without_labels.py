"""`semelha train --method simclr`: a folder of pictures, the options of a network, and words that need labels."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tiny_model import noise
from timm.optim.lars import Lars

from semelha.cli.app import main
from semelha.cli.choices import Asked, plan
from semelha.cli.losses import Loss
from semelha.cli.names import Method, OptimizerName, SamplerName, Stem
from semelha.deep.ssl import METHODS, MoCo
from semelha.errors import UsageError
from semelha.images import Dataset, Picture
from semelha.training import WITHOUT_LABELS


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


@pytest.fixture
def dataset() -> Dataset:
    return Dataset("made", tuple(Picture(source=noise(n), label="", name=f"{n}") for n in range(12)))


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


def test_a_training_goes_on(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same words, `--resume` beside them, and nothing else."""
    words = ["train", photos, "--out", tmp_path / "m", "--method", "simclr", "--size", "16", "--dim", "8"]
    words += ["--steps", "4", "--batch", "6", "--json"]
    monkeypatch.setattr("semelha.deep.loop.CHECKPOINT_SECONDS", 0.0)
    with monkeypatch.context() as interrupted:

        def stop(*_: object, **__: object) -> bytes:
            raise KeyboardInterrupt

        interrupted.setattr("semelha.deep.train.publish", stop)
        assert run(capsys, *words)[0] == 130
    status, _, err = run(capsys, *words)
    assert (status, "--resume" in err) == (1, True)
    status, out, err = run(capsys, *words, "--resume")
    assert status == 0, err
    told = json.loads(out)
    assert (told["method"], told["steps_taken"], told["arguments"]["layers"]) == ("simclr", 4, 2)


@pytest.mark.parametrize("name", WITHOUT_LABELS)
def test_every_method_takes_what_a_network_takes(name: str, dataset: Dataset) -> None:
    asked = Asked(method=Method(name), backbone="resnet10t", size=32, dim=8, batch=4, chunk=3, steps=7)
    network, recipe = plan(dataset, 0, asked)
    assert (network.backbone, network.dim) == ("resnet10t", 8)
    assert recipe.method == METHODS[name]
    assert (recipe.batch, recipe.chunk, recipe.steps) == (4, 3, 7)
    assert (recipe.lookalikes, recipe.validation, recipe.coarse) == (0, 0, 0)


def test_optimizers_come_with_their_rates(dataset: Dataset) -> None:
    found = {name: plan(dataset, 0, Asked(method=Method.simclr, optimizer=name))[1] for name in OptimizerName}
    parameters = [torch.nn.Parameter(torch.ones(2, 2))]
    kinds = {name: type(recipe.optimizer(parameters, lr=0.1)) for name, recipe in found.items()}
    assert kinds == {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD, "lars": Lars}
    assert found[OptimizerName.lars].learning_rate == pytest.approx(0.3 * found[OptimizerName.lars].batch / 256)
    assert found[OptimizerName.adamw] == plan(dataset, 0, Asked(method=Method.simclr))[1]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"method": Method.simclr, "loss": Loss.triplet}, "simclr learns without labels: leave out --loss"),
        ({"method": Method.moco1, "memory": 900}, "leave out --loss"),
        ({"method": Method.simclr, "sampler": SamplerName.balanced}, "leave out --loss"),
        ({"optimizer": OptimizerName.lars}, "--optimizer is for a method without labels"),
        ({"stem": Stem.small}, "a small stem is for a ResNet of timm"),
    ],
)
def test_what_does_not_go_together_is_refused(asked: dict[str, object], said: str, dataset: Dataset) -> None:
    with pytest.raises(UsageError, match=said):
        plan(dataset, 0, Asked(**asked))  # type: ignore[arg-type]


def test_features_are_not_for_networks(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", photos, "--out", tmp_path / "m", "--method", "simclr", "--features", "hog"]
    status, _, err = run(capsys, *words)
    assert (status, "--features and --on" in err) == (2, True)


def test_the_page_has_every_method_as_it_is_and_its_python_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs" / "ssl.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z0-9-]+) \| `(.+?)` \|", text, flags=re.MULTILINE)
    from semelha.deep import ssl

    assert {name: eval(made, vars(ssl)) for name, made in rows} == METHODS
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "docs/ssl.md", "exec"), names)
    monkeypatch.setattr("semelha.train", lambda photos, out, method: (photos, out, method))
    assert names["learned"]("photos", "model") == ("photos", "model", MoCo(temperature=0.1))  # type: ignore[operator]
