"""`semelha import`: the options are the arguments of `import_model`, and what was assumed is printed."""

from pathlib import Path

import pytest
from tests.cli.commands import answer, run
from tests.foreign_graph import network

from semelha import import_model, load_embedder


def test_every_option_reaches_the_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = network(tmp_path / "x.onnx", size=("h", "w"), gives={"a": "vectors", "tokens": "tokens"})
    words = ["--preset", "clip", "--size", "24x32", "--mean", "0.1,0.2,0.3", "--std", "0.5", "--bgr", "--layout",
             "nchw", "--output", "tokens", "--first-token", "--normalize", "--fit", "stretch"]  # fmt: skip
    made = answer(capsys, "import", path, "--out", tmp_path / "shell", *words)
    same = import_model(
        path, out=tmp_path / "python", preset="clip", size=(24, 32), mean=[0.1, 0.2, 0.3], std=0.5, bgr=True,
        layout="nchw", output="tokens", first_token=True, normalize=True, fit="stretch",
    )  # fmt: skip
    assert load_embedder(tmp_path / "shell").card.input == same.card.input
    assert same.card.input is not None
    assert (made["fingerprint"], made["dim"], made["assumed"]) == (same.fingerprint, 6, [])


def test_what_is_assumed_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = network(tmp_path / "x.onnx", layout="nhwc")
    status, out, err = run(capsys, "import", path, "--out", tmp_path / "model")
    assert (status, err) == (0, "")
    assert out.splitlines()[:-2] == [
        "layout: nhwc, by its axis of 3 channels",
        "size: 16 × 16, from the shape of the input",
        "order of the channels: RGB, assumed",
        "mean: 0.485, 0.456, 0.406, those of ImageNet, assumed",
        "std: 0.229, 0.224, 0.225, those of ImageNet, assumed",
        "fit: crop, assumed",
    ]
    assert "makes vectors of 8 numbers, compared by cosine" in out
    assert load_embedder(tmp_path / "model").card.training["imported"]["assumed"] == out.splitlines()[:-2]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--size", "1x2x3"], "size is '1x2x3'"),
        (["--size", "-5"], "size is '-5'"),
        (["--mean", "a,b"], "mean is 'a,b'"),
        (["--std", "0.1,0.2"], "std is [0.1, 0.2]"),
        (["--preset", "x"], "preset is 'x'"),
    ],
)
def test_wrong_usage(words: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = network(tmp_path / "x.onnx")
    status, out, err = run(capsys, "import", path, "--out", tmp_path / "model", *words)
    assert (status, out) == (2, "")
    assert named in err
    assert err.count("\n") == 1
    assert not (tmp_path / "model").exists()
