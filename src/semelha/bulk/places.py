"""Where the pictures of a bulk embedding are: folders, manifests, files, patterns, and URLs of object storage."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn
from urllib.request import url2pathname

from semelha.errors import DatasetError, MissingExtra, PictureError, PictureTooLarge, UsageError
from semelha.images import Dataset, Limits, Picture, Remark, expand_pattern, read_dataset
from semelha.images.decode import OpenPicture
from semelha.images.folder import SUFFIXES
from semelha.images.names import is_junk_file, is_junk_folder
from semelha.images.reader import MANIFESTS
from semelha.images.report import Report
from semelha.text import as_unicode
from semelha.untrusted import normalized_name

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)")
LOCAL = "file://"
MAGIC = re.compile(r"[*?\[]")
READERS = 16  # files of object storage that are read at a time: each waits for the network
VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "checksum", "LastModified", "last_modified", "updated", "mtime")
"""Entries of a listing that change with a file, of which the first that is there counts."""


def _nothing() -> bytes:
    return b""


@dataclass(frozen=True, eq=False)
class RemotePicture(Picture):
    """A picture in object storage, whose content is read when it is decoded.

    Parameters
    ----------
    version : str
        Its size and what else of its listing changes with it.
    read : callable
        Returns its content.
    """

    version: str = ""
    read: Callable[[], bytes] = _nothing

    def open(self, limits: Limits | None = None, *, at_least: int | None = None) -> OpenPicture:
        """As `Picture.open`; raises `PictureError` too if the content cannot be read."""
        try:
            content = self.read()
        except PictureError:
            raise
        except Exception as error:  # file systems of fsspec raise many kinds
            raise PictureError(f"{self.name} cannot be read: {error}") from error
        return OpenPicture(content, name=self.name, box=self.box, limits=limits or self.limits, at_least=at_least)


def read_places(
    places: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, limits: Limits = Limits()
) -> Dataset:
    """The pictures of places, in order: each is a folder, a manifest, a file, a pattern, or a URL that fsspec reads.

    The label of a picture is its class as `read_dataset` finds it, or below a URL its first folder; "" without one. Its
    name is its path or its URL.

    Raises
    ------
    DatasetError
        A place cannot be read, or has no pictures.
    UsageError
        There is no place, no file matches a pattern, or fsspec does not know the protocol of a URL.
    MissingExtra
        A URL needs a package that is not installed.
    """
    each = [places] if isinstance(places, str | os.PathLike) else list(places)
    if not each:
        raise UsageError("pictures is empty: pass a folder, a file or a URL")
    found = [_read_place(os.fspath(place), limits) for place in each]
    return Dataset(
        found[0].name,
        tuple(picture for one in found for picture in one),
        tuple(skipped for one in found for skipped in one.skipped),
        tuple(remark for one in found for remark in one.remarks),
    )


def with_content(pictures: Iterable[Picture]) -> Iterator[Picture]:
    """The pictures, of which those in object storage are read ahead, as far as the caller iterates ahead."""
    pool: ThreadPoolExecutor | None = None
    try:
        for picture in pictures:
            if not isinstance(picture, RemotePicture):
                yield picture
                continue
            pool = pool or ThreadPoolExecutor(READERS, "read")
            yield replace(picture, read=pool.submit(picture.read).result)
    except GeneratorExit:
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        if pool is not None:
            pool.shutdown(wait=False)


def _read_place(place: str, limits: Limits) -> Dataset:
    if place.startswith(LOCAL) and "::" not in place:
        place = url2pathname(place.removeprefix(LOCAL))
    if URL.match(place):
        return _read_url(place, limits)
    path = Path(place)
    if path.is_dir() or (path.is_file() and path.suffix.lower() in {*MANIFESTS, ".json"}):
        found = read_dataset(path, labelled=False, limits=limits)
        return replace(found, pictures=tuple(replace(one, name=_path_of(one)) for one in found))
    pictures = tuple(Picture(file, "", str(file), limits=limits) for file in expand_pattern(path))
    return Dataset(as_unicode(path.name), pictures)


def _path_of(picture: Picture) -> str:
    return str(picture.source) if isinstance(picture.source, Path) else picture.name


def _read_url(url: str, limits: Limits) -> Dataset:
    """List the pictures below a URL. Files that are no pictures by their suffixes are ignored."""
    filesystem, root = _file_system(url)
    try:
        listed: dict[str, dict[str, Any]] = (
            filesystem.glob(root, detail=True) if MAGIC.search(root) else filesystem.find(root, detail=True)
        )
    except Exception as error:  # as above
        raise DatasetError(f"{url} cannot be read: {error}") from error
    base = root if (magic := MAGIC.search(root)) is None else root[: magic.start()].rpartition("/")[0]
    report = Report()
    pictures = []
    for path, details in sorted(listed.items()):
        if details.get("type") == "directory":
            continue
        name = filesystem.unstrip_protocol(path)
        folders, file = _below(base, path)
        if _is_ignored(folders, file):
            report.add("ignored", "hidden files, and files of desktop software", name)
        elif PurePosixPath(file).suffix.lower() not in {*SUFFIXES, ""}:
            report.add("ignored", "files that are no pictures by their names", name)
        else:
            read = partial(_content, url, path, details.get("size"), limits.max_bytes)
            version = f"{details.get('size')} {next((details[key] for key in VERSIONS if key in details), '')}"
            label = normalized_name(folders[0]) if folders else ""
            pictures.append(RemotePicture(b"", label, as_unicode(name), limits=limits, version=version, read=read))
    if not pictures:
        raise DatasetError(f"{url} contains no pictures")
    remarks: tuple[Remark, ...] = report.remarks()
    return Dataset(url, tuple(pictures), (), remarks)


def _below(base: str, path: str) -> tuple[list[str], str]:
    """Folders below the root, and the name of the file; of the root itself, if that is a file, its name alone."""
    inside = path[len(base) :] if path.startswith(base) else path
    parts = [part for part in inside.split("/") if part]
    return (parts[:-1], parts[-1]) if parts else ([], path.rpartition("/")[2])


def _is_ignored(folders: Sequence[str], file: str) -> bool:
    return (
        file.startswith(".")
        or is_junk_file(file)
        or any(
            folder.startswith(".") or is_junk_folder(folder, inside_class=bool(depth))
            for depth, folder in enumerate(folders)
        )
    )


def _content(url: str, path: str, size: int | None, most: int) -> bytes:
    """The content of a file below a URL; called in threads.

    Raises `PictureTooLarge`, and whatever its file system raises.
    """
    if size is not None and size > most:
        raise PictureTooLarge(f"{path} has {size:,} bytes: max_bytes is {most:,}")
    content: bytes = _file_system(url)[0].cat_file(path)
    return content


def _file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it. Credentials are those of its environment."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtra(f'{url} needs fsspec: pip install "semelha[parquet]"') from error
    try:
        filesystem, path = url_to_fs(url)
    except ImportError as error:
        raise MissingExtra(f"{url} needs a package that is not installed: {error}") from error
    except ValueError as error:
        _refuse(url, error)
    return filesystem, str(path)


def _refuse(url: str, error: Exception) -> NoReturn:
    raise UsageError(f"pictures is {url!r:.200}, which fsspec cannot read: {error}") from error
