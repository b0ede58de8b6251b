"""The built-in example data set: characters drawn in the typefaces that Matplotlib ships.

A class is a character, and each of its pictures shows it in another typeface: many classes with few pictures each,
drawn in seconds, offline and reproducibly. Train on some scripts, and recognize characters of scripts never seen.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

from semelha.arguments import check_int, check_types
from semelha.errors import UsageError
from semelha.images.dataset import Dataset
from semelha.images.picture import Picture

TEST_SCRIPTS = ("Armenian", "Georgian", "Hebrew", "Canadian syllabics")
TRAIN_SCRIPTS = ("Latin", "Greek", "Cyrillic", "Arabic", "Lao", "Braille", "Symbols")
REFERENCE_FACE = "DejaVu Sans"

# Typefaces with the characters of their code points; the others of Matplotlib have parts of formulas.
_FILES = ("DejaVu", "STIXGeneral")
_NAMED = {
    "ARMENIAN": "Armenian",
    "GEORGIAN": "Georgian",
    "HEBREW": "Hebrew",
    "CANADIAN": "Canadian syllabics",
    "LATIN": "Latin",
    "GREEK": "Greek",
    "COPTIC": "Greek",
    "CYRILLIC": "Cyrillic",
    "ARABIC": "Arabic",
    "LAO": "Lao",
    "BRAILLE": "Braille",
}


@check_types
def glyphs(scripts: Sequence[str] | None = None, *, size: int = 64, min_faces: int = 4) -> Dataset:
    """Draw characters, black on white, centered by their ink, all at one font size.

    Labels are `script/U+XXXX`, names `typeface/U+XXXX`.

    Characters are letters, digits, punctuation and symbols; no combining marks, and no second code point for
    the same character in another font. Of characters that `REFERENCE_FACE` draws identically, in any script, only
    the first is a class, so that no character of a test script occurs among the training scripts. A typeface that draws
    a character exactly as a previous one adds no picture.

    With the 18 typefaces of Matplotlib 3.11 (DejaVu and STIXGeneral) there are 3,740 classes of 4 to 16
    pictures, 32,731 in all. To train on, Symbols 1,124 (digits, punctuation, arrows, mathematics, small
    alphabets), Latin 942, Greek 310, Cyrillic 246, Arabic 205, Braille 192, Lao 50; to test on, 671:
    Canadian syllabics 394, Georgian 120, Armenian 86, Hebrew 71.

    Parameters
    ----------
    scripts : sequence of str, optional
        Of `TRAIN_SCRIPTS` and `TEST_SCRIPTS`; all by default.
    size : int
        Side of a picture, in pixels.
    min_faces : int
        Leave out characters that fewer typefaces draw.

    Raises
    ------
    UsageError
        A script is unknown, or `size` is out of range.
    """
    check_int("size", size, 8, 4096)
    wanted = TRAIN_SCRIPTS + TEST_SCRIPTS if scripts is None else tuple(scripts)
    unknown = sorted(set(wanted) - {*TRAIN_SCRIPTS, *TEST_SCRIPTS})
    if unknown:
        raise UsageError(
            f"no script is called {', '.join(unknown)}: there are {', '.join(TRAIN_SCRIPTS + TEST_SCRIPTS)}"
        )
    faces = {
        name: ImageFont.truetype(str(file), round(0.62 * size), layout_engine=ImageFont.Layout.BASIC)
        for name, (file, _) in _faces().items()
    }
    pictures: list[Picture] = []
    drawn_before: set[bytes] = set()
    for code, names in sorted(_coverage().items()):
        script = script_of(code)
        if script is None or len(names) < min_faces:
            continue
        first = _draw(chr(code), faces[names[0]], size)
        if first is None or first.tobytes() in drawn_before:
            continue
        drawn_before.add(first.tobytes())
        if script not in wanted:
            continue
        drawings = {first.tobytes(): (names[0], first)}
        for name in names[1:]:
            pixels = _draw(chr(code), faces[name], size)
            if pixels is not None:
                drawings.setdefault(pixels.tobytes(), (name, pixels))
        if len(drawings) >= min_faces:
            pictures += [
                Picture(source=pixels, label=f"{script}/U+{code:04X}", name=f"{name}/U+{code:04X}")
                for name, pixels in drawings.values()
            ]
    return Dataset(name="glyphs: " + ", ".join(wanted), pictures=tuple(pictures))


def script_of(code: int) -> str | None:
    """The script of a code point, or None if it is left out."""
    character = chr(code)
    name = unicodedata.name(character, "")
    if unicodedata.category(character)[0] not in "LNPS" or unicodedata.decomposition(character).startswith("<font>"):
        return None
    return _NAMED.get(name.split(" ")[0], "Symbols") if name else None


def _draw(character: str, face: ImageFont.FreeTypeFont, size: int) -> NDArray[np.uint8] | None:
    """(size, size) uint8, or None if the typeface draws nothing."""
    mask = face.getmask(character, mode="L")
    width, height = mask.size
    if not width or not height:
        return None
    ink = np.frombuffer(bytes(mask), np.uint8).reshape(height, width)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return None
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    room = size - 4
    if max(ink.shape) > room:  # a character wider than the picture is drawn smaller
        smaller = face.font_variant(size=face.size * room / max(ink.shape) * 0.98)
        return _draw(character, smaller, size) if smaller.size < face.size else None
    out = np.full((size, size), 255, np.uint8)
    top, left = (size - ink.shape[0]) // 2, (size - ink.shape[1]) // 2
    out[top : top + ink.shape[0], left : left + ink.shape[1]] = 255 - ink
    return out


@cache
def _faces() -> dict[str, tuple[Path, frozenset[int]]]:
    """File and code points of each typeface, the reference face first."""
    import matplotlib  # here, because it takes long to import and identification does not need it
    from fontTools.ttLib import TTFont

    found: dict[str, tuple[Path, frozenset[int]]] = {}
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for file in sorted(folder.glob("*.ttf")):
        if file.name.startswith(_FILES):
            with TTFont(file, lazy=True) as font:
                found[font["name"].getDebugName(4)] = (file, frozenset(font.getBestCmap()))
    return {name: found[name] for name in sorted(found, key=lambda name: (name != REFERENCE_FACE, name))}


def _coverage() -> dict[int, list[str]]:
    """The typefaces that have each code point, in the order of `_faces`."""
    coverage: dict[int, list[str]] = defaultdict(list)
    for name, (_, codes) in _faces().items():
        for code in codes:
            coverage[code].append(name)
    return coverage
