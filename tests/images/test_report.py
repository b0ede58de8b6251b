"""What is used, assumed, ignored and left out is counted by kind; nothing vanishes without a word."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semelha.errors import DatasetError
from semelha.images import Dataset, content_hashes, found_by_decoding, read_dataset, read_folder, readable


def save(root: Path, *names: str, seed: int | None = None) -> None:
    """Save pictures of different content, or of one content by its seed."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(list(name.encode()) if seed is None else seed).integers(0, 256, (20, 30, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(root / name, "png")


def names(dataset: Dataset) -> list[str]:
    return [picture.name for picture in dataset]


def remarks(dataset: Dataset, kind: str) -> dict[str, list[str]]:
    return {remark.text: list(remark.items) for remark in dataset.remarks if remark.kind == kind}


# --- junk, hidden files, and files that are no pictures ---

JUNK = (
    *("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "__MACOSX", "@Recycle", "System Volume Information"),
    *("thumbnails", "Previews", "found.000", "Lightroom Catalog Previews.lrdata", "CaptureOne", "Trash-1000"),
)


def test_folders_of_desktop_and_nas_software_are_ignored_by_name_and_counted(tmp_path: Path) -> None:
    save(tmp_path, "cat/1.png", *(f"cat/{name}/2.png" for name in JUNK), "@eaDir/cat/3.png", "__MACOSX/cat/4.png")
    found = read_dataset(tmp_path)
    assert names(found) == ["cat/1.png"]
    ((text, items),) = remarks(found, "ignored").items()
    assert text == f"folders that desktop or NAS software leaves (thumbnails, trash): {len(JUNK) + 2}"
    assert set(items) == {*(f"cat/{name}" for name in JUNK), "@eaDir", "__MACOSX"}


def test_a_class_may_be_called_thumbnails(tmp_path: Path) -> None:
    save(tmp_path, "thumbnails/1.png", "cat/2.png")
    assert read_dataset(tmp_path).classes == ("cat", "thumbnails")


def test_files_of_desktop_software_and_hidden_ones_are_ignored_and_counted(tmp_path: Path) -> None:
    save(tmp_path, "cat/1.png", "cat/.thumbnails/1.png", "cat/._1.png", ".cache/cat/1.png")
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "ehthumbs.db"):
        (tmp_path / "cat" / name).write_text("x")
    found = read_dataset(tmp_path)
    assert (names(found), found.skipped) == (["cat/1.png"], ())
    assert {text: len(items) for text, items in remarks(found, "ignored").items()} == {
        "hidden files and folders: 4": 4,
        "files of desktop software: 3": 3,
    }


def test_five_hundred_junk_files_are_one_line_and_all_of_them_in_the_report(tmp_path: Path) -> None:
    save(tmp_path, "cat/1.png", "dog/2.png")
    for number in range(500):
        (tmp_path / "cat" / f"{number:03}.{'xmp' if number % 5 else 'txt'}").write_text("no picture")
    found = read_dataset(tmp_path)
    ((text, items),) = remarks(found, "left out").items()
    assert text == "files that are no pictures (400 .xmp, 100 .txt): 500"
    assert len(items) == len(found.skipped) == 500
    (line,) = map(str, found.remarks)
    assert line == f"left out: {text} (cat/000.txt, cat/001.xmp, cat/002.xmp, …)"
    report = json.loads(json.dumps(found.report()))
    assert len(report["skipped"]) == len(report["remarks"][0]["items"]) == 500
    assert (report["pictures"], report["classes"]) == (2, 2)


@pytest.mark.parametrize("labelled", [True, False])
def test_every_file_is_tried_whatever_its_suffix(tmp_path: Path, labelled: bool) -> None:
    where = "cat/" if labelled else ""
    save(tmp_path, *(f"{where}{name}" for name in ("a.jfif", "b.MPO", "c", "d.jpg_large", "e.txt")))
    (tmp_path / where / "readme.md").write_text("no picture")
    found = read_dataset(tmp_path, labelled=labelled)
    assert len(found) == 5
    assert sum(remark.count for remark in found.remarks) == 1, "readme.md"


def test_a_format_that_is_not_read_says_what_to_do(tmp_path: Path) -> None:
    save(tmp_path, "cat/1.png")
    (tmp_path / "cat" / "2.jxl").write_bytes(b"\xff\x0a" + bytes(100))
    ((text, items),) = remarks(read_dataset(tmp_path), "left out").items()
    assert text == "files of which each is a JPEG XL picture, which is not read: convert it to PNG or JPEG: 1"
    assert items == ["cat/2.jxl"]


# --- links ---


def test_a_link_to_a_folder_elsewhere_is_followed(tmp_path: Path) -> None:
    save(tmp_path, "elsewhere/2.png", "photos/cat/1.png", "dog/3.png")
    (tmp_path / "photos" / "cat" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "dog").symlink_to(tmp_path / "dog")
    found = read_dataset(tmp_path / "photos")
    assert [(p.label, p.name) for p in found] == [("cat", "cat/1.png"), ("cat", "cat/more/2.png"), ("dog", "dog/3.png")]
    assert found.remarks == ()


