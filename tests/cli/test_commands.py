"""The command line: help, every command, JSON, exit status and error messages."""

import errno
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.commands import answer, run
from tests.tiny_model import tiny_model
from typer.main import get_command

import semelha
from semelha.cli.app import make_app
from semelha.embedders import Model
from semelha.embedders.published import DEFAULT, published_folder
from semelha.errors import IndexFileError
from semelha.gallery import Gallery
from semelha.index.settings import settings

COMMANDS = [
    "audit",
    "backup",
    "restore",
    "copy",
    "demo",
    "train",
    "import",
    "derive",
    "embed",
    "enroll",
    "identify",
    "verify",
    "explain",
    "reject",
    "calibrate",
    "check",
    "cluster",
    "migrate",
    "index",
    "evaluate",
    "compare",
    "tune",
    "doctor",
    "pretrained",
    "shards",
    "serve",
    "open",
]
SUBCOMMANDS = [
    ["subjects", word]
    for word in (
        "list",
        "rename",
        "remove",
        "examples",
        "remove-example",
        "move-example",
        "merge",
        "unmerge",
        "merges",
        "rejections",
        "withdraw",
    )
] + [["weights", word] for word in ("list", "fetch", "use", "export", "import")]
SUBCOMMANDS += [["keys", word] for word in ("create", "list", "revoke")]


def test_every_command_is_tested() -> None:
    commands: dict[str, Any] = get_command(make_app()).commands  # type: ignore[attr-defined]
    assert sorted([*COMMANDS, "keys", "subjects", "weights"]) == sorted(commands)
    inner = [[group, word] for group in ("subjects", "weights", "keys") for word in commands[group].commands]
    assert sorted(SUBCOMMANDS) == sorted(inner)


@pytest.mark.parametrize("command", [[name] for name in COMMANDS] + SUBCOMMANDS, ids=" ".join)
def test_help_has_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, *command, "--help")
    assert status == 0
    assert f"Example: semelha {' '.join(command)}" in " ".join(out.replace("│", " ").split())


