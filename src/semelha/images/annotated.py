"""Read layouts whose labels are in JSON or in metadata tables: COCO and iNaturalist, FiftyOne, Hugging Face."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from semelha.errors import DatasetError
from semelha.images.folder import Entry, FloatBox, Found, folder_name
from semelha.images.listed import first_with
from semelha.images.manifest import manifest
from semelha.images.names import is_split, split_name
from semelha.images.table import read_content
from semelha.text import as_unicode
from semelha.untrusted import normalized_name, parse_json

ROBOFLOW = "_annotations.coco.json"
UNLABELLED = ("it has no label", "pictures without a label")
METADATA = ("metadata.csv", "metadata.jsonl")


def is_coco(root: Path) -> bool:
    return bool(_coco_files(root)) or (_has_labels_json(root) and _is_coco(_read(root / "labels.json")))


def coco(path: Path) -> Found:
    """COCO and iNaturalist: `images`, `annotations` and `categories` in a JSON file, or in those of a folder.

    Each annotation is a picture, the part in its box if it has one. A file's name or folder may say its split.
    """
    if path.is_file():
        found = Found(as_unicode(path.stem), unlabelled=UNLABELLED)
        _coco(found, path, None)
    else:
        found = Found(folder_name(path), unlabelled=UNLABELLED)
        for file in _coco_files(path) or [path / "labels.json"]:
            _coco(found, file, _split_of(file))
    found.labels = list(dict.fromkeys(entry.label for entry in found.entries if entry.label))
    return found


def _coco_files(root: Path) -> list[Path]:
    return sorted((*root.glob("annotations/instances_*.json"), *root.glob(f"*/{ROBOFLOW}")))


def _split_of(file: Path) -> str | None:
    """The split in a name such as `instances_val2017.json`, or of the folder of `_annotations.coco.json`."""
    word = file.parent.name if file.name == ROBOFLOW else file.stem.split("_")[-1].rstrip("0123456789")
    return split_name(word) if is_split(word) else None


def _is_coco(content: Any) -> bool:
    return isinstance(content, dict) and {"images", "annotations"} <= set(content)


def _coco(found: Found, file: Path, split: str | None) -> None:
    name = as_unicode(str(file))
    content = _read(file)
    if not _is_coco(content):
        raise DatasetError(f"{name} has no 'images' and 'annotations', as JSON files of COCO and iNaturalist have")
    try:
        paths = {one["id"]: str(one["file_name"]) for one in content["images"]}
        categories = {one["id"]: str(one["name"]) for one in content.get("categories", ())}
        annotations = [
            (paths[one["image_id"]], categories[one["category_id"]], one.get("bbox"), one.get("iscrowd"))
            for one in content["annotations"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{name} has an image, category or annotation that is incomplete: {error}") from error
    folders = [folder / below for folder in (file.parent, file.parent.parent) for below in ("", "images", "data")]
    stem = file.stem.split("_", 1)[-1]
    folders += [file.parent.parent / stem, file.parent.parent / "images" / stem, file.parent / file.stem]
    base = first_with(folders, list(paths.values())[:3])
    shown_base = as_unicode(os.path.relpath(base, file.parent))
    if shown_base != os.curdir:
        found.report.add("assumed", f"the pictures of {as_unicode(file.name)} are in {shown_base}")
    for path, category, box, is_crowd in annotations:
        if is_crowd:
            found.report.add("left out", "annotations of crowds, which are several things", as_unicode(path))
            continue
        entry = Entry(str(base / path), normalized_name(category), as_unicode(path), split=split)
        entry.box = None if box is None else _corners(box, name)
        found.entries.append(entry)
    annotated = {path for path, _, _, _ in annotations}
    for path in (path for path in paths.values() if path not in annotated):
        entry = Entry(str(base / path), "", as_unicode(path), split=split, beside=True)
        found.entries.append(entry)


def _corners(box: Any, name: str) -> FloatBox:
    """Left, top, right, bottom of a box x, y, width, height. Raises `DatasetError`."""
    try:
        x, y, width, height = (float(number) for number in box)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{name} has the box {box!r:.60}: it must be x, y, width, height") from error
    return x, y, x + width, y + height


def is_fiftyone(root: Path) -> bool:
    if (root / "samples.json").is_file() and (root / "metadata.json").is_file():
        return True
    content = _read(root / "labels.json") if _has_labels_json(root) else {}
    return isinstance(content, dict) and isinstance(content.get("labels"), dict)


def fiftyone(root: Path) -> Found:
    """FiftyOne: `samples.json` with paths, labels, detections and tags; or `labels.json` and the folder `data`."""
    found = Found(folder_name(root), unlabelled=UNLABELLED)
    if (root / "samples.json").is_file():
        _fiftyone_samples(found, root)
    else:
        _fiftyone_labels(found, root)
    found.labels = list(dict.fromkeys(entry.label for entry in found.entries if entry.label))
    return found


def _has_labels_json(root: Path) -> bool:
    return (root / "labels.json").is_file() and (root / "data").is_dir()


def _fiftyone_labels(found: Found, root: Path) -> None:
    name = as_unicode(str(root / "labels.json"))
    content = _read(root / "labels.json")
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, dict):
        raise DatasetError(f"{name} has no 'labels', as that of FiftyOne has")
    classes = content.get("classes") or []
    data = root / "data"
    files = {file.relative_to(data).with_suffix("").as_posix(): file for file in sorted(data.rglob("*"))}
    for key, value in labels.items():
        label = value.get("label") if isinstance(value, dict) else value
        if isinstance(label, int) and not isinstance(label, bool) and isinstance(classes, list):
            if not 0 <= label < len(classes):
                raise DatasetError(f"{name} gives {key} the class {label}, and has {len(classes)} classes")
            label = classes[label]
        path = str(files.get(key, data / key))
        shown = as_unicode(os.path.relpath(path, root))
        found.entries.append(Entry(path, normalized_name(str(label or "")), shown, beside=not label))


def _fiftyone_samples(found: Found, root: Path) -> None:
    name = as_unicode(str(root / "samples.json"))
    content = _read(root / "samples.json")
    samples = content.get("samples") if isinstance(content, dict) else None
    if not isinstance(samples, list) or not all(isinstance(one, dict) and "filepath" in one for one in samples):
        raise DatasetError(f"{name} has no 'samples' with a 'filepath' each, as that of FiftyOne has")
    fields = dict.fromkeys(key for one in samples for key, value in one.items() if _has_label(value))
    field = "ground_truth" if "ground_truth" in fields else next(iter(fields), "")
    if len(fields) > 1:
        found.report.add("assumed", f"the labels are in {field}, not in {', '.join(fields.keys() - {field})}")
    for one in samples:
        tags = [tag for tag in one.get("tags") or () if isinstance(tag, str) and is_split(tag)]
        split = split_name(tags[0]) if tags else None
        path = str(one["filepath"])
        entry = Entry(os.path.join(str(root), path), "", as_unicode(path), split=split)
        value = one.get(field) if field else None
        if not isinstance(value, dict):
            entry.beside = True
            found.entries.append(entry)
            continue
        for part in value.get("detections") or [value]:
            label = normalized_name(str(part.get("label") or "")) if isinstance(part, dict) else ""
            box = part.get("bounding_box") if isinstance(part, dict) else None
            found.entries.append(
                Entry(
                    entry.path,
                    label,
                    entry.name,
                    split=split,
                    box=None if box is None else _corners(box, name),
                    relative_box=True,
                    beside=not label,
                )
            )


def _has_label(value: Any) -> bool:
    return isinstance(value, dict) and (
        isinstance(value.get("label"), str) or isinstance(value.get("detections"), list)
    )


def is_huggingface(root: Path) -> bool:
    return bool(_metadata(root))


def huggingface(root: Path) -> Found:
    """A folder of Hugging Face: `metadata.csv` or `metadata.jsonl` with `file_name`, in `root` or for each split.

    Without a column of labels, the folders of the pictures are the classes.
    """
    found = Found(folder_name(root), unlabelled=UNLABELLED)
    for file, split in _metadata(root):
        start = len(found.entries)
        manifest(file, file.parent, labelled=False, found=found)
        added = found.entries[start:]
        parts = [entry.name.split("/") for entry in added]
        if split is None and all(len(each) > 1 and is_split(each[0]) for each in parts):
            for entry, each in zip(added, parts, strict=True):
                entry.split = entry.split or split_name(each[0])
        for entry, each in zip(added, parts, strict=True):
            entry.split = entry.split or split
            if not entry.label and len(each) > 1 and not is_split(each[-2]):
                entry.label = normalized_name(each[-2])
    for entry in found.entries:
        entry.beside = not entry.label
    found.labels = list(dict.fromkeys(entry.label for entry in found.entries if entry.label))
    return found


def _metadata(root: Path) -> list[tuple[Path, str | None]]:
    """Metadata tables with the column file_name, and the split of each by its folder."""
    places = [(root, None)] + [
        (folder, split_name(folder.name))
        for above in (root, root / "data")
        if above.is_dir()
        for folder in sorted(above.iterdir())
        if is_split(folder.name) and folder.is_dir()
    ]
    return [
        (folder / name, split)
        for folder, split in places
        for name in METADATA
        if (folder / name).is_file() and _names_files(folder / name)
    ]


def _names_files(file: Path) -> bool:
    with file.open("rb") as opened:
        return b"file_name" in opened.readline(65_536)


def _read(file: Path) -> Any:
    return parse_json(read_content(file), as_unicode(str(file)), kind=object, max_bytes=2**30, error=DatasetError)