def test_links_that_make_loops_or_double_pictures_are_listed(tmp_path: Path) -> None:
    save(tmp_path, "photos/cat/1.png", "photos/dog/2.png", "elsewhere/3.png")
    photos = tmp_path / "photos"
    (photos / "cat" / "loop").symlink_to(photos)
    (photos / "cat" / "above").symlink_to(tmp_path)
    (photos / "cat" / "own").symlink_to(photos / "cat")
    (photos / "hound").symlink_to(photos / "dog")
    (photos / "cat" / "x").symlink_to(tmp_path / "elsewhere")
    (photos / "dog" / "y").symlink_to(tmp_path / "elsewhere")
    found = read_dataset(photos)
    assert names(found) == ["cat/1.png", "cat/x/3.png", "dog/2.png"]
    reasons = {one.name: one.reason for one in found.skipped}
    assert set(reasons) == {"cat/loop", "cat/above", "cat/own", "hound", "dog/y"}
    assert "loop" in reasons["cat/loop"]
    assert "another link" in reasons["dog/y"]
    assert sum(remark.count for remark in found.remarks) == 5


def test_links_that_lead_nowhere_are_listed(tmp_path: Path) -> None:
    save(tmp_path, "cat/1.png")
    (tmp_path / "cat" / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "cat" / "self.png").symlink_to("self.png")
    found = read_dataset(tmp_path)
    assert [one.name for one in found.skipped] == ["cat/gone.png", "cat/self.png"]
    assert list(remarks(found, "left out")) == ["links that lead nowhere: 2"]


# --- one picture in two classes ---


def test_a_file_in_two_classes_is_said_with_both_places(tmp_path: Path) -> None:
    save(tmp_path, "1.png", "cat/2.png")
    (tmp_path / "list.csv").write_text("path,label\n1.png,cat\n./1.png,dog\ncat/2.png,cat\n1.png,cat\n")
    assert remarks(read_dataset(tmp_path / "list.csv"), "check") == {
        "files that stand in two classes: 1": ["1.png (cat) and ./1.png (dog)"]
    }


def test_the_same_content_in_two_classes_is_said_with_both_places(tmp_path: Path) -> None:
    save(tmp_path, "cat/1.png", "cat/1 copy.png", "dog/2.png", seed=1)
    save(tmp_path, "dog/3.png", "cow/4.png")
    assert remarks(read_dataset(tmp_path), "check") == {
        "files with the same content in two classes: 1": ["cat/1 copy.png (cat) and dog/2.png (dog)"]
    }


def test_one_photo_with_boxes_of_two_classes_is_no_mistake(tmp_path: Path) -> None:
    save(tmp_path, "1.png")
    (tmp_path / "list.csv").write_text("path,label,box\n1.png,cat,0 0 9 9\n1.png,dog,9 0 20 9\n")
    assert read_dataset(tmp_path / "list.csv").warnings == ()


def test_decoding_shows_what_headers_do_not(tmp_path: Path) -> None:
    """Pictures that are damaged behind the header, and the same pixels in files that differ."""
    save(tmp_path, "cat/1.png", seed=1)
    save(tmp_path, "cat/2.png", "dog/3.png")
    Image.open(tmp_path / "cat" / "1.png").save(tmp_path / "dog" / "4.bmp")
    data = bytearray((tmp_path / "cat" / "2.png").read_bytes())
    (tmp_path / "cat" / "2.png").write_bytes(data[: len(data) // 2])
    before = read_dataset(tmp_path)
    assert before.warnings == ()
    after = readable(before)
    hashes = [content_hashes(picture, ("pixels",))[0] for picture in after]
    lost, shared = found_by_decoding(before, after, hashes)
    assert lost.startswith("left out: pictures that cannot be decoded: 1, such as cat/2.png: ")
    assert shared == "pictures of the same content in two classes: 1 (cat/1.png (cat) and dog/4.bmp (dog))"
    assert list(found_by_decoding(after, after, [str(number) for number in range(len(after))])) == []


# --- names ---


def test_class_folders_that_differ_by_spaces_or_normal_form_are_one_class_and_said(tmp_path: Path) -> None:
    save(tmp_path, "ma\u00e7a/1.png", "mac\u0327a/2.png", "ma\u00e7a /3.png", "pear/4.png")
    found = read_dataset(tmp_path)
    assert found.counts() == {"ma\u00e7a": 3, "pear": 1}
    (warning,) = found.warnings
    assert warning.startswith("names that differ only by spaces or encoding are one class, ma\u00e7a: ")
    assert r"'mac\u0327a'" in warning


def test_names_that_differ_in_bytes_that_are_no_text_stay_two_classes(tmp_path: Path) -> None:
    try:
        for byte in (b"\xe9", b"\xe8"):
            os.mkdir(os.fsencode(tmp_path) + b"/caf" + byte)
            save(tmp_path, os.fsdecode(b"caf" + byte + b"/1.png"), seed=byte[0])
    except OSError:
        pytest.skip("this file system has only names in UTF-8")
    found = read_folder(tmp_path)
    assert found.classes == (r"caf\xe8", r"caf\xe9")
    assert found.warnings == ()
    assert all(picture.pixels().shape == (20, 30, 3) for picture in found)


@pytest.mark.parametrize("name", ["unknown", "Unknown", "nan"])
def test_a_class_called_unknown_is_said(tmp_path: Path, name: str) -> None:
    save(tmp_path, f"{name}/1.png", "cat/2.png")
    (warning,) = read_dataset(tmp_path).warnings
    assert warning.startswith(f"a class is called {name}")


def test_pictures_and_a_manifest_in_one_folder_say_to_pass_the_manifest(tmp_path: Path) -> None:
    save(tmp_path, "1.png")
    (tmp_path / "labels.csv").write_text("path,label\n1.png,cat\n")
    with pytest.raises(DatasetError, match=r"or pass the manifest labels\.csv"):
        read_dataset(tmp_path)
