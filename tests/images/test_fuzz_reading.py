"""Generated folder trees and manifests against a plain model of what must be read from them.

The model does not look names up: each part of a path is generated together with what it stands for.
"""

import codecs
import csv
import io
import os
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from semelha.errors import DatasetError
from semelha.images import Dataset, read_dataset

SIZE = (12, 10)


def encoded(number: int, kind: str = "png") -> bytes:
    """A picture of its own content."""
    pixels = np.random.default_rng(number).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


PICTURES = [encoded(number, kind) for number, kind in enumerate(["png", "jpeg", "bmp", "gif", "webp"] * 3)]

# --- folder trees ---

FOLDERS = st.sampled_from(
    [
        *[
            ("class", name)
            for name in ("cat", "dog", "Cat", "ma\u00e7a", "mac\u0327a", "cat ", " dog", "木", "x.y", "2")
        ],
        *[("class", "unknown"), ("class", "a,b"), ("class", "caf\udce9"), ("class", "caf\udce8")],
        *[("junk", name) for name in ("@eaDir", "__MACOSX", "$RECYCLE.BIN", "#recycle", "lost+found")],
        *[("hidden", name) for name in (".thumbnails", ".git", ".Trash-1000")],
    ]
)
INSIDE = st.sampled_from(
    [("sub", "sub"), ("sub", "more pictures"), ("junk", "thumbnails"), ("junk", "@eaDir"), ("hidden", ".cache")]
)
FILES = st.sampled_from(
    [
        *[
            ("file", name)
            for name in ("1.png", "2.JPG", "3", "4.txt", "ma\u00e7a.jpeg", "5.jfif", "6.xml", "caf\udce9.jpg")
        ],
        *[("junk", name) for name in ("Thumbs.db", "desktop.ini")],
        *[("hidden", name) for name in (".DS_Store", "._1.png")],
    ]
)
CONTENTS = st.one_of(
    st.integers(0, len(PICTURES) - 1), st.sampled_from(["text", "empty", "cut off", "dangling", "loop", "pipe"])
)
TREES = st.lists(
    st.tuples(st.lists(FOLDERS, max_size=1), st.lists(INSIDE, max_size=2), FILES, CONTENTS), min_size=1, max_size=14
)


def write_content(path: Path, content: int | str, root: Path) -> None:
    if isinstance(content, int):
        path.write_bytes(PICTURES[content])
    elif content == "dangling":
        path.symlink_to("nowhere")
    elif content == "loop":
        path.symlink_to(root)
    elif content == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes({"text": b"no picture", "empty": b"", "cut off": PICTURES[0][:30]}[content])


@dataclass
class Expected:
    """What a tree must become: (label, content) of each picture; and the number of files that are listed or ignored."""

    read: list[tuple[str, int]]
    listed: int
    ignored: int


def shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def expected_of(tree: dict[tuple[tuple[str, str], ...], int | str], labelled: bool) -> Expected:
    read, listed, ignored = [], 0, set()
    for parts, content in tree.items():
        *folders, (_, name) = parts
        # The first part that is hidden or junk is counted once, with all that is below it.
        stop = next((n for n, (what, _) in enumerate(parts) if what == "hidden" or (what == "junk")), None)
        if stop is not None and not (parts[stop][0] == "junk" and stop == len(parts) - 1 and content == "loop"):
            ignored.add(parts[: stop + 1])
            continue
        label = unicodedata.normalize("NFC", shown(folders[0][1])).strip() if folders else ""
        is_picture = isinstance(content, int)
        if is_picture and (label or not labelled):
            read.append((label, content))
        elif (
            folders
            or content not in ("text", "empty", "cut off")
            or os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES
        ):
            listed += 1
        else:
            ignored.add(parts)
    return Expected(sorted(read), listed, len(ignored))  # type: ignore[arg-type]


PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif")


