"""HTML reports in one file: the page around them and pictures as thumbnails."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape as escape_markup
from importlib.resources import files
from pathlib import Path

from PIL import Image

from semelha._version import __version__
from semelha.errors import PictureError
from semelha.files import write_file
from semelha.images import Picture
from semelha.language import Verdict, Words
from semelha.text import shown_lines

__all__ = ["SIDE", "escape", "figure", "image_url", "style", "thumbnail", "write_page"]

SIDE = 96
"""Pixels of the longer side of a thumbnail."""


def write_page(
    path: str | os.PathLike[str],
    title: str,
    lead: str,
    sections: Iterable[str],
    *,
    words: Words,
    verdict: Verdict | None = None,
    levels: str = "level",
) -> Path:
    """Write one HTML file that needs no other file and loads nothing from the network. Returns its path.

    An existing file is replaced. Reports contain pictures: only owner and group may read them. Title, lead (the
    paragraph below it) and sections are HTML: the caller escapes text. The verdict comes first; `levels` is the prefix
    of the texts for its levels. Raises `SemelhaError` if the file cannot be written.
    """
    target = Path(path)
    head = "" if verdict is None else _verdict(verdict, words, levels)
    write_file(target, _page(title, lead, head, sections, words), private=True)
    return target


def style() -> str:
    """The style sheet of all pages, with the colors, sizes and fonts of the page for the browser."""
    sheets = files(__package__)
    return "".join(sheets.joinpath(name).read_text(encoding="utf-8") for name in ("tokens.css", "page.css"))


def figure(picture: Picture | None, kind: str, label: str, *, tooltip: str, caption: str = "") -> str:
    """A thumbnail with its label, as HTML; an empty place without a picture, or if it cannot be decoded.

    `kind` is the class in the style sheet: "probe", "right" or "wrong". All text is escaped.
    """
    image = f'<svg width="{SIDE}" height="{SIDE}" role="img"></svg>'
    if picture is not None:
        try:
            source = thumbnail(picture)
            image = f'<img src="{source}" alt="{escape(label)}" loading="lazy" width="{SIDE}" height="{SIDE}">'
        except PictureError:
            pass
    text = f'<figcaption title="{escape(tooltip)}"><b>{escape(label)}</b>{escape(caption)}</figcaption>'
    return f'<figure class="{kind}">{image}{text}</figure>'


def escape(text: str) -> str:
    """Text from outside as HTML, with control characters written out."""
    return escape_markup(shown_lines(text))


def thumbnail(picture: Picture) -> str:
    """A small WebP as a `data:` address. Raises `PictureError` if the picture cannot be decoded."""
    return image_url(Image.fromarray(picture.pixels()))


def image_url(image: Image.Image) -> str:
    """An image, reduced to `SIDE` pixels, as a `data:` address of a WebP."""
    image = image.copy()
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def _verdict(verdict: Verdict, words: Words, levels: str) -> str:
    steps = "".join(f"<li>{escape(step)}</li>" for step in verdict.steps)
    command = f'<pre tabindex="0"><code>{escape(verdict.command)}</code></pre>\n' if verdict.command else ""
    level = escape(words.t(f"{levels}.{verdict.level}"))
    return (
        f'<section class="verdict {verdict.level}">\n<h2>{escape(words.t("verdict.title"))} <b>{level}</b></h2>\n'
        f'<p class="result">{escape(verdict.result)}</p>\n<h3>{escape(words.t("verdict.next"))}</h3>\n'
        f"<ol>{steps}</ol>\n{command}"
        f'<p class="basis">{escape(verdict.basis)}</p>\n</section>\n'
    )


def _page(title: str, lead: str, head: str, sections: Iterable[str], words: Words) -> Iterator[str]:
    yield (
        f'<!doctype html>\n<html lang="{words.language}" data-theme="auto">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{title}</title>\n<style>{style()}</style>\n</head>\n'
        f"<body>\n<header>\n<h1>{title}</h1>\n<p>{lead}</p>\n</header>\n<main>\n{head}"
    )
    yield from sections
    when = datetime.now(UTC).strftime(words.t("report.time"))
    yield f"</main>\n<footer>semelha {__version__} · {when}</footer>\n</body>\n</html>\n"
