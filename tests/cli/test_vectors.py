"""Bulk embedding and enrollment of its vectors, from the shell."""

from pathlib import Path

import pytest
from tests.cli.commands import answer, run

from semelha.embedders import Model
from semelha.gallery import Gallery

pytest.importorskip("pyarrow")


def test_embed_a_folder_and_enroll_its_vectors(
    tiny: Model, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, shop = tmp_path / "vectors.parquet", tmp_path / "shop"
    made = answer(capsys, "embed", tiny.folder, photos, "--out", out)
    assert (made["vectors"], made["reused"], made["skipped"]) == (12, 0, [])
    assert answer(capsys, "embed", tiny.folder, photos.as_uri(), "--out", out)["reused"] == 12
    enrolled = answer(capsys, "enroll", shop, "--vectors", out, "--model", tiny.folder)
    assert enrolled == {"added": 12, "duplicates": 0, "unlabelled": 0, "labels": 4, "subjects": 4}
    status, text, _ = run(capsys, "enroll", shop, "--vectors", out)
    assert (status, text) == (0, f"0 examples added to 4 subjects, 12 were there; 4 subjects in {shop}\n")


def test_bad_files_give_status_1(tiny: Model, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "thing 0" / "9.png").write_bytes(b"no picture")
    status, text, err = run(capsys, "embed", tiny.folder, photos, "--out", tmp_path / "vectors.parquet")
    assert status == 1
    assert text.startswith("12 vectors of 8 numbers")
    assert "left out" in err
    assert "9.png" in (tmp_path / "vectors.skipped.csv").read_text()


def test_wrong_usage(tiny: Model, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "embed", tiny.folder, photos, "--out", tmp_path / "v.npz", "--engine", "ray")
    assert (status, "--out FILE.parquet" in err) == (2, True)
    status, _, err = run(capsys, "embed", tiny.folder, photos, "--out", tmp_path / "v.parquet", "--engine", "spark")
    assert (status, "must be one of local, ray" in err) == (2, True)
    status, _, err = run(capsys, "enroll", tmp_path / "shop", "a", photos, "--vectors", tmp_path / "v.parquet")
    assert (status, "--vectors FILE" in err) == (2, True)


def test_vectors_of_another_model_make_no_gallery(
    tiny: Model, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.tiny_model import tiny_model

    out = tmp_path / "vectors.parquet"
    answer(capsys, "embed", tiny.folder, photos, "--out", out)
    other = tiny_model(tmp_path / "other", seed=1)
    status, _, err = run(capsys, "enroll", tmp_path / "shop", "--vectors", out, "--model", other.folder)
    assert (status, "these vectors are of the model" in err, (tmp_path / "shop").exists()) == (1, True, False)
    Gallery.create(tmp_path / "shop", other).close()
    assert run(capsys, "enroll", tmp_path / "shop", "--vectors", out)[0] == 1
