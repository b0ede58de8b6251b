"""Read catalogues: a folder `iconic`, `catalogue` or `catalog` of clean pictures of the classes of photos."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from semelha.errors import DatasetError
from semelha.images.folder import SUFFIXES, Entry, Found, Walk, folder_name, read_classes, tell_merged
from semelha.images.names import ICONIC, domain_name
from semelha.text import as_unicode
from semelha.untrusted import normalized_name


@dataclass
class _Parts:
    """Files and folders of a data set with a catalogue. Labels are those that the names of files and folders say."""

    iconic: str  # the folder of catalogue pictures
    files: list[str]  # directly in it
    products: list[str]  # class folders in it
    photos: str  # the folder that the class folders of photos lie in
    classes: list[str]  # these class folders
    beside: list[str]  # files beside them

    @property
    def iconic_labels(self) -> set[str]:
        """Labels in the catalogue; files of other suffixes than those of pictures are not counted."""
        pictures = [Path(file).stem for file in self.files if Path(file).suffix.lower() in SUFFIXES]
        return _labels([*pictures, *map(os.path.basename, self.products)])

    @property
    def photo_labels(self) -> set[str]:
        return _labels(map(os.path.basename, self.classes))


def looks_like_catalogue(root: Path) -> bool:
    """Whether a folder of catalogue pictures lies in `root`, and half of its labels at least are those of photos."""
    parts = _parts(Walk(root, Found("")))
    if parts is None or not parts.iconic_labels:
        return False
    return 2 * len(parts.iconic_labels & parts.photo_labels) >= len(parts.iconic_labels)


def catalogue(root: Path) -> Found:
    """`root/iconic/class.…` or `root/iconic/class/…/picture`, beside `root/photos/class/…/picture` (the folder may have
    any name) or `root/class/…/picture`.

    Catalogue pictures get the domain "iconic", also those of classes without a photo. Photos get none.

    Raises
    ------
    DatasetError
        There is no folder of catalogue pictures, or no class folder beside it.
    """
    found = Found(folder_name(root))
    walk = Walk(root, found)
    parts = _parts(walk)
    if parts is None:
        raise DatasetError(
            f"{as_unicode(str(root))} does not have the layout catalogue: it needs one folder called iconic, catalogue "
            "or catalog, and beside it class folders of photos, or one folder that contains them"
        )
    found.entries += [Entry(file, "", walk.shown(file), beside=True) for file in parts.beside]
    spellings: dict[str, list[str]] = {}
    read_classes(found, walk, [each for each in parts.classes if each < parts.iconic], None, spellings)
    _read_iconic(found, walk, parts, spellings)
    read_classes(found, walk, [each for each in parts.classes if each > parts.iconic], None, spellings)
    tell_merged(found.report, spellings)
    return found


def _parts(walk: Walk) -> _Parts | None:
    beside, folders = walk.entries(walk.root, inside_class=False)
    named = [folder for folder in folders if domain_name(os.path.basename(folder)) == ICONIC]
    others = [folder for folder in folders if folder not in named]
    if len(named) != 1 or not others:
        return None
    files, products = walk.entries(named[0], inside_class=False)
    parts = _Parts(named[0], files, products, walk.root, others, beside)
    if len(others) == 1 and not parts.iconic_labels & parts.photo_labels:
        within, classes = walk.entries(others[0], inside_class=False)
        if classes:
            return _Parts(named[0], files, products, others[0], classes, beside + within)
    return parts


def _read_iconic(found: Found, walk: Walk, parts: _Parts, spellings: dict[str, list[str]]) -> None:
    """Add the catalogue pictures, and report them; `spellings` collects the names of files and folders by label."""
    start = len(found.entries)
    labels = parts.iconic_labels | parts.photo_labels
    for file in parts.files:
        stem = Path(file).stem
        label = normalized_name(stem)
        if label not in labels:
            found.entries.append(Entry(file, "", walk.shown(file), beside=True))
            continue
        if stem not in spellings.setdefault(label, []):
            spellings[label].append(stem)
        found.entries.append(Entry(file, label, walk.shown(file), domain=ICONIC))
    read_classes(found, walk, parts.products, None, spellings, ICONIC)
    count = sum(entry.domain == ICONIC for entry in found.entries[start:])
    where = "beside it" if parts.photos == walk.root else f"in {walk.shown(parts.photos)}"
    found.report.add(
        "assumed", f"the {count:,} pictures in {walk.shown(parts.iconic)} are catalogue pictures of classes {where}"
    )
    alone = sorted(parts.iconic_labels - parts.photo_labels)
    if alone:
        found.report.add("check", "names of catalogue pictures that no class of photos has", *alone)


def _labels(names: Iterable[str]) -> set[str]:
    return {normalized_name(name) for name in names} - {""}
