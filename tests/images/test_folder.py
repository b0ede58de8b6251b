"""Folders and manifests: what is read, what is left out and why, and one sentence where nothing can be read."""

import hashlib
import os
from pathlib import Path

import pytest
from PIL import Image

from semelha.errors import DatasetError
from semelha.images import Limits, read_dataset, read_folder, read_manifest


def save(root: Path, *names: str, mode: str = "RGB", size: tuple[int, int] = (8, 6)) -> None:
    """Save pictures of different content."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        color = tuple(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:3])
        Image.new(mode, size, color if mode == "RGB" else 0).save(root / name)


def manifest(root: Path, *lines: str) -> Path:
    (root / "list.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root / "list.csv"


def reasons(dataset: object) -> dict[str, str]:
    return {skipped.name: skipped.reason for skipped in dataset.skipped}


# --- folders ---


def test_a_folder_in_the_order_of_names(tmp_path: Path) -> None:
    save(tmp_path, "b/2.png", "b/1.jpg", "a/deep/er/4.webp", "a/3.gif")
    dataset = read_folder(tmp_path)
    assert [p.name for p in dataset] == ["a/3.gif", "a/deep/er/4.webp", "b/1.jpg", "b/2.png"]
    assert dataset.labels.tolist() == ["a", "a", "b", "b"]
    assert dataset.name == tmp_path.name
    assert (dataset.skipped, dataset.warnings) == ((), ())
    assert read_dataset(tmp_path).labels.tolist() == dataset.labels.tolist()


def test_mixed_sizes_and_modes_are_all_read(tmp_path: Path) -> None:
    modes = ["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "CMYK", "F"]
    for number, mode in enumerate(modes):
        save(tmp_path, f"a/{number}.tif", mode=mode, size=(3 + 50 * number, 40))
    dataset = read_folder(tmp_path)
    assert [p.pixels().shape for p in dataset] == [(40, 3 + 50 * n, 3) for n in range(len(modes))]


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no folder"):
        read_folder(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="is not a folder"):
        read_folder(tmp_path / "file")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no pictures in class folders: put the pictures of each class"):
        read_folder(tmp_path)


def test_empty_class_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(DatasetError, match="no pictures in class folders"):
        read_folder(tmp_path)
    save(tmp_path, "b/1.png")
    assert read_folder(tmp_path).warnings == ("classes without a picture that can be used: 1 (a)",)


def test_pictures_without_class_folders(tmp_path: Path) -> None:
    save(tmp_path, "1.png", "2.png")
    with pytest.raises(DatasetError, match="pictures but no class folders"):
        read_folder(tmp_path)


def test_pictures_beside_class_folders_are_listed(tmp_path: Path) -> None:
    save(tmp_path, "1.png", "a/2.png")
    (tmp_path / "images.csv").write_text("path,label\n")
    (tmp_path / "readme.txt").write_text("about these pictures")
    dataset = read_folder(tmp_path)
    assert [p.name for p in dataset] == ["a/2.png"]
    assert list(reasons(dataset)) == ["1.png"]


def test_a_folder_of_text_files(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "notes.txt").write_text("no picture")
    with pytest.raises(DatasetError, match=r"none of the 2 files .*notes\.txt is no picture"):
        read_folder(tmp_path)


def test_bad_files_are_listed_with_the_reason_and_never_dropped_silently(tmp_path: Path) -> None:
    save(tmp_path, "a/good.png", "a/large.png", "b/good.png", size=(8, 6))
    save(tmp_path, "a/large.png", size=(50, 50))
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    (tmp_path / "a" / "empty.jpg").touch()
    (tmp_path / "a" / "short.png").write_bytes((tmp_path / "a" / "good.png").read_bytes()[:20])
    (tmp_path / "a" / "gone.png").symlink_to("nowhere.png")
    dataset = read_folder(tmp_path, limits=Limits(max_pixels=2000))
    assert [p.name for p in dataset] == ["a/good.png", "b/good.png"]
    found = reasons(dataset)
    assert list(found) == ["a/empty.jpg", "a/gone.png", "a/large.png", "a/notes.txt", "a/short.png"]
    assert "is empty" in found["a/empty.jpg"]
    assert "No such file" in found["a/gone.png"]
    assert "max_pixels is 2,000" in found["a/large.png"]
    assert "no picture" in found["a/notes.txt"]


def test_without_the_check_no_file_is_opened(tmp_path: Path) -> None:
    save(tmp_path, "a/1.png")
    (tmp_path / "a" / "2.png").touch()
    assert len(read_folder(tmp_path, check=False)) == 2


def test_a_folder_that_cannot_be_read_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, "a/1.png", "b/2.png")
    listed = os.scandir

    def forbidden(path: str) -> object:
        if os.fspath(path).endswith("b"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    dataset = read_folder(tmp_path)
    assert [p.name for p in dataset] == ["a/1.png"]
    assert reasons(dataset) == {"b": "the folder cannot be read: Permission denied"}


def test_hidden_files_are_left_alone(tmp_path: Path) -> None:
    save(tmp_path, "a/1.png", "a/.thumbs/1.png", ".cache/1.png")
    (tmp_path / "a" / ".DS_Store").touch()
    dataset = read_folder(tmp_path)
    assert [p.name for p in dataset] == ["a/1.png"]
    assert dataset.skipped == ()


def test_one_class_and_a_class_with_one_picture_are_read(tmp_path: Path) -> None:
    """Whether they are enough is for training, enrolling or calibrating to say."""
    save(tmp_path, "only/1.png")
    assert read_folder(tmp_path).counts() == {"only": 1}


def test_names_in_any_script(tmp_path: Path) -> None:
    names = ["maçã/verde.png", "木/葉.png", "яблоко/1.png", "תפוח/a b.png", "🍏/🍏.png"]
    save(tmp_path, *names)
    dataset = read_folder(tmp_path)
    assert sorted(p.name for p in dataset) == sorted(names)
    assert all(p.pixels().shape == (6, 8, 3) for p in dataset)


def test_names_that_are_no_utf_8_can_be_stored(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/ma\xe7\xe3"
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("this file system has only names in UTF-8")
    Image.new("RGB", (8, 6)).save(os.fsdecode(folder + b"/1.png"))
    (picture,) = read_folder(tmp_path)
    assert picture.label == r"ma\xe7\xe3"
    assert picture.name == r"ma\xe7\xe3/1.png"
    assert picture.pixels().shape == (6, 8, 3)


@pytest.mark.parametrize(("one", "other"), [("apple", "Apple"), ("ma\u00e7a", "Ma\u00e7a")])
def test_labels_that_look_alike_are_two_classes_and_a_warning(tmp_path: Path, one: str, other: str) -> None:
    save(tmp_path, f"{one}/1.png", f"{other}/1.png", "pear/1.png")
    dataset = read_folder(tmp_path)
    if len(dataset) < 3:
        pytest.skip("this file system takes the two names for one")
    assert set(dataset.classes) == {one, other, "pear"}
    (warning,) = dataset.warnings
    assert "kept apart" in warning
    assert one in warning
    assert other in warning


def test_ten_thousand_classes(tmp_path: Path) -> None:
    for number in range(10_000):
        os.mkdir(tmp_path / f"{number:05}")
        Image.new("RGB", (1, 1), number).save(tmp_path / f"{number:05}" / "1.bmp")
    dataset = read_folder(tmp_path)
    assert len(dataset.classes) == len(dataset) == 10_000
    assert dataset.warnings == ()


# --- manifests ---


def test_a_manifest_with_every_column(tmp_path: Path) -> None:
    save(tmp_path, "x/1.png", "x/2.png")
    file = manifest(
        tmp_path, "path,label,split,group,box,note", "x/1.png,pear,train,shelf 1,1 2 5 6,ripe", "x/2.png,fig,,,,"
    )
    first, second = read_manifest(file)
    assert (first.label, first.name, first.split, first.group) == ("pear", "x/1.png", "train", "shelf 1")
    assert first.box == (1, 2, 5, 6)
    assert first.pixels().shape == (4, 4, 3)
    assert (second.split, second.group, second.box) == (None, None, None)
    assert read_dataset(file).name == "list"


def test_class_is_another_word_for_label_and_a_byte_order_mark_is_no_part_of_it(tmp_path: Path) -> None:
    save(tmp_path, "1.png")
    (tmp_path / "list.csv").write_text('\ufeffpath,class\n1.png,"pear, green"\n', encoding="utf-8")
    assert read_manifest(tmp_path / "list.csv").classes == ("pear, green",)


def test_paths_are_relative_to_the_manifest_or_to_a_root(tmp_path: Path) -> None:
    save(tmp_path, "pictures/1.png")
    (tmp_path / "lists").mkdir()
    file = manifest(tmp_path / "lists", "path,label", "1.png,a", f"{tmp_path}/pictures/1.png,b")
    assert len(read_manifest(file, root=tmp_path / "pictures")) == 2
    assert read_manifest(file).classes == ("b",)


def test_missing_and_damaged_files_of_a_manifest_are_listed(tmp_path: Path) -> None:
    save(tmp_path, "1.png")
    (tmp_path / "2.png").touch()
    dataset = read_manifest(manifest(tmp_path, "path,label", "1.png,a", "2.png,b", "3.png,b"))
    assert list(reasons(dataset)) == ["2.png", "3.png"]
    assert dataset.warnings == ("classes without a picture that can be used: 1 (b)",)
    with pytest.raises(DatasetError, match="none of the 1 files of list"):
        read_manifest(manifest(tmp_path, "path,label", "3.png,b"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([""], r"\(none\): its first line must name 'path' and 'label'"),
        (["path label", "1.png a"], "columns path label: its first line must name"),
        (["where,label", "1.png,a"], "columns where, label"),
        (["path,label"], "names no picture"),
        (["path,label", "1.png,a", ",b"], "line 3 of .* has no path"),
        (["path,class", "1.png,"], "line 2 of .* has no class"),
        (["path,label", "1.png"], "line 2 of .* has no label"),
        (["path,label,box", "1.png,a,1 2 3"], "line 2 of .* the box '1 2 3'"),
        (["path,label,box", "1.png,a,1 2 3 x"], "left top right bottom"),
    ],
)
def test_a_manifest_that_cannot_be_understood(tmp_path: Path, lines: list[str], message: str) -> None:
    save(tmp_path, "1.png")
    with pytest.raises(DatasetError, match=message):
        read_manifest(manifest(tmp_path, *lines))


def test_a_manifest_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No such file"):
        read_manifest(tmp_path / "nothing.csv")
    (tmp_path / "other.csv").write_bytes(b"path,label\n1.png,ma\x81\x8d\n")
    with pytest.raises(DatasetError, match="no CSV file in UTF-8, UTF-16 or code page 1252"):
        read_manifest(tmp_path / "other.csv")


# --- without labels ---


def test_without_labels_pictures_may_lie_anywhere(tmp_path: Path) -> None:
    """Folders still tell what they tell; a file that is no picture is left alone beside them, and listed inside."""
    save(tmp_path, "2.png", "1.jpg", "a/3.png")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "4.png").write_bytes(b"no picture")
    dataset = read_folder(tmp_path, labelled=False)
    assert [(p.name, p.label) for p in dataset] == [("1.jpg", ""), ("2.png", ""), ("a/3.png", "a")]
    assert list(reasons(dataset)) == ["4.png"]
    assert read_dataset(tmp_path, labelled=False).labels.tolist() == ["", "", "a"]


def test_without_labels_a_folder_needs_a_picture(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"contains no pictures$"):
        read_folder(tmp_path, labelled=False)


def test_a_manifest_without_labels(tmp_path: Path) -> None:
    save(tmp_path, "1.png", "2.png")
    file = manifest(tmp_path, "path,group", "1.png,x", "2.png,")
    assert [(p.label, p.group) for p in read_manifest(file, labelled=False)] == [("", "x"), ("", None)]
    file = manifest(tmp_path, "path,label", "1.png,", "2.png,b")
    assert [p.label for p in read_dataset(file, labelled=False)] == ["", "b"]
    with pytest.raises(DatasetError, match=r"line 2 of .* has no label"):
        read_manifest(file)
    with pytest.raises(DatasetError, match=r"first line must name 'path'$"):
        read_manifest(manifest(tmp_path, "where,label", "1.png,a"), labelled=False)
