"""Manifests as spreadsheets and other programs write them: what is understood, assumed, ignored or refused."""

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from PIL import Image

from semelha.errors import DatasetError, MissingExtra
from semelha.images import Dataset, read_dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the pictures 1.png, 2.png and sub/3.png of 30 × 20 pixels."""
    (tmp_path / "sub").mkdir()
    for number, name in enumerate(("1.png", "2.png", "sub/3.png")):
        Image.new("RGB", (30, 20), (number, 0, 0)).save(tmp_path / name)
    return tmp_path


def read(folder: Path, text: str, *, encoding: str = "utf-8", name: str = "list.csv") -> Dataset:
    (folder / name).write_bytes(text.encode(encoding))
    return read_dataset(folder / name)


def remarks(dataset: Dataset, kind: str) -> list[str]:
    return [str(remark) for remark in dataset.remarks if remark.kind == kind]


PLAIN = "path,label\n1.png,maçã\n2.png,figo\n"


@pytest.mark.parametrize(
    ("text", "encoding", "said"),
    [
        (PLAIN, "utf-8", []),
        (PLAIN, "utf-8-sig", []),
        (PLAIN, "utf-16", ["the encoding of list.csv is UTF-16"]),
        (PLAIN, "utf-16-le", ["the encoding of list.csv is UTF-16-LE"]),
        (PLAIN, "cp1252", ["the encoding of list.csv is CP1252"]),
        (PLAIN.replace(",", ";"), "utf-8", ["cells are separated by semicolons"]),
        (PLAIN.replace(",", "\t"), "utf-16", ["UTF-16", "cells are separated by tabs"]),
        ("sep=;\r\n" + PLAIN.replace(",", ";"), "utf-8", ["separated by semicolons, as the first line says"]),
        ("sep=,\n" + PLAIN, "utf-8", ["separated by commas, as the first line says"]),
        (PLAIN.replace("path,label", " Path , Label "), "utf-8", []),
        (PLAIN.replace("path,label", "File Name,Species"), "utf-8", ["path is the column File Name; label is the"]),
        (PLAIN.replace("\n", "\r\n"), "utf-8", []),
        (PLAIN.replace("\n", "\r"), "utf-8", []),
        (PLAIN + ",\n\n", "utf-8", []),
        (PLAIN.replace("1.png,maçã", "1.png,maçã,,"), "utf-8", []),
    ],
)
def test_tables_of_spreadsheets_are_read_and_what_is_assumed_is_said(
    folder: Path, text: str, encoding: str, said: list[str]
) -> None:
    found = read(folder, text, encoding=encoding)
    assert found.labels.tolist() == ["maçã", "figo"]
    assumed = remarks(found, "assumed")
    assert len(assumed) == len(said)
    assert all(part in line for part, line in zip(said, assumed, strict=True))


def test_empty_rows_are_counted(folder: Path) -> None:
    assert remarks(read(folder, PLAIN + ",\n , \n"), "ignored") == ["ignored: empty rows of list.csv: 2"]


def test_backslashes_separate_folders_where_no_file_is_called_so(folder: Path) -> None:
    found = read(folder, "path,label\nsub\\3.png,a\n")
    assert len(found) == 1
    assert remarks(found, "assumed") == [r"assumed: paths in which backslashes separate folders: 1 (sub\3.png)"]


def test_json_lines(folder: Path) -> None:
    text = '{"file_name": "1.png", "label": "a", "bbox": [1, 2, 3, 4]}\n\n{"file_name": "2.png", "label": 7}\n'
    found = read(folder, text, name="list.jsonl")
    assert [(p.label, p.box) for p in found] == [("a", (1, 2, 4, 6)), ("7", None)]
    with pytest.raises(DatasetError, match=r"line 2 of .* is damaged"):
        read(folder, '{"file_name": "1.png"}\n[1]\n', name="list.jsonl")


def test_an_excel_workbook_without_openpyxl_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtra, match=r"save it as CSV \(UTF-8\), or install openpyxl"):
        read(folder, "PK", name="list.xlsx")
    with pytest.raises(DatasetError, match=r"save it as CSV \(UTF-8\)"):
        read(folder, "x", name="list.ods")


def test_an_excel_workbook_is_read_with_openpyxl(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [(None, None), ("Path", "Label"), ("1.png", 7.0), (None, None), ("2.png", "b")]
    module = ModuleType("openpyxl")
    module.load_workbook = lambda *_, **__: SimpleNamespace(  # type: ignore[attr-defined]
        worksheets=[SimpleNamespace(values=iter(cells))]
    )
    monkeypatch.setitem(sys.modules, "openpyxl", module)
    assert read(folder, "PK", name="list.xlsx").labels.tolist() == ["7", "b"]


def test_a_column_of_groups_by_its_name(folder: Path) -> None:
    (folder / "list.csv").write_text("path,label,group,My Visit\n1.png,a,x,1\n2.png,a,y,\n")
    assert [p.group for p in read_dataset(folder / "list.csv")] == ["x", "y"]
    found = read_dataset(folder / "list.csv", groups="my visit")
    assert [p.group for p in found] == ["1", None]
    assert remarks(found, "ignored") == ["ignored: columns: 1 (group)"]


# --- what is refused ---


def test_a_column_of_groups_that_is_not_there(folder: Path) -> None:
    (folder / "list.csv").write_text(PLAIN)
    with pytest.raises(DatasetError, match="has no column visit for groups: it has path, label"):
        read_dataset(folder / "list.csv", groups="visit")
    (folder / "list.json").write_text("{}")
    for path in (folder, folder / "list.json"):
        with pytest.raises(DatasetError, match=r"is no manifest: groups \(visit\) names a column of one"):
            read_dataset(path, groups="visit")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,label\n1.png,Smith, John\n", "line 2 of .* has 3 cells, and the header 2: put a cell .* between quotes"),
        ("path,label,label\n1.png,a,b\n", "has the column label twice"),
        ("path,Label,label \n1.png,a,b\n", "has the column label twice"),
        ('path,label\n1.png,"a\n2.png,b\n', "line .* is no line of a CSV file"),
        ("path,label,x,y,width,height\n1.png,a,1,2,3,\n", "line 2 of .* has the box"),
        ("path,label,box\n1.png,a,1 2 nan 4\n", "left top right bottom, four numbers"),
        ("path,label,bbox\n1.png,a,1 2 3\n", "left top width height, four numbers"),
    ],
)
def test_rows_that_are_not_clear_are_refused_with_their_place(folder: Path, text: str, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        read(folder, text)


def test_a_pipe_as_a_manifest_does_not_block(folder: Path) -> None:
    os.mkfifo(folder / "pipe.csv")
    with pytest.raises(DatasetError, match="pipe"):
        read_dataset(folder / "pipe.csv")


def test_a_name_with_a_comma_between_quotes_is_one_label(folder: Path) -> None:
    assert read(folder, 'path,label\n1.png,"Smith, John"\n2.png,"Smith, Ann"\n').classes == (
        "Smith, Ann",
        "Smith, John",
    )


def test_labels_that_differ_by_spaces_or_normal_form_are_one_class_and_said(folder: Path) -> None:
    found = read(folder, "path,label\n1.png,ma\u00e7a\n2.png,mac\u0327a\n")
    assert found.classes == ("ma\u00e7a",)
    assert "one class, ma\u00e7a" in found.warnings[0]


def test_a_path_that_no_file_can_have_is_listed_and_shown_short(folder: Path) -> None:
    found = read(folder, f"path,label\n1.png\0,a\n{'x' * 5000},a\n1.png,b\n")
    assert len(found) == 1
    assert len(found.skipped) == 2
    assert all(len(line) < 1000 for line in remarks(found, "left out"))


# --- boxes ---


@pytest.mark.parametrize(
    ("columns", "cells", "box"),
    [
        ("box", '"[1, 2, 11, 12]"', (1, 2, 11, 12)),
        ("box", "(1.4 2.4 11.4 12.4)", (1, 2, 11, 12)),
        ("box", "-1 -2 31 21", (0, 0, 30, 20)),
        ("bbox", '"[1, 2, 10, 10]"', (1, 2, 11, 12)),
        ("BBox", "1 2 10 10", (1, 2, 11, 12)),
        ("x,y,width,height", "1,2,10,10", (1, 2, 11, 12)),
        ("x,y,w,h", "1.0,2.0,10.0,10.0", (1, 2, 11, 12)),
        ("x1,y1,x2,y2", "1,2,11,12", (1, 2, 11, 12)),
        ("xmin,ymin,xmax,ymax", "1,2,11,12", (1, 2, 11, 12)),
        ("left,top,right,bottom", "1,2,11,12", (1, 2, 11, 12)),
        ("left,top,width,height", "1,2,10,10", (1, 2, 11, 12)),
        ("Roi.X1,Roi.Y1,Roi.X2,Roi.Y2", "1,2,11,12", (1, 2, 11, 12)),
        ("bbox", "0.1 0.1 0.5 0.5", (3, 2, 18, 12)),
        ("width,height", "30,20", None),
        ("box", "", None),
    ],
)
def test_boxes_in_all_their_forms(folder: Path, columns: str, cells: str, box: tuple[int, ...] | None) -> None:
    found = read(folder, f"path,label,{columns}\n1.png,a,{cells}\n")
    assert [picture.box for picture in found] == [box]


def test_what_was_done_to_boxes_is_counted(folder: Path) -> None:
    found = read(folder, "path,label,bbox\n1.png,a,1.5 2 3 4\n2.png,b,0 0 32 20\nsub/3.png,b,0 0 9 9\n")
    assert remarks(found, "assumed") == [
        "assumed: boxes are left, top, width and height, in bbox",
        "assumed: boxes with decimals, rounded to whole pixels: 1 (1.png)",
        "assumed: boxes at most 2 pixels outside of their pictures, clipped: 1 (2.png)",
    ]


def test_a_box_far_outside_leaves_its_picture_out_and_most_of_them_are_refused(folder: Path) -> None:
    found = read(folder, "path,label,box\n1.png,a,1 2 3 4\n2.png,b,0 0 99 20\nsub/3.png,b,0 0 9 9\n")
    assert [one.name for one in found.skipped] == ["2.png"]
    assert remarks(found, "left out") == ["left out: pictures whose box does not lie in them: 1 (2.png)"]
    with pytest.raises(DatasetError, match=r"2 of the 2 boxes .* are corners, .* a corner and the size"):
        read(folder, "path,label,bbox\n1.png,a,20 10 30 20\n2.png,b,15 10 30 20\n")


def test_boxes_lie_in_the_upright_picture(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(folder / "turned.jpg", exif=exif)
    (picture,) = read(folder, "path,label,box\nturned.jpg,a,0 0 20 30\n")
    assert picture.pixels().shape == (30, 20, 3)


def test_columns_that_are_not_used_are_named(folder: Path) -> None:
    found = read(folder, "path,label,category,note\n1.png,a,b,c\n")
    assert remarks(found, "ignored") == ["ignored: columns: 2 (category, note)"]


@pytest.mark.parametrize("word", ["Train", "training", " TRAIN "])
def test_splits_have_one_name(folder: Path, word: str) -> None:
    assert [p.split for p in read(folder, f"path,label,Set\n1.png,a,{word}\n2.png,a,validation\n")] == ["train", "val"]


@pytest.mark.parametrize("column", ["domain", "Modality", "source kind", "picture_kind"])
def test_domains_have_one_name(folder: Path, column: str) -> None:
    found = read(folder, f"path,label,{column}\n1.png,a, Catalogue\n2.png,a,Shelf\nsub/3.png,a,\n")
    assert [p.domain for p in found] == ["iconic", "shelf", None]
