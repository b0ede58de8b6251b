"""Draw pictures with captions on one sheet, as a PNG file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE, GAP, LINE = 240, 20, 22  # pixels: side of a picture, gap between two, height of a line of text
INK, FAINT, PAPER, EMPTY = (25, 25, 30), (110, 110, 120), (255, 255, 255), (236, 236, 240)
POSITIVE, NEGATIVE = (214, 39, 40), (31, 119, 180)
MAX_ALPHA = 0.75  # opacity of the color of the largest value


class Tile(NamedTuple):
    """A picture and up to three lines below it: the first is bold, the third faint."""

    image: Image.Image
    captions: tuple[str, ...]


def draw_sheet(title: str, subtitle: str, note: str, rows: Sequence[Sequence[Tile]]) -> bytes:
    """Title, subtitle and wrapped note above rows of tiles, as a PNG file."""
    width = GAP + (SIDE + GAP) * max(3, *map(len, rows))
    head = [title, subtitle, *_wrap(note, width - 2 * GAP)]
    height = GAP + LINE * len(head) + sum(GAP + SIDE + LINE * 3 for row in rows if row) + GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for number, line in enumerate(head):
        _write(draw, (GAP, top), line, width - 2 * GAP, bold=number == 0, faint=number > 1)
        top += LINE
    for row in rows:
        top += GAP
        for column, (image, captions) in enumerate(row):
            left = GAP + (SIDE + GAP) * column
            sheet.paste(image, (left + (SIDE - image.width) // 2, top + (SIDE - image.height) // 2))
            for number, caption in enumerate(captions):
                _write(draw, (left, top + SIDE + 4 + LINE * number), caption, SIDE, bold=number == 0, faint=number > 1)
        top += (SIDE + LINE * 3) if row else 0
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def picture_tile(pixels: NDArray[np.uint8], captions: tuple[str, ...]) -> Tile:
    """A picture, scaled up or down to the size of a tile."""
    image = Image.fromarray(pixels)
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return Tile(image.resize(size, Image.Resampling.LANCZOS), captions)


def empty_tile(reason: str, captions: tuple[str, ...]) -> Tile:
    """A grey square with the reason why no picture is shown."""
    image = Image.new("RGB", (SIDE, SIDE), EMPTY)
    _write(ImageDraw.Draw(image), (16, SIDE // 2 - LINE // 2), reason, SIDE - 32, faint=True)
    return Tile(image, captions)


def overlay(pixels: NDArray[np.uint8], values: NDArray[np.float64], cell: int) -> NDArray[np.uint8]:
    """The picture in grey under a heat map: red above 0, blue below, scaled to the largest absolute value.

    The values (rows, columns) are of squares of `cell` pixels from the upper left corner; the last may be cut.
    """
    picture = Image.fromarray(pixels)
    grid = Image.fromarray((values / (np.abs(values).max() or 1)).astype(np.float32))
    smooth = grid.resize((values.shape[1] * cell, values.shape[0] * cell), Image.Resampling.BICUBIC)
    strength = np.asarray(smooth.crop((0, 0, *picture.size))).clip(-1, 1)[:, :, None]
    grey = np.asarray(picture.convert("L"), np.float64)[:, :, None]
    color = np.where(strength > 0, POSITIVE, NEGATIVE)
    alpha = MAX_ALPHA * np.abs(strength)
    return np.asarray(np.rint((1 - alpha) * (0.5 * grey + 127) + alpha * color).astype(np.uint8))


def _write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, width: int, *, bold: bool = False, faint: bool = False
) -> None:
    """Write one line, cut to the width."""
    font = _font(bold)
    line = text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    while text and font.getlength(line) > width:
        text = text[:-1]
        line = text + "…"
    draw.text(place, line, FAINT if faint else INK, font)


def _wrap(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _font(False).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


@cache
def _font(bold: bool) -> ImageFont.FreeTypeFont:
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, 15)
