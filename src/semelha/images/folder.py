"""Read folders: a folder for each class, with or without a folder for each split above them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from semelha.errors import DatasetError
from semelha.images.dataset import Skipped
from semelha.images.names import is_junk_file, is_junk_folder, is_split, split_name
from semelha.images.report import Report
from semelha.text import as_unicode
from semelha.untrusted import normalized_name

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
        *(".avif", ".heic", ".pgm", ".ppm"),
    }
)
"""Suffixes of pictures. Files without one are tried too."""
FloatBox = tuple[float, float, float, float]


@dataclass(slots=True)
class Entry:
    """A file that may be a picture, as a layout describes it."""

    path: str
    label: str
    name: str
    group: str | None = None
    split: str | None = None
    box: FloatBox | None = None  # left, top, right, bottom
    relative_box: bool = False  # in fractions of the width and height
    beside: bool = False  # it has no class
    domain: str | None = None
    content: bytes | None = None  # of the file, which is not read from `path` then


@dataclass
class Found:
    """What a layout describes, before any file is opened."""

    name: str
    entries: list[Entry] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)  # of all classes, also of those without a file
    skipped: list[Skipped] = field(default_factory=list)
    report: Report = field(default_factory=Report)
    unlabelled: tuple[str, str] = (
        "it lies beside the class folders: it has no class",
        "pictures beside the class folders",
    )  # why a picture without a class is left out, and what such pictures are called

    def skip(self, name: str, reason: str, topic: str) -> None:
        """Leave a file or folder out, counted under `topic`."""
        self.skipped.append(Skipped(name, reason))
        self.report.add("left out", topic, name)


class Walk:
    """Lists the files below folders of `root`, without hidden and junk ones; links to folders are followed once."""

    def __init__(self, root: Path, found: Found) -> None:
        self.root, self._found = str(root), found
        self._real_root = os.path.realpath(root)
        self._followed: set[str] = set()

    def shown(self, path: str) -> str:
        """The path below the root as valid Unicode, with slashes."""
        return as_unicode(path[len(self.root) :].lstrip(os.sep).replace(os.sep, "/"))

    def entries(self, folder: str, *, inside_class: bool = True) -> tuple[list[str], list[str]]:
        """Files and folders directly in a folder, each sorted by name."""
        files: list[str] = []
        folders: list[str] = []
        try:
            with os.scandir(folder) as opened:
                listed = sorted(opened, key=lambda one: one.name)
        except OSError as error:
            if folder == self.root:
                raise DatasetError(f"{as_unicode(folder)} cannot be read: {error.strerror}") from error
            reason = f"the folder cannot be read: {error.strerror}"
            self._found.skip(self.shown(folder), reason, "folders that cannot be read")
            return files, folders
        for one in listed:
            if one.name.startswith("."):
                self._found.report.add("ignored", "hidden files and folders", self.shown(one.path))
            elif not _is_folder(one):
                if is_junk_file(one.name):
                    self._found.report.add("ignored", "files of desktop software", self.shown(one.path))
                else:
                    files.append(one.path)
            elif is_junk_folder(one.name, inside_class=inside_class):
                text = "folders that desktop or NAS software leaves (thumbnails, trash)"
                self._found.report.add("ignored", text, self.shown(one.path))
            elif not one.is_symlink() or self._follows(one.path):
                folders.append(one.path)
        return files, folders

    def files(self, folder: str) -> Iterator[str]:
        """All files below a class folder: those directly in it first, then those of each folder in turn."""
        stack = [folder]
        while stack:
            files, folders = self.entries(stack.pop())
            stack.extend(reversed(folders))
            yield from files

    def _follows(self, link: str) -> bool:
        """Whether a link to a folder is followed: it leads out of the data set, and to a folder not read before."""
        target = os.path.realpath(link)
        inside = os.path.relpath(target, self._real_root)
        name = self.shown(link)
        if inside == os.curdir or set(inside.split(os.sep)) == {os.pardir}:
            reason = "the link makes a loop: it leads to the folder that is read, or to one above it"
        elif not inside.startswith(os.pardir) and not any(
            part.startswith(".") or is_junk_folder(part, inside_class=True) for part in inside.split(os.sep)
        ):
            reason = "the link leads to another folder of the data set: its pictures are read there"
        elif any(_lies_in(target, other) or _lies_in(other, target) for other in self._followed):
            reason = "the link leads to a folder that another link leads to"
        else:
            self._followed.add(target)
            return True
        self._found.skip(name, reason, "links to folders that are read elsewhere, or that make a loop")
        return False


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def check_folder(path: str | os.PathLike[str]) -> Path:
    """The path as a folder that exists. Raises `DatasetError`."""
    root = Path(path)
    if not root.is_dir():
        name = as_unicode(str(root))
        raise DatasetError(f"{name} is not a folder" if os.path.lexists(root) else f"there is no folder {name}")
    return root


def folder_name(root: Path) -> str:
    """The name of a folder for messages."""
    return as_unicode(root.resolve().name) or str(root)


def class_folders(root: Path, *, labelled: bool) -> Found:
    """`root/class/…/picture`. Without labels, pictures may lie beside the class folders."""
    found = Found(folder_name(root))
    walk = Walk(root, found)
    files, folders = walk.entries(walk.root, inside_class=False)
    found.entries += [Entry(file, "", walk.shown(file), beside=True) for file in files]
    spellings: dict[str, list[str]] = {}
    read_classes(found, walk, folders, None, spellings)
    tell_merged(found.report, spellings)
    if len(folders) == 1 and labelled:
        within = Walk(root, Found("")).entries(folders[0])[1]
        if len(within) > 1 and not any(os.path.dirname(one.path) == folders[0] for one in found.entries):
            found.report.add(
                "check",
                f"all pictures are of the one class {found.labels[0]}, in {len(within)} folders: if these are the "
                f"classes, pass {as_unicode(folders[0])}",
            )
    return found


def split_folders(root: Path) -> Found:
    """`root/split/class/…/picture`, or without labels `root/split/picture`."""
    found = Found(folder_name(root))
    walk = Walk(root, found)
    files, folders = walk.entries(walk.root, inside_class=False)
    found.entries += [Entry(file, "", walk.shown(file), beside=True) for file in files]
    spellings: dict[str, list[str]] = {}
    for folder in folders:
        split = split_name(os.path.basename(folder))
        within, classes = walk.entries(folder, inside_class=False)
        found.entries += [Entry(file, "", walk.shown(file), split=split, beside=True) for file in within]
        read_classes(found, walk, classes, split, spellings)
    tell_merged(found.report, spellings)
    names = ", ".join(as_unicode(os.path.basename(folder)) for folder in folders)
    found.report.add("assumed", f"the folders {names} are splits, and the folders in them classes")
    return found


def read_classes(
    found: Found,
    walk: Walk,
    folders: list[str],
    split: str | None,
    spellings: dict[str, list[str]],
    domain: str | None = None,
) -> None:
    """Add the pictures of class folders. `spellings` collects the names of folders by label."""
    for folder in folders:
        raw = os.path.basename(folder)
        label = normalized_name(raw)
        if not label:
            found.skip(walk.shown(folder), "the name of the folder is empty", "folders without a name")
            continue
        known = spellings.setdefault(label, [])
        if raw not in known:
            known.append(raw)
        found.entries += [
            Entry(file, label, walk.shown(file), split=split, domain=domain) for file in walk.files(folder)
        ]
    found.labels = list(spellings)


def tell_merged(report: Report, spellings: dict[str, list[str]]) -> None:
    """Report names that became one class; `spellings` has the names of each label."""
    for label, names in spellings.items():
        if len(names) > 1:
            spelled = ", ".join(ascii(as_unicode(name)) for name in names)
            report.add("check", f"names that differ only by spaces or encoding are one class, {label}: {spelled}")


def looks_split(root: Path, *, labelled: bool) -> bool:
    """Whether the folders in `root` are splits. Raises `DatasetError` if they may be splits or classes."""
    walk = Walk(root, Found(""))
    folders = walk.entries(walk.root, inside_class=False)[1]
    named = [folder for folder in folders if is_split(os.path.basename(folder))]
    if not named:
        return False
    inside = [walk.entries(folder, inside_class=False) for folder in named]
    with_pictures = [any(Path(file).suffix.lower() in SUFFIXES for file in files) for files, _ in inside]
    nested = any(classes for _, classes in inside)
    others = len(folders) - len(named)
    if not others and ((nested and not any(with_pictures)) or (not labelled and len(named) > 1)):
        return True
    if not labelled or (others and (len(named) == 1 or not nested)) or (len(named) == 1 and not nested):
        return False  # classes that are called so
    names = ", ".join(as_unicode(os.path.basename(folder)) for folder in named)
    raise DatasetError(
        f"the folders {names} in {as_unicode(str(root))} may be splits or classes: say layout class-folders if they "
        "are classes (--layout class-folders), or split-folders if class folders lie in them (--layout split-folders)"
    )
