"""HTML of results for notebooks: words, a table, and a few small pictures. It needs no style sheet and no script."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from semelha.errors import PictureError
from semelha.html import escape, image_url
from semelha.images import decode

MAX_ROWS = 20
MAX_PICTURES = 12
MAX_TEXT = 300  # characters of a line, a cell or a caption
BOX = "display:flex;flex-wrap:wrap;gap:8px;margin:8px 0"
CELL = "text-align:left;padding:2px 12px 2px 0"
FAINT = "opacity:.7;overflow-wrap:anywhere"

Tile = tuple[str | None, Sequence[str]]
"""The address of a picture, None without one, and the lines below it."""


def notebook_html(
    title: str, lines: Sequence[str] = (), *, table: Sequence[Sequence[str]] = (), tiles: Sequence[Tile] = ()
) -> str:
    """A result as HTML. All text is escaped and cut to a bounded length; the first row of the table is its head."""
    head, *rows = table or ((),)
    parts = [f"<div><strong>{_text(title)}</strong></div>", *(f"<div>{_text(line)}</div>" for line in lines if line)]
    if head:
        body = "".join(_row(row, "td") for row in rows[:MAX_ROWS])
        parts.append(f"<table>{_row(head, 'th')}{body}</table>")
    left = max(0, len(rows) - MAX_ROWS)
    if left:
        parts.append(f'<div style="{FAINT}">+ {left:,}</div>')
    if tiles:
        parts.append(f'<div style="{BOX}">{"".join(_tile(tile) for tile in tiles[:MAX_PICTURES])}</div>')
    return f"<div>{''.join(parts)}</div>"


def file_url(content: bytes) -> str | None:
    """A picture in a file as a `data:` address of a thumbnail; None if it is damaged."""
    try:
        return image_url(Image.fromarray(decode(content)))
    except PictureError:
        return None


def _text(text: str) -> str:
    return escape(text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…")


def _row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f'<{tag} style="{CELL}">{_text(cell)}</{tag}>' for cell in cells) + "</tr>"


def _tile(tile: Tile) -> str:
    url, captions = tile
    alt = _text(", ".join(captions))
    image = "" if url is None else f'<img src="{url}" alt="{alt}" style="max-width:96px;max-height:96px">'
    text = "".join(f'<div style="{FAINT if place else ""}">{_text(one)}</div>' for place, one in enumerate(captions))
    return (
        f'<div style="width:120px;font-size:12px;line-height:1.3"><div style="height:100px">{image}</div>{text}</div>'
    )
