"""Evidence on a sheet: the probe, what made it similar, what it matched, and what came second."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from semelha.errors import PictureError
from semelha.images import decode

if TYPE_CHECKING:
    from semelha.recognition.evidence import Evidence, Exhibit

SIDE, GAP, LINE = 240, 20, 22  # pixels: of a picture, between two, of a line of text
INK, FAINT, PAPER, EMPTY = (25, 25, 30), (110, 110, 120), (255, 255, 255), (236, 236, 240)
FOR, AGAINST = (214, 39, 40), (31, 119, 180)  # what made it similar, and what made it less so
STRONGEST = 0.75  # how much of the picture the strongest color covers

Tile = tuple[Image.Image, tuple[str, ...]]


def drawn(evidence: Evidence) -> bytes:
    """The sheet as a PNG file."""
    rows = [_of_probe(evidence), _of_examples(evidence)]
    wide = GAP + (SIDE + GAP) * max(3, *map(len, rows))
    title, numbers, note = _head(evidence)
    head = [title, numbers, *_wrapped(note, wide - 2 * GAP)]
    high = GAP + LINE * len(head) + sum(GAP + SIDE + LINE * 3 for row in rows if row) + GAP
    sheet = Image.new("RGB", (wide, high), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for number, line in enumerate(head):
        _write(draw, (GAP, top), line, wide - 2 * GAP, bold=number == 0, faint=number > 1)
        top += LINE
    for row in rows:
        top += GAP
        for place, (picture, captions) in enumerate(row):
            left = GAP + (SIDE + GAP) * place
            sheet.paste(picture, (left + (SIDE - picture.width) // 2, top + (SIDE - picture.height) // 2))
            for below, caption in enumerate(captions):
                _write(draw, (left, top + SIDE + 4 + LINE * below), caption, SIDE, bold=below == 0, faint=below > 1)
        top += (SIDE + LINE * 3) if row else 0
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _head(evidence: Evidence) -> tuple[str, str, str]:
    found = evidence.identification
    if not evidence.matched:
        return found.decision, "", found.note
    best, second = evidence.matched[0], evidence.runner_up
    title = f"{found.decision}: {found.subject}" if found.subject else f"{found.decision}; nearest is {best.subject}"
    numbers = f"distance {best.distance:.4g}" + ("" if found.p_value is None else f", p {found.p_value:.3g}")
    if second is not None:
        numbers += f"; {second.subject} comes second, farther by {evidence.margin:.4g}"
    return title, numbers, found.note


def _of_probe(evidence: Evidence) -> list[Tile]:
    probe = _fitted(Image.fromarray(evidence.probe))
    tiles: list[Tile] = [(probe, ("the picture",))]
    if evidence.similar is not None:
        title = f"like {evidence.matched[0].subject}"
        tiles.append(
            (_warm(evidence, evidence.similar), (title, "red: farther when hidden,", _scale(evidence.similar)))
        )
    if evidence.contrast is not None and evidence.runner_up is not None:
        second = evidence.runner_up.subject
        lines = (f"more than like {second}", "red: lead lost when hidden,", _scale(evidence.contrast))
        tiles.append((_warm(evidence, evidence.contrast), lines))
    return tiles


def _of_examples(evidence: Evidence) -> list[Tile]:
    tiles = [_exhibit(each, "") for each in evidence.matched]
    return tiles if evidence.runner_up is None else [*tiles, _exhibit(evidence.runner_up, "second: ")]


def _exhibit(each: Exhibit, before: str) -> Tile:
    captions = (f"{before}{each.subject}", f"distance {each.distance:.4g}", each.source)
    if each.picture is None:
        return _nothing("no picture was kept"), captions
    try:
        return _fitted(Image.fromarray(decode(each.picture))), captions
    except PictureError:
        return _nothing("what was kept is damaged"), captions


def _warm(evidence: Evidence, heat: NDArray[np.float64]) -> Image.Image:
    """The picture in grey under the colors of its parts, the strongest of which are as strong as may be."""
    assert evidence.heat is not None
    probe = Image.fromarray(evidence.probe)
    cell = evidence.heat.cell
    whole = (heat.shape[1] * cell, heat.shape[0] * cell)  # the last cells may reach over the border
    smooth = Image.fromarray((heat / (np.abs(heat).max() or 1)).astype(np.float32)).resize(
        whole, Image.Resampling.BICUBIC
    )
    strength = np.asarray(smooth.crop((0, 0, *probe.size))).clip(-1, 1)[:, :, None]
    grey = np.asarray(probe.convert("L"), np.float64)[:, :, None]
    color = np.where(strength > 0, FOR, AGAINST)
    alpha = STRONGEST * np.abs(strength)
    mixed = (1 - alpha) * (0.5 * grey + 127) + alpha * color
    return _fitted(Image.fromarray(np.rint(mixed).astype(np.uint8)))


def _scale(heat: NDArray[np.float64]) -> str:
    return f"by {float(heat.max()):.2g} at most; blue: {float(heat.min()):.2g}"


def _fitted(image: Image.Image) -> Image.Image:
    """As large as a tile allows, small pictures too."""
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _nothing(why: str) -> Image.Image:
    tile = Image.new("RGB", (SIDE, SIDE), EMPTY)
    _write(ImageDraw.Draw(tile), (16, SIDE // 2 - LINE // 2), why, SIDE - 32, faint=True)
    return tile


def _write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, room: int, *, bold: bool = False, faint: bool = False
) -> None:
    """One line of it, cut where there is no room."""
    face = _face(bold)
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    draw.text(place, _cut(shown, room, face.getlength), FAINT if faint else INK, face)


def _wrapped(text: str, room: int) -> list[str]:
    """In lines, broken between words."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _face(False).getlength(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _cut(text: str, room: int, length: Callable[[str], float]) -> str:
    if length(text) <= room:
        return text
    while text and length(text + "…") > room:
        text = text[:-1]
    return text + "…"


@cache
def _face(bold: bool) -> ImageFont.FreeTypeFont:
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, 15)
