"""Commands and the pictures they read: layouts, splits, folders and patterns, and what they say of it."""

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.commands import answer, run
from tests.tiny_model import noise

from semelha.embedders import Model


def notes(err: str) -> list[str]:
    return [line.removeprefix("note: ") for line in err.splitlines() if line.startswith("note: ")]


def save(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(number)).save(root / name)


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """Folders of splits: six classes with four pictures to train, two of them for validation and two for tests."""
    folder = tmp_path / "split"
    labels = {"train": "abcdef", "valid": "ab", "Test": "ab"}
    save(folder, *(f"{one}/{label}/{one}{n}.png" for one in labels for label in labels[one] for n in range(4)))
    return folder


def test_training_takes_train_and_validates_with_val(
    split: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    arguments = ("train", split, "--out", out, "--method", "gmml", "--features", "histogram")
    found = answer(capsys, *arguments)
    assert found["pictures"] == 32
    assert found["reading"]["splits"] == {"train": 24, "val": 8}
    assert "r_at_1_on_held_out_classes" in found
    kinds = [remark["kind"] for remark in found["reading"]["remarks"]]
    assert kinds == ["used", "assumed", "left out"]


def test_enrolling_takes_train_and_split_names_another(
    split: Path, tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("enroll", tmp_path / "shop", "--model", tiny.folder, "--from", split)
    status, _, err = run(capsys, *arguments)
    assert status == 0
    assert notes(err)[0] == "used: 24 pictures of the split train"
    assert notes(err)[-1] == "left out: 8 pictures of the split test, 8 pictures of the split val"
    found = answer(capsys, *arguments, "--split", "test")
    assert (len(found["enrolled"]), found["reading"]["pictures"]) == (2, 8)


def test_an_evaluation_takes_train_and_test_if_they_share_classes(
    split: Path, tiny: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, "evaluate", tiny.folder, split, "--resamples", "0", "--no-baselines")
    assert found["reading"]["splits"] == {"train": 24, "test": 8}
    found = answer(capsys, "evaluate", tiny.folder, split, "--resamples", "0", "--no-baselines", "--split", "all")
    assert (found["reading"]["splits"], found["reading"]["pictures"]) == ({}, 40)


def test_a_layout_that_is_not_clear_can_be_said(
    tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, "photos/train/1.png", "photos/test/2.png")
    arguments = ("enroll", tmp_path / "shop", "--model", tiny.folder, "--from", tmp_path / "photos")
    status, _, err = run(capsys, *arguments)
    assert status == 1
    assert "--layout class-folders" in " ".join(err.split())
    assert len(answer(capsys, *arguments, "--layout", "class-folders")["enrolled"]) == 2


def test_a_kind_of_junk_is_one_line_and_all_of_it_in_json(
    tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, "photos/cat/1.png", "photos/dog/2.png")
    for number in range(500):
        (tmp_path / "photos" / "cat" / f"{number:03}.xmp").write_text("no picture")
    arguments = ("enroll", tmp_path / "shop", "--model", tiny.folder, "--from", tmp_path / "photos")
    _, _, err = run(capsys, *arguments)
    assert len(notes(err)) == 1
    found = answer(capsys, *arguments)
    assert len(found["reading"]["skipped"]) == 500


def test_a_folder_or_a_quoted_pattern_is_all_its_pictures(
    tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, "photos/1.png", "photos/2.png", "photos/sub/3.jpg")
    photos = tmp_path / "photos"
    assert len(answer(capsys, "embed", tiny.folder, photos)["names"]) == 3
    assert answer(capsys, "embed", tiny.folder, f"{photos}/*.png")["names"] == [f"{photos}/{n}.png" for n in (1, 2)]
    status, _, err = run(capsys, "embed", tiny.folder, f"{photos}/*.tif", "--json")
    assert status == 2
    assert "no file matches the pattern" in err
    enroll = ("enroll", tmp_path / "shop", "--model", tiny.folder, "apple")
    status, _, err = run(capsys, *enroll, photos)
    assert status == 2
    assert "--from" in err
    (photos / "sub" / "3.jpg").unlink()
    assert answer(capsys, *enroll, photos)["enrolled"][0]["added"] == 2
    assert len(answer(capsys, "identify", tmp_path / "shop", photos)["identifications"]) == 2


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(
    tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, "a[1].png", "a1.png")
    assert answer(capsys, "embed", tiny.folder, tmp_path / "a[1].png")["names"] == [str(tmp_path / "a[1].png")]


def test_names_that_cannot_be_enrolled_are_all_listed_before_anything_is(
    tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, "1.png", "2.png", "3.png")
    lines = ["path,label", "1.png,apple", f"2.png,{'x' * 201}", "3.png,unknown"]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    arguments = ("enroll", tmp_path / "shop", "--model", tiny.folder, "--from", tmp_path / "list.csv")
    status, _, err = run(capsys, *arguments)
    said = " ".join(err.split())
    assert status == 1
    assert "2 classes cannot be enrolled, and nothing was" in said
    assert "has 201 characters" in said
    assert "'unknown'" in said
    assert answer(capsys, "subjects", "list", tmp_path / "shop") == {"subjects": []}


def test_pictures_to_cluster_and_to_migrate_may_be_of_any_layout(
    tiny: Model, split: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(capsys, "enroll", tmp_path / "shop", "--model", tiny.folder, "--from", split)
    found = answer(capsys, "cluster", tmp_path / "shop", split, "--layout", "split-folders", "--split", "test")
    assert found["reading"]["splits"] == {"test": 8}
    assert json.dumps(found["reading"])


def test_bursts_are_told_and_groups_may_be_none_or_a_column(
    tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{label}/{word}_{number}.png" for label in "abcd" for word in "xy" for number in (1, 2)]
    save(tmp_path, *names)
    rows = (f"{name},{name[0]},{name[2]},{name[4]}" for name in names)
    (tmp_path / "list.csv").write_text("\n".join(["path,label,shelf,photographer", *rows]))
    arguments = ("evaluate", tiny.folder, tmp_path / "list.csv", "--no-baselines", "--resamples", "0")
    said = "16 pictures are 8 bursts by file names: no two of one burst are compared"
    status, out, _ = run(capsys, *arguments, "--report", tmp_path / "report.html")
    assert status == 0
    assert f"used: {said}" in out
    assert said in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"used: {said}" in answer(capsys, *arguments)["notes"]
    assert not any("burst" in note for note in answer(capsys, *arguments, "--groups", "none")["notes"])
    found = answer(capsys, *arguments, "--groups", "Photographer")
    assert "used: 16 pictures are 2 groups of the data set: no two of one group are compared" in found["notes"]
    assert "group is the column photographer" in str(found["reading"]["remarks"])
    status, _, err = run(capsys, *arguments, "--groups", "visit")
    assert status == 1
    assert "list.csv has no column visit for groups: it has path, label, shelf, photographer" in " ".join(err.split())
    status, _, err = run(capsys, *arguments[:2], tmp_path, "--groups", "visit")
    assert status == 1
    assert "is no manifest: groups (visit) names a column of one" in " ".join(err.split())