def check_tree(paths: list[tuple[list[tuple[str, str]], list[tuple[str, str]], tuple[str, str], int | str]]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "photos"
        root.mkdir()
        tree: dict[tuple[tuple[str, str], ...], int | str] = {}
        for above, inside, file, content in paths:
            parts = (*above, *(inside if above else ()), file)
            path = root.joinpath(*(name for _, name in parts))
            if os.path.lexists(path) or any(above.is_symlink() for above in path.parents):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            write_content(path, content, root)
            tree[parts] = content
        for labelled in (True, False):
            compare(root, expected_of(tree, labelled), labelled)


def compare(root: Path, expected: Expected, labelled: bool) -> None:
    try:
        found = read_dataset(root, labelled=labelled)
    except DatasetError:
        assert not expected.read, "a data set that has pictures is refused"
        return
    content_of = {data: number for number, data in enumerate(PICTURES)}
    read = sorted((p.label, content_of[Path(p.source).read_bytes()]) for p in found)  # type: ignore[arg-type]
    assert read == expected.read
    assert len(found.skipped) == expected.listed
    counted = {kind: sum(r.count for r in found.remarks if r.kind == kind) for kind in ("left out", "ignored")}
    assert counted == {"left out": expected.listed, "ignored": expected.ignored}
    owners: dict[int, set[str]] = {}
    for label, content in expected.read:
        owners.setdefault(content, set()).add(label)
    shared = any(len(labels - {""}) > 1 for labels in owners.values())
    assert any("same content" in warning for warning in found.warnings) == shared
    for picture in found:
        picture.name.encode()
        assert picture.pixels().shape == (SIZE[1], SIZE[0], 3)


# --- manifests ---

LABELS = st.sampled_from(
    ["cat", " cat ", "Smith, John", "ma\u00e7a", "mac\u0327a", 'the "big" one', "a;b", "x\ty", "7"]
)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
HEADS = st.sampled_from([("path", "label"), ("Path", " Class "), ("file name", "Category"), ("image", "species")])
BOXES = st.none() | st.tuples(
    st.floats(-1.4, 4), st.floats(-1.4, 4), st.floats(5.6, SIZE[0] + 1.4), st.floats(5.6, SIZE[1] + 1.4)
)
ROWS = st.lists(
    st.tuples(st.integers(0, 5), LABELS, BOXES, st.sampled_from(["", "Train", "test"])), min_size=1, max_size=9
)
FAULTS = st.sampled_from(
    ["none", "none", "none", "no path", "no label", "long", "twice", "box", "empty row", "missing"]
)
BOX_FORMS = st.sampled_from(["box", "brackets", "bbox", "corners", "size"])


def box_cells(box: tuple[float, ...] | None, form: str) -> list[str]:
    if box is None:
        return [""] * (4 if form in ("corners", "size") else 1)
    left, top, right, bottom = box
    numbers = (left, top, right - left, bottom - top) if form in ("bbox", "size") else box
    written = [repr(number) for number in numbers]
    return (
        written if form in ("corners", "size") else [f"[{', '.join(written)}]" if form != "box" else " ".join(written)]
    )


BOX_COLUMNS = {
    "box": ["box"],
    "brackets": ["Box"],
    "bbox": ["bbox"],
    "corners": ["x1", "y1", "x2", "y2"],
    "size": ["x", "y", "width", "height"],
}


def check_manifest(
    rows: list[tuple[int, str, tuple[float, ...] | None, str]],
    head: tuple[str, str],
    delimiter: str,
    encoding: str,
    ending: str,
    form: str,
    fault: str,
    declared: bool,
) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in range(6):
            (folder / f"{number}.png").write_bytes(PICTURES[number])
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator=ending)
        columns = [*head, *BOX_COLUMNS[form], "split"]
        writer.writerow([*columns, head[1]] if fault == "twice" else columns)
        lines = [[f"{n}.png", label, *box_cells(box, form), split] for n, label, box, split in rows]
        broken = {
            "no path": lambda line: ["", *line[1:]],
            "no label": lambda line: [line[0], " ", *line[2:]],
            "long": lambda line: [*line, "", "more"],
            "box": lambda line: [*line[:2], "1 2 3", *line[3:]],
            "missing": lambda line: ["gone.png", *line[1:]],
        }
        if fault in broken:
            lines[-1] = broken[fault](lines[-1])
        if fault == "empty row":
            lines.append([""] * len(columns))
        writer.writerows(lines)
        content = (f"sep={delimiter}{ending}" if declared else "") + text.getvalue()
        try:
            data = content.encode(encoding)
        except UnicodeEncodeError:  # the code page has no combining cedilla
            data = codecs.BOM_UTF8 + content.encode()
        (folder / "list.csv").write_bytes(data)
        if fault in ("no path", "no label", "long", "box", "twice"):
            with pytest.raises(DatasetError, match=r"list\.csv"):
                read_dataset(folder / "list.csv")
            return
        compare_manifest(lambda: read_dataset(folder / "list.csv"), rows[:-1] if fault == "missing" else rows)


def compare_manifest(read: Callable[[], Dataset], rows: list[tuple[int, str, tuple[float, ...] | None, str]]) -> None:
    if not rows:
        with pytest.raises(DatasetError, match="none of the"):
            read()
        return
    found = read()
    expected = [
        (
            f"{number}.png",
            unicodedata.normalize("NFC", label).strip(),
            split.casefold() or None,
            None if box is None else tuple(int(np.clip(round(x), 0, SIZE[n % 2])) for n, x in enumerate(box)),
        )
        for number, label, box, split in rows
    ]
    assert [(p.name, p.label, p.split, p.box) for p in found] == expected
    boxes = [box for _, _, box, _ in rows if box is not None]
    told = [remark.text for remark in found.remarks]
    assert any("decimals" in text for text in told) == any(x != round(x) for box in boxes for x in box)


MANIFESTS = {
    "rows": ROWS,
    "head": HEADS,
    "delimiter": st.sampled_from([",", ";", "\t", "|"]),
    "encoding": ENCODINGS,
    "ending": st.sampled_from(["\n", "\r\n", "\r"]),
    "form": BOX_FORMS,
    "fault": FAULTS,
    "declared": st.booleans(),
}
FEW = settings(max_examples=75, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=2500)


@FEW
@given(TREES)
def test_what_is_read_of_a_folder_tree(paths: list[object]) -> None:
    check_tree(paths)  # type: ignore[arg-type]


@FEW
@given(st.fixed_dictionaries(MANIFESTS))
def test_what_is_read_of_a_manifest(arguments: dict[str, object]) -> None:
    check_manifest(**arguments)  # type: ignore[arg-type]


@pytest.mark.slow
@MANY
@given(TREES)
def test_what_is_read_of_thousands_of_folder_trees(paths: list[object]) -> None:
    check_tree(paths)  # type: ignore[arg-type]


@pytest.mark.slow
@MANY
@given(st.fixed_dictionaries(MANIFESTS))
def test_what_is_read_of_thousands_of_manifests(arguments: dict[str, object]) -> None:
    check_manifest(**arguments)  # type: ignore[arg-type]
