"""Check the files of a data set: which are pictures, whether boxes lie in them, and which stand in two classes."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from semelha.errors import DatasetError, NotAPicture, PictureError, PictureTooLarge, TruncatedPicture
from semelha.images.dataset import Dataset, Skipped
from semelha.images.decode import Box, OpenPicture
from semelha.images.folder import SUFFIXES, Entry, Found
from semelha.images.formats import UNREAD, Limits, quiet
from semelha.images.packed import Packed
from semelha.images.peek import peek
from semelha.images.picture import Picture
from semelha.images.report import Remark, Report
from semelha.processors import processors

BATCH = 64  # files that a thread reads at a time
MAX_THREADS = 8
CLIPPED = 2  # pixels that a box may extend beyond its picture
BOX_OUTSIDE = "pictures whose box does not lie in them"
ROUNDED = "boxes with decimals, rounded to whole pixels"
BEYOND = f"boxes at most {CLIPPED} pixels outside of their pictures, clipped"
RESERVED = frozenset({"unknown", "uncertain", "uncalibrated"})
MISSING = frozenset({"nan", "none", "null", "n/a", "#n/a"})


def checked(found: Found, limits: Limits, *, labelled: bool, check: bool) -> Dataset:
    """The data set of the files that are pictures; with `check`, the header of every file is read.

    Raises `DatasetError` if no file can be used.
    """
    kept: list[Picture] = []
    alike = _Alike()
    left_out: dict[str, list[Skipped]] = defaultdict(list)
    report = found.report
    for entry, header in zip(found.entries, _headers(found.entries, limits, check), strict=True):
        if isinstance(header, PictureError):
            if entry.beside and not _has_suffix(entry) and isinstance(header, NotAPicture):
                _leave_beside(entry, left_out, found, is_picture=False)
            else:
                left_out[_topic(entry, header)].append(Skipped(entry.name, str(header)))
            continue
        if labelled and entry.beside:
            _leave_beside(entry, left_out, found, is_picture=header is not None or _has_suffix(entry))
            continue
        box = None if header is None else header.box
        source = Path(entry.path) if entry.content is None else entry.content
        picture = Picture(source, entry.label, entry.name, entry.group, entry.split, box, limits, entry.domain)
        kept.append(picture)
        if header is not None:
            alike.add(picture, header)
            for text in header.assumed:
                report.add("assumed", text, entry.name)
    outside, with_box = len(left_out.get(BOX_OUTSIDE, ())), sum(entry.box is not None for entry in found.entries)
    skipped = [*found.skipped, *_told(left_out, report)]
    if outside > with_box / 2:
        raise DatasetError(
            f"{outside} of the {with_box} boxes of {found.name} do not lie in their pictures: columns "
            "left, top, right, bottom (or box) are corners, columns x, y, width, height (or bbox) a corner and the size"
        )
    if not kept and skipped and any(not (labelled and entry.beside) for entry in found.entries):
        raise DatasetError(
            f"none of the {len(skipped)} files of {found.name} is a picture that can be used: {skipped[-1].reason}"
        )
    for text in _label_warnings(found.labels, kept):
        report.add("check", text)
    alike.tell(report)
    return Dataset(found.name, tuple(kept), tuple(skipped), report.remarks())


class _BoxOutside(PictureError):
    """The box does not lie in the picture."""


class _Header(NamedTuple):
    """What the header of a file says."""

    box: Box | None  # in whole pixels, inside the picture
    signature: tuple[int, bytes]
    assumed: tuple[str, ...]


def _headers(entries: list[Entry], limits: Limits, check: bool) -> Iterator[_Header | PictureError | None]:
    """The header of each file, read in threads; None if it need not be read."""

    def read(batch: list[Entry]) -> list[_Header | PictureError | None]:
        headers: list[_Header | PictureError | None] = []
        with quiet:  # once for all: to enter it for each file costs a sixth of the time
            for entry in batch:
                try:
                    headers.append(_header(entry, limits) if check or entry.box is not None else None)
                except PictureError as error:
                    headers.append(error)
        return headers

    batches = [entries[start : start + BATCH] for start in range(0, len(entries), BATCH)]
    with ThreadPoolExecutor(min(MAX_THREADS, processors())) as pool:
        for headers in pool.map(read, batches):
            yield from headers


def _header(entry: Entry, limits: Limits) -> _Header:
    """Read the header of a file, and fit the box into the picture. Raises `PictureError`."""
    if entry.content is None and entry.box is None and (signature := peek(entry.path, limits)) is not None:
        return _Header(None, signature, ())
    source = entry.path if entry.content is None else entry.content
    with OpenPicture(source, name=entry.path, limits=limits) as opened:
        signature = opened.signature()
        if entry.box is None:
            return _Header(None, signature, ())
        width, height = opened.size
    left, top, right, bottom = entry.box
    if entry.relative_box:
        left, top, right, bottom = left * width, top * height, right * width, bottom * height
    whole = round(left), round(top), round(right), round(bottom)
    box = max(0, whole[0]), max(0, whole[1]), min(width, whole[2]), min(height, whole[3])
    beyond = max(abs(one - other) for one, other in zip(whole, box, strict=True))
    if beyond > CLIPPED or not (box[0] < box[2] and box[1] < box[3]):
        raise _BoxOutside(f"the box {whole} does not lie in {entry.path}, which has {width} × {height} pixels")
    rounded = (ROUNDED,) if not entry.relative_box and whole != entry.box else ()
    return _Header(box, signature, (*rounded, BEYOND) if beyond else rounded)


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
    if entry.content is None and os.path.islink(entry.path) and not os.path.exists(entry.path):
        return "links that lead nowhere"
    if isinstance(error, _BoxOutside):
        return BOX_OUTSIDE
    if (how := next((text for text in UNREAD.values() if str(error).endswith(text)), None)) is not None:
        return f"files of which each is {how}"
    if isinstance(error, NotAPicture):
        length = os.path.getsize(entry.path) if entry.content is None else len(entry.content)
        return "empty files" if length == 0 else "files that are no pictures"
    if isinstance(error, PictureTooLarge):
        return "files that are too large"
    if isinstance(error, TruncatedPicture):
        return "pictures that are damaged"
    try:
        if entry.content is None:
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


class _Alike:
    """Finds files, and files with the same content, that stand in two classes.

    Only files of the same length and last bytes are read whole.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[tuple[int, bytes], Box | None], Picture] = {}
        self._groups: dict[int, list[Picture]] = {}

    def add(self, picture: Picture, header: _Header) -> None:
        first = self._first.setdefault((header.signature, header.box), picture)
        if first is not picture:
            self._groups.setdefault(id(first), [first]).append(picture)

    def tell(self, report: Report) -> None:
        """Report each by both places."""
        for pictures in self._groups.values():
            if len({picture.label for picture in pictures} - {""}) > 1:
                _tell_in_two_classes([picture for picture in pictures if picture.label], report)


