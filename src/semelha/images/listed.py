"""Read the layouts of published data sets: list files, the annotations of CARS196, and names of files that say all."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from semelha.errors import DatasetError
from semelha.images.folder import Entry, Found, Walk, class_folders, folder_name
from semelha.images.names import split_name
from semelha.images.table import read_content
from semelha.text import as_unicode
from semelha.untrusted import normalized_name

IN_SHOP = ("list_eval_partition.txt", "Eval/list_eval_partition.txt")
CARS_ONE = "cars_annos.mat"
CARS_TWO = {"cars_train_annos.mat": "cars_train", "cars_test_annos_withlabels.mat": "cars_test"}
PEOPLE = {"peopleDevTrain.txt": "train", "peopleDevTest.txt": "test"}
MARKET = {"bounding_box_train": "train", "bounding_box_test": "gallery", "query": "query"}
_MARKET_NAME = re.compile(r"(-1|\d+)_c(\d+)")


def is_sop(root: Path) -> bool:
    return (root / "Ebay_train.txt").is_file() and (root / "Ebay_test.txt").is_file()


def sop(root: Path) -> Found:
    """Stanford Online Products: `Ebay_train.txt`, `Ebay_test.txt`: image_id class_id super_class_id path."""
    found = Found(folder_name(root))
    for split in ("train", "test"):
        for _, label, _, path in _rows(root / f"Ebay_{split}.txt", 4, header=1):
            found.entries.append(_entry(root, path, label, split))
    return _labelled(found)


def is_in_shop(root: Path) -> bool:
    return any((root / name).is_file() for name in IN_SHOP)


def in_shop(root: Path) -> Found:
    """In-shop Clothes Retrieval: `list_eval_partition.txt`: image_name item_id evaluation_status."""
    found = Found(folder_name(root))
    file = next((root / name for name in IN_SHOP if (root / name).is_file()), root / IN_SHOP[0])
    rows = list(_rows(file, 3, header=2))
    base = first_with([root, root / "Img"], [path for path, _, _ in rows[:1]])
    found.entries = [_entry(base, path, label, split_name(split)) for path, label, split in rows]
    return _tell_unused(_labelled(found), root, "Anno/list_bbox_inshop.txt", "list_bbox_inshop.txt")


def is_cub(root: Path) -> bool:
    return (root / "images.txt").is_file() and (root / "image_class_labels.txt").is_file()


def cub(root: Path) -> Found:
    """CUB-200: `images.txt`, `image_class_labels.txt`, `classes.txt` and `train_test_split.txt`, joined by numbers."""
    found = Found(folder_name(root))
    classes = _pairs(root / "image_class_labels.txt")
    names, in_train = _pairs(root / "classes.txt"), _pairs(root / "train_test_split.txt")
    for number, path in _rows(root / "images.txt", 2):
        if number not in classes:
            raise DatasetError(f"image {number} of {root / 'images.txt'} has no class in image_class_labels.txt")
        split = {"1": "train", "0": "test"}.get(in_train.get(number, ""))
        label = names.get(classes[number], classes[number])
        found.entries.append(_entry(root / "images", path, label, split))
    return _tell_unused(_labelled(found), root, "bounding_boxes.txt")


def is_cars196(root: Path) -> bool:
    return (root / CARS_ONE).is_file() or any(path.is_file() for path in _cars_files(root))


def cars196(root: Path) -> Found:
    """CARS196: `cars_annos.mat`, or the two files of its devkit. A .mat file needs trust: it is read by SciPy."""
    found = Found(folder_name(root))
    if (root / CARS_ONE).is_file():
        content = _mat(root / CARS_ONE)
        names = [str(name) for name in _list(content.get("class_names"))]
        for one in _list(content.get("annotations")):
            split = "test" if _field(one, "test", root / CARS_ONE) else "train"
            path = str(_field(one, "relative_im_path", root / CARS_ONE))
            found.entries.append(_entry(root, path, _car(one, names, root / CARS_ONE), split))
    else:
        files = [path for path in _cars_files(root) if path.is_file()]
        meta = files[0].with_name("cars_meta.mat") if files else root / "cars_meta.mat"
        names = [str(name) for name in _list(_mat(meta).get("class_names"))] if meta.is_file() else []
        for file in files:
            folder = CARS_TWO[file.name]
            for one in _list(_mat(file).get("annotations")):
                path = f"{folder}/{_field(one, 'fname', file)}"
                found.entries.append(_entry(root, path, _car(one, names, file), folder.removeprefix("cars_")))
    found.report.add("ignored", "the boxes of the annotations: pictures are used whole, as is usual for this data set")
    return _labelled(found)


def _cars_files(root: Path) -> list[Path]:
    return [folder / name for folder in (root / "devkit", root) for name in CARS_TWO]


def _car(one: Any, names: Sequence[str], file: Path) -> str:
    number = int(_field(one, "class", file))
    return names[number - 1] if 0 < number <= len(names) else str(number)


def is_lfw(root: Path) -> bool:
    return _lfw_pictures(root) != root or all((root / name).is_file() for name in PEOPLE)


def lfw(root: Path) -> Found:
    """LFW: a folder for each person, in a folder `lfw…` or in `root`; with the splits of `peopleDev….txt`, if there."""
    pictures = _lfw_pictures(root)
    found = class_folders(pictures, labelled=True)
    if not all((root / name).is_file() for name in PEOPLE):
        return found
    splits = {
        normalized_name(cells[0]): split for name, split in PEOPLE.items() for cells in _rows(root / name, 1, header=1)
    }
    for entry in found.entries:
        entry.split = splits.get(entry.label)
    return found


def _lfw_pictures(root: Path) -> Path:
    folders = Walk(root, Found("")).entries(str(root), inside_class=False)[1]
    names = [os.path.basename(folder) for folder in folders]
    if len(names) == 1 and re.fullmatch(r"lfw([-_].*|a)?", names[0].lower()):
        return root / names[0]
    return root


def is_market1501(root: Path) -> bool:
    return all((root / name).is_dir() for name in MARKET)


def market1501(root: Path) -> Found:
    """Market-1501 and DukeMTMC: names such as `0002_c1s1_000451_03.jpg`; pictures of one person by one camera match
    never."""
    found = Found(folder_name(root))
    walk = Walk(root, found)
    for folder, split in MARKET.items():
        for file in walk.files(str(root / folder)):
            name = os.path.basename(file)
            match = _MARKET_NAME.match(name)
            if match is None:
                if name.lower().endswith((".jpg", ".png")):
                    found.skip(walk.shown(file), "its name says no person", "pictures whose name says no person")
                else:
                    found.report.add("ignored", "files beside the pictures that are none", walk.shown(file))
            elif match[1] in ("-1", "0000"):
                text = "distractors (-1 and 0000 in the name), which are no person of the data set"
                found.report.add("left out", text, walk.shown(file))
            else:
                group = f"{match[1]}_c{match[2]}"
                found.entries.append(Entry(file, match[1], walk.shown(file), group=group, split=split))
    return _labelled(found)


def first_with(folders: Sequence[Path], paths: Sequence[str]) -> Path:
    """The first folder in which one of these paths exists; else the first."""
    return next((folder for folder in folders if any((folder / path).exists() for path in paths)), folders[0])


def _rows(file: Path, columns: int, *, header: int = 0) -> Iterator[tuple[str, ...]]:
    """Rows of words between spaces, after some lines; the last word may have spaces. Raises `DatasetError`."""
    text = read_content(file).decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(None, columns - 1 if columns > 1 else 1)
        if number <= header or not words:
            continue
        if len(words) < columns:
            raise DatasetError(f"line {number} of {as_unicode(str(file))} has {len(words)} words: it needs {columns}")
        yield tuple(word.strip() for word in words[:columns])


def _pairs(file: Path) -> dict[str, str]:
    """The second word of each row by the first; empty if the file does not exist."""
    return {key: value for key, value in _rows(file, 2)} if file.is_file() else {}  # noqa: C416


def _entry(base: Path, path: str, label: str, split: str | None) -> Entry:
    return Entry(os.path.join(str(base), path), normalized_name(label), as_unicode(path), split=split)


def _labelled(found: Found) -> Found:
    found.labels = list(dict.fromkeys(entry.label for entry in found.entries))
    return found


def _tell_unused(found: Found, root: Path, *boxes: str) -> Found:
    """Report files of boxes, which are not used."""
    for name in boxes:
        if (root / name).is_file():
            text = f"the boxes in {name}: pictures are used whole, as is usual for this data set"
            found.report.add("ignored", text)
    return found


def _mat(file: Path) -> dict[str, Any]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    data = read_content(file)
    if len(data) > 64 * 2**20:
        raise DatasetError(
            f"{as_unicode(str(file))} has {len(data):,} bytes, which the annotations of CARS196 have not"
        )
    try:
        content: dict[str, Any] = loadmat(BytesIO(data), simplify_cells=True)
    except (
        *(MatReadError, ValueError, TypeError, LookupError, OSError, NotImplementedError, MemoryError, AttributeError),
        *(zlib.error, OverflowError),
    ) as error:
        raise DatasetError(f"{as_unicode(str(file))} is no .mat file that can be read: {error}") from error
    return content


def _list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if hasattr(value, "__len__") and not hasattr(value, "keys") else [value]


def _field(one: Any, name: str, file: Path) -> Any:
    if not isinstance(one, dict) or name not in one:
        raise DatasetError(f"an annotation of {as_unicode(str(file))} has no {name}")
    return one[name]