def test_enroll_identify_calibrate_verify_explain(
    tiny: Model, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = tmp_path / "shop"
    made = answer(capsys, "enroll", shop, "--model", tiny.folder, "--from", photos)
    assert made["subjects"] == 4
    one = photos / "thing 2" / "1.png"
    again = answer(capsys, "enroll", shop, "thing 2", one)
    assert again["enrolled"][0]["added"] == 0
    assert len(again["enrolled"][0]["duplicates"]) == 1

    found = answer(capsys, "identify", shop, one)["identifications"][0]
    assert found["decision"] == "uncalibrated"
    assert found["subject"] == "thing 2"
    assert found["candidates"][0]["examples"][0]["distance"] < 1e-5

    status, _, err = run(capsys, "calibrate", shop, "--fpir", "0.01")
    assert status == 1
    assert "needs 199 subjects and there are 4" in " ".join(err.split())
    assert answer(capsys, "calibrate", shop, "--fpir", "0.4")["n"] == 4
    assert answer(capsys, "identify", shop, one)["identifications"][0]["decision"] == "known"
    assert answer(capsys, "verify", shop, one, "--subject", "thing 2")["same"] is True
    explained = answer(capsys, "explain", shop, one, "-k", "1", "--out", tmp_path / "evidence.png")
    assert [each["subject"] for each in explained["matched"]] == ["thing 2"]
    assert explained["identification"]["decision"] == "known"
    assert (tmp_path / "evidence.png").read_bytes().startswith(b"\x89PNG")
    assert answer(capsys, "verify", shop, one, one)["distance"] < 1e-5

    assert run(capsys, "subjects", "rename", shop, "thing 2", "Ding Zwei")[0] == 0
    assert run(capsys, "subjects", "remove", shop, "thing 3", "--yes")[0] == 0
    names = [each["name"] for each in answer(capsys, "subjects", "list", shop)["subjects"]]
    assert names == ["Ding Zwei", "thing 0", "thing 1"]


def test_the_index_of_a_gallery(
    tiny: Model, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(settings, "max_delta_size", 5)
    shop = tmp_path / "shop"
    assert run(capsys, "enroll", shop, "--model", tiny.folder, "--from", photos)[0] == 0
    assert (shop / "index" / "manifest").exists(), "enrolling many settles the index"
    found = answer(capsys, "index", shop)
    assert found["vectors"] == 12
    assert found["recall"] == 0.99
    assert found["on_disk"] == found["change"]
    (segment,) = found["segments"]
    assert (segment["kind"], segment["state"], segment["vectors"]) == ("linear", "built", 12)
    assert "a scan is exact and fast enough" in segment["why"]
    assert (
        answer(capsys, "index", shop, "--rebuild", "--recall", "1")["segments"][0]["why"]
        == "a recall of 1: a linear scan"
    )
    status, out, err = run(capsys, "index", shop)
    assert status == 0, err
    assert "a recall of 1" in out
    assert "12 vectors" in out
    assert "saved on disk; target recall 1" in out
    assert run(capsys, "index", shop, "--recall", "1.5")[0] == 2


def test_migrate(tiny: Model, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop, new = tmp_path / "shop", tiny_model(tmp_path / "new", seed=1, dim=5)
    assert run(capsys, "enroll", shop, "--model", tiny.folder, "--no-keep-pictures", "--from", photos)[0] == 0
    status, out, err = run(capsys, "migrate", shop, "--model", new.folder)
    assert (status, out) == (1, "")
    assert "12 of 12 examples have no picture to embed, those of thing 0" in err
    (photos / "thing 0" / "0.png").rename(tmp_path / "elsewhere.png")
    status, out, err = run(capsys, "migrate", shop, "--model", new.folder, "--pictures", photos)
    assert status == 1
    assert "1 of 12 examples" in err
    arguments = ["migrate", shop, "--model", new.folder]
    found = answer(capsys, *arguments, "--pictures", photos, "--drop-missing")
    assert (found["migrated"], found["examples"], found["originals"]) == (True, 11, 11)
    assert found["dropped"] == ["thing 0/0.png of thing 0"]
    assert answer(capsys, "identify", shop, photos / "thing 2" / "1.png")["identifications"][0]["subject"] == "thing 2"
    status, out, _ = run(capsys, *arguments)
    assert status == 0
    assert "already uses this model: there is nothing to do" in out
    status, out, err = run(capsys, "migrate", shop, "--model", tiny.folder, "--pictures", photos)
    assert status == 0, err
    assert f"now uses the model {tiny.fingerprint[:12]}, before {new.fingerprint[:12]}: 11 examples of 4" in out
    assert "It is not calibrated. Next: semelha calibrate" in out
    assert run(capsys, *arguments, "--pictures", photos, "--strangers", photos)[0] == 2


def test_enroll_succeeds_if_the_index_cannot_be_saved(
    tiny: Model, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(gallery: Gallery, *, rebuild: bool = False) -> None:
        raise IndexFileError("manifest cannot be written: no space left")

    monkeypatch.setattr(Gallery, "flush", full)
    status, out, err = run(capsys, "enroll", tmp_path / "shop", "--model", tiny.folder, "--from", photos)
    assert status == 0
    assert "12 examples added" in out
    assert "note: the index is not saved: manifest cannot be written" in err


def test_output_for_people(tiny: Model, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = tmp_path / "shop"
    assert run(capsys, "enroll", shop, "--model", tiny.folder, "--from", photos)[0] == 0
    for arguments, expected in [
        (["identify", shop, photos / "thing 0" / "0.png"], "thing 0"),
        (
            ["explain", shop, photos / "thing 0" / "0.png", "--out", tmp_path / "e.png"],
            "The second subject is farther by",
        ),
        (["subjects", "list", shop], "4 subjects"),
        (["verify", shop, photos / "thing 0" / "0.png", photos / "thing 1" / "0.png"], "not decided"),
        (["calibrate", shop, "--fpir", "0.5"], "Calibrated for FPIR 0.5"),
    ]:
        status, out, err = run(capsys, *arguments)
        assert status == 0, err
        assert expected in out


def test_embed_writes_vectors(tiny: Model, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = sorted(photos.rglob("*.png"))[:2]
    assert run(capsys, "embed", tiny.folder, *pictures, "--out", tmp_path / "v.npz")[0] == 0
    with np.load(tmp_path / "v.npz", allow_pickle=False) as saved:
        np.testing.assert_allclose(saved["vectors"], tiny.embed(pictures), atol=1e-6)
    assert len(answer(capsys, "embed", tiny.folder, *pictures)["vectors"]) == 2


def test_evaluate_prints_json(tiny: Model, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.html"
    found = answer(capsys, "evaluate", tiny.folder, photos, "--report", report, "--no-baselines")
    names = {"r_at_1", "map_at_r", "fnir_at_fpir", "fpir_target", "fpir_achieved", "fnir_achieved"}
    assert names | {"seconds", "raw_pixels", "untrained"} <= set(found)
    assert found["r_at_1"] == 1
    assert "<html" in report.read_text(encoding="utf-8")


def test_evaluate_prints_intervals_or_insufficient_data(
    tiny: Model, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "evaluate", tiny.folder, photos, "--no-baselines", "--resamples", "100")
    assert status == 0
    assert out.startswith("Of 100 pictures of known things it names ")
    assert re.search(r"^R@1 +1\.000 0\.\d{3}–1\.000", out, re.MULTILINE)
    assert re.search(r"^FPIR achieved .* insufficient data", out, re.MULTILINE)
    assert "Not calibrated: a rate of 0.01 needs" in out
    status, _, err = run(capsys, "evaluate", tiny.folder, photos, "--no-baselines", "--resamples", "5")
    assert (status, "100 or more" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["identify", "nowhere", "a.png"], 1, "is no gallery"),
        (["evaluate", "nowhere", "nothing"], 1, "no model folder"),
        (["train", "nowhere", "--out", "m"], 1, "no folder nowhere"),
        (["enroll", "shop"], 2, "enroll needs NAME PICTURES"),
        (["embed", "model", "a.png"], 2, "--out FILE.npz or --json"),
        (["train", "photos"], 2, "--out"),
        (["identify", "shop", "a.png", "-k", "0"], 2, "-k"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_errors_are_one_sentence(
    arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = run(capsys, *arguments)
    assert found == status
    assert out == ""
    assert said in " ".join(err.split())
    assert "Traceback" not in err


def test_a_full_disk_is_one_sentence(
    tiny: Model, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexpected error of the operating system prints no traceback."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "vectors.npz")

    monkeypatch.setattr(Model, "embed", full)
    status, _, err = run(capsys, "embed", tiny.folder, photos / "thing 0" / "0.png", "--json")
    assert (status, err) == (1, "error: vectors.npz: No space left on device\n")


def test_errors_print_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal, progress bars print nothing, and long lines are not wrapped."""
    name = "a" * 200
    _, _, err = run(capsys, "identify", name, "b.png")
    assert err.startswith(f"error: {name} is no gallery")
    assert err.count("\n") == 1


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"semelha {semelha.__version__}\n", "")


def test_doctor_finds_no_problems(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert answer(capsys, "doctor")["problems"] == []


def test_derive(tiny: Model, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    joined, shop = tmp_path / "joined", tmp_path / "shop"
    words = ["--views", "4", "--mirror", "--weight", "2", "--weight", "1"]
    assert answer(capsys, "derive", tiny.folder, tiny.folder, "--out", joined, *words)["dim"] == 16
    assert run(capsys, "enroll", shop, "--model", joined, "--from", photos)[0] == 0
    found = answer(capsys, "identify", shop, photos / "thing 2" / "1.png")
    assert found["identifications"][0]["subject"] == "thing 2"
    status, out, _ = run(capsys, "derive", joined, "--out", tmp_path / "again", "--views", "2")
    assert (status, "16 numbers" in out) == (0, True)
    assert run(capsys, "derive", tiny.folder, "--out", joined)[0] == 1


def test_evaluate_re_ranks(tiny: Model, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("query-expansion", "k-reciprocal"):
        found = answer(capsys, "evaluate", tiny.folder, photos, "--no-baselines", "--rerank", name)
        assert found["r_at_1"] == 1
        assert any("re-ranked" in note for note in found["notes"])


def test_a_new_gallery_needs_no_model(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets the pretrained one, and says so; an existing gallery keeps its own."""
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path / "cache"))
    tiny_model(published_folder(DEFAULT), published=DEFAULT)
    status, _, err = run(capsys, "enroll", tmp_path / "shop", "--from", photos)
    assert status == 0
    assert f"shop is a new gallery, with the model {DEFAULT}: on ImageNet, dinov2-small is more accurate" in " ".join(
        err.split()
    )
    assert run(capsys, "identify", tmp_path / "shop", photos / "thing 0" / "0.png")[0] == 0
    assert "new gallery" not in run(capsys, "enroll", tmp_path / "shop", "--from", photos)[2]