def _tell_in_two_classes(pictures: list[Picture], report: Report) -> None:
    files: dict[tuple[int, int], Picture] = {}
    contents: dict[bytes, Picture] = {}
    for picture in pictures:
        if isinstance(picture.source, bytes):
            same = contents.setdefault(hashlib.sha256(picture.source).digest(), picture)
            if same.label != picture.label:
                report.add("check", "files with the same content in two classes", _both(same, picture))
            continue
        path = str(picture.source)
        try:
            status = os.stat(path)
            first = files.setdefault((status.st_dev, status.st_ino), picture)
            if first is not picture:
                if first.label != picture.label:
                    report.add("check", "files that stand in two classes", _both(first, picture))
                continue
            with open(path, "rb") as file:
                first = contents.setdefault(hashlib.file_digest(file, "sha256").digest(), picture)
        except OSError:  # it could be read a moment ago: decoding will tell
            continue
        if first.label != picture.label:
            report.add("check", "files with the same content in two classes", _both(first, picture))


def found_by_decoding(before: Dataset, after: Dataset, hashes: Sequence[str]) -> Iterator[str]:
    """What decoding a data set showed: pictures that it lost, and content in two classes that reading did not report.

    `hashes` are the content hashes of the pictures of `after`. Only files are compared: pictures that a program made,
    such as `glyphs`, have nobody who could mend them.
    """
    lost = after.skipped[len(before.skipped) :]
    if lost:
        yield f"left out: pictures that cannot be decoded: {len(lost):,}, such as {lost[0].name}: {lost[0].reason}"
    known = {item for remark in before.remarks for item in remark.items if remark.kind == "check"}
    first: dict[tuple[str, Box | None], Picture] = {}
    shared: list[str] = []
    for picture, content in zip(after, hashes, strict=True):
        if not isinstance(picture.source, Path | Packed):
            continue
        same = first.setdefault((content, picture.box), picture)
        if picture.label and same.label and same.label != picture.label and _both(same, picture) not in known:
            shared.append(_both(same, picture))
    if shared:
        yield str(
            Remark("check", f"pictures of the same content in two classes: {len(shared):,}", len(shared), tuple(shared))
        )


def _both(first: Picture, second: Picture) -> str:
    return f"{first.name} ({first.label}) and {second.name} ({second.label})"
