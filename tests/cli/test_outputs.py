"""Outputs are checked before the work, and written after the figures are printed; what is left out is counted."""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from tests.cli.commands import answer, run

from semelha.cli import evaluation, models, training
from semelha.embedders import Model
from semelha.errors import NotAPicture, SemelhaError
from semelha.gallery import Gallery
from semelha.images import Skipped


@pytest.fixture
def shop(tiny: Model, photos: Path, tmp_path: Path) -> Path:
    with Gallery.create(tmp_path / "shop", tiny, threads=1) as gallery:
        gallery.enroll_dataset(photos)
    return tmp_path / "shop"


@pytest.mark.parametrize("kind", ["a folder", "below a file", "no rights"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    kind: str, tiny: Model, photos: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pytest.importorskip("torch")
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("x")
    place = {"a folder": tmp_path / "taken", "below a file": tmp_path / "file" / "x"}.get(kind, tmp_path / "new" / "x")
    picture = photos / "thing 0" / "0.png"
    if kind == "no rights":  # root may write everywhere

        def denied(**_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(tempfile, "TemporaryFile", denied)

    def no_work(*_: object, **__: object) -> None:
        raise AssertionError("the work began")

    for name in ("check", "cluster", "explain"):
        monkeypatch.setattr(Gallery, name, no_work)
    monkeypatch.setattr(evaluation, "run_evaluation", no_work)
    monkeypatch.setattr(training, "load_dataset", no_work)
    monkeypatch.setattr(models, "derive_model", no_work)
    monkeypatch.setattr(models, "import_model", no_work)
    monkeypatch.setattr(Model, "embed", no_work)
    linear = ["--method", "gmml", "--features", "first-order"]
    for words in (
        ["evaluate", tiny.folder, photos, "--report", place],
        ["check", shop, "--report", place],
        ["cluster", shop, photos, "--report", place],
        ["cluster", shop, photos, "--out", place],
        ["explain", shop, picture, "--out", place],
        ["embed", tiny.folder, picture, "--out", place],
        ["derive", tiny.folder, "--out", place],
        ["import", tiny.folder / "embedder.onnx", "--out", place],
        ["train", photos, "--out", place, *linear],
        ["train", photos, "--out", place],
        ["train", photos, "--out", place, "--method", "none", "--backbone", "resnet18"],
    ):
        status, out, err = run(capsys, *words)
        assert status in (1, 2), words
        assert out == ""
        assert str(place) in err
        assert err.count("\n") == 1, err


def test_training_in_python_checks_its_output_before_it_reads_pictures(photos: Path, tmp_path: Path) -> None:
    import semelha

    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file" / "x", photos):
        with pytest.raises(SemelhaError, match=r"cannot be written|exists already"):
            semelha.train(tmp_path / "no photos", out=out, method="gmml")


def test_figures_are_printed_before_a_late_failure(
    tiny: Model, photos: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    picture = photos / "thing 0" / "0.png"
    for words, figure in (
        (["evaluate", tiny.folder, photos, "--resamples", "0", "--no-baselines", "--report", tmp_path / "r"], "R@1"),
        (["check", shop, "--report", tmp_path / "r"], "4 subjects"),
        (["explain", shop, picture, "--out", tmp_path / "r"], "thing 0"),
        (["cluster", shop, photos, "--report", tmp_path / "r"], "thing 0"),
    ):
        for more in ([], ["--json"]):
            status, out, err = run(capsys, *words, *more)
            assert status == 1
            assert "No space left" in err
            assert json.loads(out) if more else figure in out, words
    assert not (tmp_path / "r").exists()


def test_one_unreadable_file_among_many(
    tiny: Model, photos: Path, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The good ones are done, the bad ones listed by kind and count, and the status is 1."""
    good = sorted(photos.rglob("*.png"))[:3]
    bad = [tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "none.png"]
    for file in bad[:2]:
        file.write_text("no picture")
    some = [good[0], bad[0], good[1], bad[1], bad[2], good[2]]

    status, out, err = run(capsys, "embed", tiny.folder, *some, "--out", tmp_path / "v.npz")
    assert status == 1
    assert "3 vectors" in out
    assert "2 left out" in err
    assert all(str(file) in err for file in bad)
    with np.load(tmp_path / "v.npz") as read:
        assert read["names"].tolist() == [str(file) for file in good]
        assert np.allclose(read["vectors"], tiny.embed(good), atol=1e-6)
    status, out, _ = run(capsys, "embed", tiny.folder, *some, "--json")
    assert status == 1
    assert [one["name"] for one in json.loads(out)["skipped"]] == [str(file) for file in bad]

    status, out, err = run(capsys, "enroll", shop, "new", *some, "--json")
    assert status == 1
    found = json.loads(out)
    assert found["enrolled"][0]["added"] == 3
    assert [one["name"] for one in found["skipped"]] == [str(file) for file in bad]
    assert "2 left out" in err

    for words in (["embed", tiny.folder, *bad, "--out", tmp_path / "w.npz"], ["enroll", shop, "none", *bad]):
        status, out, err = run(capsys, *words)
        assert (status, out) == (1, "")
        assert str(bad[0]) in err
    assert not (tmp_path / "w.npz").exists()
    assert "none" not in {one["name"] for one in answer(capsys, "subjects", "list", shop)["subjects"]}


def test_a_list_collects_what_is_left_out(tiny: Model, photos: Path, shop: Path, tmp_path: Path) -> None:
    good = sorted(photos.rglob("*.png"))[:2]
    (tmp_path / "bad").write_text("x")
    skipped: list[Skipped] = []
    found = tiny.embed(iter([good[0], b"x", tmp_path / "bad", good[1]]), skipped=skipped)
    assert np.allclose(found, tiny.embed(good), atol=1e-6)
    assert [one.name for one in skipped] == ["picture 1", str(tmp_path / "bad")]
    assert tiny.embed(b"x", skipped=skipped).shape == (0, tiny.dim)
    with pytest.raises(NotAPicture):
        tiny.embed([good[0], b"x"])
    with Gallery(shop) as gallery:
        skipped.clear()
        assert gallery.enroll("new", [good[0], b"x", good[1]], skipped=skipped).added == 2
        assert [one.name for one in skipped] == ["picture 1"]
        with pytest.raises(NotAPicture):
            gallery.enroll("none", [b"x"], skipped=skipped)
        with pytest.raises(NotAPicture):
            gallery.enroll("none", [good[0], b"x"])
        assert "none" not in gallery


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o000, 0o027])
def test_permissions_are_those_of_the_umask_and_pictures_are_not_for_others(
    mask: int, tiny: Model, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gallery, a report and exported pictures: owner and group; a model and vectors: as the umask says."""
    picture = photos / "thing 0" / "0.png"
    before = os.umask(mask)
    try:
        for words in (
            ["enroll", tmp_path / "shop", "--model", tiny.folder, "--from", photos],
            ["check", tmp_path / "shop", "--report", tmp_path / "check.html"],
            ["cluster", tmp_path / "shop", photos, "--out", tmp_path / "out"],
            ["explain", tmp_path / "shop", picture, "--out", tmp_path / "sheet.png"],
            ["embed", tiny.folder, picture, "--out", tmp_path / "v.npz"],
            ["backup", tmp_path / "shop", tmp_path / "backup"],
            ["derive", tiny.folder, "--out", tmp_path / "derived"],
            ["import", tiny.folder / "embedder.onnx", "--out", tmp_path / "imported"],
        ):
            assert run(capsys, *words)[0] == 0
    finally:
        os.umask(before)

    def mode(name: str) -> int:
        return stat.S_IMODE((tmp_path / name).stat().st_mode)

    assert mode("shop") == mode("out") == mode("backup") == 0o770 & ~mask
    assert mode("check.html") == mode("sheet.png") == 0o660 & ~mask
    assert mode("v.npz") == mode("derived/model.json") == mode("imported/embedder.onnx") == 0o666 & ~mask
    assert mode("derived") == mode("imported") == 0o777 & ~mask


INTERRUPTED = """
import sys, time
from semelha import cli
print("ready", flush=True)
cli.main()
"""


@pytest.mark.parametrize("delay", [0.02, 0.3, 0.8, 1.5])
def test_an_interrupt_leaves_no_traceback(delay: float, shop: Path, photos: Path) -> None:
    """At any moment, also while modules are imported: status 130, and nothing half-written."""
    files = sorted(photos.rglob("*.png"))
    words = [sys.executable, "-c", INTERRUPTED, "enroll", shop, "new", *files * 30]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert process.returncode in (0, 130), err  # 0: it was done before
    with Gallery(shop) as gallery:
        assert len(gallery) in (4, 5)
    assert not [path for path in shop.rglob(".*") if path.suffix == ".partial"]
