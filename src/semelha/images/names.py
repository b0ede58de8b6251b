"""Words for splits and domains, and the names of folders and files that desktops and NAS software leave."""

from __future__ import annotations

import re

SPLITS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst"),
    "gallery": ("gallery", "galleries", "reference", "references", "database"),
    "query": ("query", "queries", "probe", "probes"),
}
"""The name of each split, and the words for it; case does not matter."""
_SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}

ICONIC = "iconic"
"""The domain of clean pictures, one or a few of each product, as catalogues have."""
_ICONIC_WORDS = frozenset({ICONIC, "catalogue", "catalog"})

JUNK_FOLDERS = frozenset(
    {
        *("@eadir", "@tmp", "@sharebin", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"),
        *("$recycle.bin", "recycler", "recycled", "system volume information", "lost+found", "__macosx"),
        *("network trash folder", "temporary items", "thevolumesettingsfolder", "captureone", "_gsdata_", "_vti_cnf"),
        *("__pycache__", "zbthumbnails"),
    }
)
"""Folders of desktops, cameras and NAS software, in lower case, that are ignored wherever they are."""
JUNK_INSIDE = frozenset({"thumbnails", "thumbnail", "thumbs", "_thumbs", "previews", "preview", "trash", "recycle bin"})
"""Folders that are ignored inside a class, but may be the name of one."""
JUNK_FILES = frozenset(
    {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "zbthumbnail.info", "icon\r", "folder.htt"}
)
_JUNK_PATTERN = re.compile(r"found\.\d{3}|.*\.lrdata|.*\.lrcat-data|trash-\d+|synofile_thumb.*", re.DOTALL)


def split_name(name: str) -> str:
    """The name of a split in lower case; "valid", "validation" and "dev" become "val"; `SPLITS` has all words."""
    word = name.strip().casefold()
    return _SPLIT_OF.get(word, word)


def is_split(name: str) -> bool:
    """Whether a name is a word for a split."""
    return name.strip().casefold() in _SPLIT_OF


def domain_name(name: str) -> str:
    """The name of a domain in lower case; "catalogue" and "catalog" become "iconic"."""
    word = name.strip().casefold()
    return ICONIC if word in _ICONIC_WORDS else word


def is_junk_folder(name: str, *, inside_class: bool) -> bool:
    """Whether desktop or NAS software gives this name to its own folders."""
    word = name.casefold().strip()
    return word in JUNK_FOLDERS or (inside_class and word in JUNK_INSIDE) or bool(_JUNK_PATTERN.fullmatch(word))


def is_junk_file(name: str) -> bool:
    """Whether desktop software gives this name to its own files."""
    word = name.casefold()
    return word in JUNK_FILES or word.startswith("synofile_thumb")
