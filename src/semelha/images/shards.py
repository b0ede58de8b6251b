"""Shards: pictures in tar archives that keep each class together, with an index. WebDataset reads them too.

A shard has a picture `00000012.jpg` and beside it `00000012.cls`, the number of its class, and `00000012.json`, its
label and name. The index `shards.json` has the classes, their numbers of pictures, and where each picture lies.
Pictures are read by this index alone: no path, link or size in an archive is followed.
"""

from __future__ import annotations

import heapq
import io
import json
import os
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xxhash
from numpy.typing import NDArray
from PIL import Image

from semelha.arguments import check_int
from semelha.errors import DatasetError, UsageError
from semelha.files import PRIVATE_FILE, atomic_folder, write_file
from semelha.images.dataset import Dataset
from semelha.images.folder import SUFFIXES, folder_name
from semelha.images.formats import Limits
from semelha.images.groups import with_groups
from semelha.images.packed import Packed, is_url, read_object
from semelha.images.picture import Picture
from semelha.text import as_unicode
from semelha.untrusted import field_of, normalized_name, parse_json, read_bytes

INDEX = "shards.json"
VERSION = 1
MAX_INDEX = 2**30
SHARD_BYTES = 2**28
"""Of a shard, about, unless their number is said."""
MIN_SHARDS = 8
"""Unless their number is said, if there are as many classes."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.tar")
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class Shard:
    """An archive that was written."""

    name: str
    classes: int
    pictures: int
    bytes: int


def write_shards(
    dataset: Dataset,
    out: str | os.PathLike[str],
    *,
    number: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Shard, ...]:
    """Write the pictures of a data set, as they are, to shards and an index in the new folder `out`.

    Each class is in one shard, and the shards have about the same number of pictures. Groups are kept, and bursts are
    found as a training finds them, because it does not look for them in shards.

    Parameters
    ----------
    number : int, optional
        Number of shards, 1 to the number of classes. By default shards have about 256 MB, and are 8 or more.
    progress : callable, optional
        Called with (pictures written, all pictures).

    Raises
    ------
    UsageError
        There are fewer classes than shards.
    DatasetError
        A file cannot be read, `out` exists, or cannot be written.
    """
    dataset = with_groups(dataset)
    labels = dataset.classes
    if number is None:
        size = sum(_length(picture) for picture in dataset)
        number = min(len(labels), max(MIN_SHARDS, -(-size // SHARD_BYTES)))
    if check_int("number", number, 1, 10**6) > len(labels):
        raise UsageError(f"number is {number}: {dataset.name} has {len(labels)} classes, and each is in one shard")
    places = divide(dataset.counts(), number)
    digits = max(4, len(str(number - 1)))
    written: list[dict[str, Any]] = []
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, len(dataset))

    with atomic_folder(Path(out), private=True, error=DatasetError) as folder:
        for place in range(number):
            name = f"shards-{place:0{digits}d}.tar"
            own = sorted((one for one in dataset if places[one.label] == place), key=lambda one: one.label)
            with open(folder / name, "xb", opener=_private) as file:
                pictures = list(_write(file, own, done, labels, advance))
            written.append({"file": name, "bytes": (folder / name).stat().st_size, "pictures": pictures})
        counts = dataset.counts()
        index = {
            "version": VERSION,
            "name": as_unicode(dataset.name),
            "classes": [{"label": as_unicode(label), "pictures": counts[label]} for label in labels],
            "shards": written,
        }
        write_file(folder / INDEX, [json.dumps(index, ensure_ascii=False)], private=True, error=DatasetError)
    return tuple(
        Shard(one["file"], len({each["class"] for each in one["pictures"]}), len(one["pictures"]), one["bytes"])
        for one in written
    )


def divide(sizes: Mapping[Any, int], number: int) -> dict[Any, int]:
    """A part, 0 to `number` − 1, for each key, so that the parts have about the same size in all: largest first."""
    parts = [(0, place) for place in range(number)]
    found = {}
    for key in sorted(sizes, key=lambda key: (-sizes[key], key)):
        size, place = heapq.heappop(parts)
        found[key] = place
        heapq.heappush(parts, (size + sizes[key], place))
    return found


def class_shards(dataset: Dataset, number: int) -> NDArray[np.int64]:
    """(pictures,) The part, 0 to `number` − 1, that each picture belongs to: all of a class to the same.

    If each class is in one archive, all of an archive belong to the same too, and a process that needs one part reads
    as few archives as possible. Raises `DatasetError` if there are fewer classes than parts.
    """
    archives: dict[str, set[str]] = {}
    for picture in dataset:
        archives.setdefault(picture.label, set()).add(getattr(picture.source, "archive", picture.label))
    keys: dict[str, Hashable] = {label: label for label in archives}
    if all(len(several) == 1 for several in archives.values()):
        by_archive = {label: next(iter(several)) for label, several in archives.items()}
        if len(set(by_archive.values())) >= number:
            keys = dict(by_archive)
    of_pictures = [keys[picture.label] for picture in dataset]
    sizes = Counter(of_pictures)
    if len(sizes) < number:
        raise DatasetError(f"{dataset.name} has {len(sizes)} classes, which cannot be divided into {number} shards")
    places = divide(sizes, number)
    return np.array([places[key] for key in of_pictures], np.int64)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, PRIVATE_FILE)


def _length(picture: Picture) -> int:
    """Bytes of a picture, about."""
    source = picture.source
    if isinstance(source, Path):
        return source.stat().st_size
    if isinstance(source, Packed):
        return source.length
    return source.nbytes if isinstance(source, np.ndarray) else len(source)


def _write(
    file: BinaryIO, pictures: list[Picture], first: int, labels: tuple[str, ...], advance: Callable[[], None]
) -> Iterator[dict[str, Any]]:
    """Write an archive; the entries of its pictures in the index."""
    numbers = {label: number for number, label in enumerate(labels)}
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:

        def add(name: str, data: bytes) -> int:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            start = archive.offset + tarfile.BLOCKSIZE  # after its header, which is one block with so short a name
            archive.addfile(info, io.BytesIO(data))
            return start

        for place, picture in enumerate(pictures, first):
            data, suffix = _encoded(picture)
            key, number = f"{place:08d}", numbers[picture.label]
            start = add(f"{key}{suffix}", data)
            add(f"{key}.cls", str(number).encode())
            add(f"{key}.json", json.dumps({"label": picture.label, "name": as_unicode(picture.name)}).encode())
            optional = {
                "group": picture.group,
                "split": picture.split,
                "box": picture.box,
                "domain": picture.domain,
            }
            yield {
                "name": as_unicode(picture.name),
                "class": number,
                "start": start,
                "length": len(data),
                "xxh3": xxhash.xxh3_64_hexdigest(data),
                **{name: _as_json(value) for name, value in optional.items() if value is not None},
            }
            advance()


def _as_json(value: Any) -> Any:
    return as_unicode(value) if isinstance(value, str) else value


def _encoded(picture: Picture) -> tuple[bytes, str]:
    """The file of a picture and its suffix; an array becomes a PNG."""
    source, limit = picture.source, picture.limits.max_bytes
    if isinstance(source, np.ndarray):
        file = io.BytesIO()
        Image.fromarray(source).save(file, "PNG")
        return file.getvalue(), ".png"
    if isinstance(source, Path):
        try:
            data = read_bytes(source, max_bytes=limit, error=DatasetError)
        except FileNotFoundError as error:
            raise DatasetError(f"{as_unicode(str(source))} cannot be read: {error.strerror}") from error
    else:
        data = source.read(max_bytes=limit) if isinstance(source, Packed) else source
    suffix = Path(picture.name).suffix.lower()
    return data, suffix if suffix in SUFFIXES else ".jpg" if data[:2] == b"\xff\xd8" else ".png"


def is_sharded(path: str | os.PathLike[str]) -> bool:
    """Whether a path or URL names shards: their folder, their index, or archives such as `shards-{0000..0009}.tar`."""
    name = os.fspath(path)
    return is_url(name) or name.endswith(".tar") or Path(name).name == INDEX or (Path(name) / INDEX).is_file()


def read_shards(
    path: str | os.PathLike[str], *, limits: Limits, within: str | os.PathLike[str] | None = None
) -> Dataset:
    """The pictures of shards, by their index; no archive is opened. Raises `DatasetError`, `MissingExtra`."""
    base, wanted = _split(os.fspath(path))
    name = f"{base}{INDEX}"
    try:
        data = (
            read_object(name, max_bytes=MAX_INDEX)
            if is_url(name)
            else read_bytes(Path(name), max_bytes=MAX_INDEX, error=DatasetError)
        )
    except FileNotFoundError as error:
        raise DatasetError(
            f"{as_unicode(os.fspath(path))} has no index {INDEX} beside it: make shards by semelha shards"
        ) from error
    index = parse_json(data, as_unicode(name), max_bytes=MAX_INDEX, error=DatasetError)
    if index.get("version") != VERSION:
        raise DatasetError(f"{as_unicode(name)} is no index of shards that this semelha reads")
    return _Reader(base, as_unicode(name), limits, within).dataset(index, wanted)


def _split(path: str) -> tuple[str, list[str] | None]:
    """The place of the index, with its separator, and the archives that are wanted: None is all."""
    cut = max(path.rfind("/"), path.rfind(os.sep)) + 1
    base, last = path[:cut], path[cut:]
    if last == INDEX:
        return base, None
    if not last.endswith(".tar"):
        return path if path.endswith(("/", os.sep)) else f"{path}/", None
    if (found := _RANGE.search(last)) is None:
        return base, [last]
    low, high = int(found[1]), int(found[2])
    if not low <= high < low + 10**6:
        raise DatasetError(f"{as_unicode(path)} names no archives: write such as shards-{{0000..0009}}.tar")
    width = len(found[1])
    return base, [f"{last[: found.start()]}{number:0{width}d}{last[found.end() :]}" for number in range(low, high + 1)]


@dataclass(frozen=True)
class _Reader:
    """Reads an index, which may come from outside."""

    base: str
    name: str
    limits: Limits
    within: str | os.PathLike[str] | None

    def dataset(self, index: dict[str, Any], wanted: list[str] | None) -> Dataset:
        labels = [self._label(one) for one in self._get(index, "classes", list)]
        if len(set(labels)) < len(labels):
            raise DatasetError(f"{self.name} is damaged: it has a class twice")
        shards = {self._file(one): one for one in self._get(index, "shards", list)}
        missing = [file for file in wanted or () if file not in shards]
        if missing:
            raise DatasetError(f"{self.name} has no shard {as_unicode(missing[0])}")
        pictures = [
            picture
            for file, shard in shards.items()
            if wanted is None or file in wanted
            for picture in self._pictures(file, shard, labels)
        ]
        if not pictures:
            raise DatasetError(f"{self.name} names no picture")
        return Dataset(self._get(index, "name", str) or folder_name(Path(self.base)), tuple(pictures))

    def _label(self, one: Any) -> str:
        label = normalized_name(self._get(one, "label", str))
        self._number(one, "pictures")
        return label

    def _file(self, one: Any) -> str:
        file: str = self._get(one, "file", str)
        if not _NAME.fullmatch(file):
            raise DatasetError(f"{self.name} is damaged: {as_unicode(file)[:80]!r} is no name of a shard")
        return file

    def _pictures(self, file: str, shard: dict[str, Any], labels: list[str]) -> Iterator[Picture]:
        archive, size = f"{self.base}{file}", self._number(shard, "bytes")
        if not is_url(archive):
            self._check_local(archive, size)
        elif self.within is not None:
            raise DatasetError(f"{file} does not lie in the folder of the data set")
        for one in self._get(shard, "pictures", list):
            start, length = self._number(one, "start"), self._number(one, "length")
            number = self._number(one, "class")
            if number >= len(labels) or not length or start + length > size:
                raise DatasetError(f"{self.name} is damaged: a picture of {file} has no class, or lies outside of it")
            yield Picture(
                Packed(archive, start, length, self._get(one, "xxh3", str)),
                labels[number],
                as_unicode(self._get(one, "name", str)),
                self._optional(one, "group"),
                self._optional(one, "split"),
                self._box(one),
                self.limits,
                self._optional(one, "domain"),
            )

    def _check_local(self, archive: str, size: int) -> None:
        real = os.path.realpath(archive)
        if self.within is not None and not real.startswith(os.path.join(os.path.realpath(self.within), "")):
            raise DatasetError(f"{as_unicode(archive)} does not lie in the folder of the data set")
        try:
            found = os.stat(archive).st_size
        except OSError as error:
            raise DatasetError(f"the shard {as_unicode(archive)} cannot be read: {error.strerror}") from error
        if found != size:
            raise DatasetError(f"the shard {as_unicode(archive)} has {found:,} bytes, and its index says {size:,}")

    def _get(self, content: Any, key: str, kind: type) -> Any:
        if not isinstance(content, dict):
            raise DatasetError(f"{self.name} is damaged: an entry of it is no object")
        return field_of(content, key, kind, self.name, error=DatasetError)

    def _number(self, content: Any, key: str) -> int:
        number: int = self._get(content, key, int)
        if not 0 <= number < 2**53:
            raise DatasetError(f"{self.name} is damaged: its {key!r} is {number}")
        return number

    def _optional(self, content: dict[str, Any], key: str) -> str | None:
        return self._get(content, key, str) if key in content else None

    def _box(self, content: dict[str, Any]) -> tuple[int, int, int, int] | None:
        if "box" not in content:
            return None
        box = self._get(content, "box", list)
        if len(box) != 4 or any(type(number) is not int for number in box):
            raise DatasetError(f"{self.name} is damaged: a box is no four whole numbers")
        return box[0], box[1], box[2], box[3]
