"""Check the files of a data set: which are pictures, whether boxes lie in them, and which stand in two classes."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from semelha.errors import DatasetError, NotAPicture, PictureError, PictureTooLarge, TruncatedPicture
from semelha.images.dataset import Dataset, Skipped
from semelha.images.decode import Box, Limits
from semelha.images.folder import SUFFIXES, Entry, Found
from semelha.images.picture import Picture
from semelha.images.report import Report

CLIPPED = 2  # pixels that a box may extend beyond its picture
RESERVED = frozenset({"unknown", "uncertain", "uncalibrated"})
MISSING = frozenset({"nan", "none", "null", "n/a", "#n/a"})
SAMPLE = 4096  # bytes at the end of files of the same size that are compared before the whole files


def checked(found: Found, limits: Limits, *, labelled: bool, check: bool) -> Dataset:
    """The data set of the files that are pictures; with `check`, the header of every file is read.

    Raises `DatasetError` if no file can be used.
    """
    kept: list[tuple[Entry, Picture]] = []
    left_out: dict[str, list[Skipped]] = defaultdict(list)
    boxes_outside = 0
    for entry in found.entries:
        if labelled and entry.beside and not check:
            _leave_beside(entry, left_out, found, is_picture=_has_suffix(entry))
            continue
        try:
            box = _opened(entry, limits, found.report) if check or entry.box is not None else None
        except _BoxOutside as error:
            boxes_outside += 1
            left_out["pictures whose box does not lie in them"].append(Skipped(entry.name, str(error)))
            continue
        except PictureError as error:
            if entry.beside and not _has_suffix(entry) and isinstance(error, NotAPicture):
                _leave_beside(entry, left_out, found, is_picture=False)
            else:
                left_out[_topic(entry, error)].append(Skipped(entry.name, str(error)))
            continue
        if labelled and entry.beside:
            _leave_beside(entry, left_out, found, is_picture=True)
            continue
        picture = Picture(Path(entry.path), entry.label, entry.name, entry.group, entry.split, box, limits)
        kept.append((entry, picture))
    skipped = [*found.skipped, *_told(left_out, found.report)]
    with_box = sum(entry.box is not None for entry in found.entries)
    if boxes_outside > with_box / 2:
        raise DatasetError(
            f"{boxes_outside} of the {with_box} boxes of {found.name} do not lie in their pictures: columns "
            "left, top, right, bottom (or box) are corners, columns x, y, width, height (or bbox) a corner and the size"
        )
    if not kept and any(not (labelled and entry.beside) for entry in found.entries):
        raise DatasetError(
            f"none of the {len(skipped)} files of {found.name} is a picture that can be used: {skipped[-1].reason}"
        )
    report = found.report
    for text in _label_warnings(found.labels, [picture for _, picture in kept]):
        report.add("check", text)
    if check:
        _tell_in_two_classes(kept, report)
    return Dataset(found.name, tuple(picture for _, picture in kept), tuple(skipped), report.remarks())


class _BoxOutside(PictureError):
    """The box does not lie in the picture."""


def _opened(entry: Entry, limits: Limits, report: Report) -> Box | None:
    """Read the header, and return the box in whole pixels inside the picture. Raises `PictureError`."""
    picture = Picture(Path(entry.path), "", entry.name)
    with picture.open(limits) as opened:
        if entry.box is None:
            return None
        width, height = opened.size
    left, top, right, bottom = entry.box
    if entry.relative_box:
        left, top, right, bottom = left * width, top * height, right * width, bottom * height
    whole = round(left), round(top), round(right), round(bottom)
    if not entry.relative_box and whole != entry.box:
        report.add("assumed", "boxes with decimals, rounded to whole pixels", entry.name)
    box = max(0, whole[0]), max(0, whole[1]), min(width, whole[2]), min(height, whole[3])
    beyond = max(abs(one - other) for one, other in zip(whole, box, strict=True))
    if beyond > CLIPPED or not (box[0] < box[2] and box[1] < box[3]):
        raise _BoxOutside(f"the box {whole} does not lie in {entry.path}, which has {width} × {height} pixels")
    if beyond:
        report.add("assumed", f"boxes at most {CLIPPED} pixels outside of their pictures, clipped", entry.name)
    return box


def _has_suffix(entry: Entry) -> bool:
    return os.path.splitext(entry.path)[1].lower() in SUFFIXES


def _leave_beside(entry: Entry, left_out: dict[str, list[Skipped]], found: Found, *, is_picture: bool) -> None:
    reason, topic = found.unlabelled
    if is_picture:
        left_out[topic].append(Skipped(entry.name, reason))
    else:
        found.report.add("ignored", "files beside the pictures that are none", entry.name)


def _topic(entry: Entry, error: PictureError) -> str:
    """What files that cannot be used for this reason are called."""
    if os.path.islink(entry.path) and not os.path.exists(entry.path):
        return "links that lead nowhere"
    if isinstance(error, NotAPicture):
        return "empty files" if os.path.getsize(entry.path) == 0 else "files that are no pictures"
    if isinstance(error, PictureTooLarge):
        return "files that are too large"
    if isinstance(error, TruncatedPicture):
        return "pictures that are damaged"
    try:
        os.stat(entry.path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return "files that do not exist"
    except OSError:
        pass
    return "files that cannot be read"


def _told(left_out: dict[str, list[Skipped]], report: Report) -> Iterator[Skipped]:
    """Report each kind of files that are left out in one remark, with the number of each suffix."""
    for topic, files in left_out.items():
        suffixes = Counter(os.path.splitext(one.name)[1].lower() or "without a suffix" for one in files)
        by_suffix = ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common(5))
        counted = f" ({by_suffix})" if topic == "files that are no pictures" else ""
        report.add("left out", topic + counted, *(one.name for one in files))
    order = {id(one): number for number, one in enumerate(one for files in left_out.values() for one in files)}
    yield from sorted((one for files in left_out.values() for one in files), key=lambda one: (one.name, order[id(one)]))


def _label_warnings(labels: Iterable[str], kept: list[Picture]) -> Iterator[str]:
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        spellings[unicodedata.normalize("NFC", label.casefold())].append(label)
    for alike in spellings.values():
        if len(alike) > 1:
            yield f"labels that differ only by case are kept apart: {', '.join(sorted(alike))}"
    for label in labels:
        if label.casefold() in RESERVED:
            yield f"a class is called {label}, which is an answer of identify: rename it, or leave these pictures out"
        elif label.casefold() in MISSING:
            yield f"a class is called {label}: if that stands for a missing label, leave these pictures out"
    with_pictures = {picture.label for picture in kept}
    empty = [label for label in labels if label not in with_pictures]
    if empty:
        names = ", ".join(empty[:5]) + (", …" if len(empty) > 5 else "")
        yield f"classes without a picture that can be used: {len(empty)} ({names})"


def _tell_in_two_classes(kept: list[tuple[Entry, Picture]], report: Report) -> None:
    """Report files, and files with the same content, that stand in two classesby both places.

    Only files of one size are compared, and first by their last `SAMPLE` bytes: little is read in most data sets.
    """
    files: dict[tuple[int, int, Box | None], Picture] = {}
    sizes: dict[tuple[int, Box | None], list[Picture]] = defaultdict(list)
    for _, picture in kept:
        if not picture.label:
            continue
        status = os.stat(str(picture.source))
        first = files.setdefault((status.st_dev, status.st_ino, picture.box), picture)
        if first is picture:
            sizes[status.st_size, picture.box].append(picture)
        elif first.label != picture.label:
            report.add("check", "files that stand in two classes", _both(first, picture))
    for key, of_size in sizes.items():
        if len({picture.label for picture in of_size}) < 2:
            continue
        for alike in _by_hash(_by_hash([of_size], key[0] - SAMPLE), 0):
            others = [picture for picture in alike if picture.label != alike[0].label]
            for picture in others:
                report.add("check", "files with the same content in two classes", _both(alike[0], picture))


def _both(first: Picture, second: Picture) -> str:
    return f"{first.name} ({first.label}) and {second.name} ({second.label})"


def _by_hash(groups: Iterable[list[Picture]], start: int) -> Iterator[list[Picture]]:
    """Split groups of files by the hash of their content from `start`; groups of one are dropped."""
    for group in groups:
        found: dict[bytes, list[Picture]] = defaultdict(list)
        for picture in group:
            try:
                with open(str(picture.source), "rb") as file:
                    file.seek(max(0, start))
                    found[hashlib.file_digest(file, "sha256").digest()].append(picture)
            except OSError:  # it was readable a moment ago: decoding it will tell
                continue
        yield from (each for each in found.values() if len(each) > 1)
