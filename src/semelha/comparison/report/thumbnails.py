"""Pictures of a comparison as figures; each is embedded once, however often it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from semelha.comparison.result import Comparison, ShownPicture
from semelha.errors import PictureError
from semelha.html import SIDE, escape, thumbnail
from semelha.images import Dataset, Picture
from semelha.language import Words

MAX_EMBEDDED = 600  # pictures of a report


class Thumbnails:
    """Thumbnails of the pictures of a comparison, by their numbers.

    A picture is looked up by its name in the data set, if it is passed; otherwise its file is read.

    Attributes
    ----------
    missing : set of int
        Pictures that were asked for and cannot be read (any more).
    """

    def __init__(self, comparison: Comparison, dataset: Dataset | None, words: Words) -> None:
        self.shown = comparison.pictures
        self.words = words
        self.missing: set[int] = set()
        self._by_name = {} if dataset is None else {picture.name: picture for picture in dataset.pictures}
        self._urls: dict[int, str] = {}

    def figure(self, number: int, kind: str, caption: str) -> str:
        """A picture under its label as HTML. `kind` is "probe", "right" or "wrong"; the text is escaped."""
        one = self.shown[number]
        self._load(number)
        alt = f"{one.label}, {caption}"
        if number in self._urls:
            image = (
                f'<svg viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{escape(alt)}"><use href="#p{number}"/></svg>'
            )
        else:
            gone = escape(self.words.t("compare.gone"))
            image = f'<span class="gone" role="img" aria-label="{escape(alt)}: {gone}">{gone}</span>'
        text = f'<figcaption title="{escape(one.name)}"><b>{escape(one.label)}</b>{escape(caption)}</figcaption>'
        return f'<figure class="{kind}">{image}{text}</figure>'

    def definitions(self) -> Iterator[str]:
        """The pictures that the figures above refer to, as HTML."""
        yield '<svg class="store" width="0" height="0" aria-hidden="true"><defs>'
        for number, url in self._urls.items():
            yield f'<image id="p{number}" href="{url}" width="{SIDE}" height="{SIDE}"/>'
        yield "</defs></svg>"

    def _load(self, number: int) -> None:
        if number in self._urls or number in self.missing or len(self._urls) >= MAX_EMBEDDED:
            return
        picture = self._picture(self.shown[number])
        try:
            if picture is None:
                raise PictureError("no file")
            self._urls[number] = thumbnail(picture)
        except PictureError:
            self.missing.add(number)

    def _picture(self, one: ShownPicture) -> Picture | None:
        if one.name in self._by_name:
            return self._by_name[one.name]
        return None if one.path is None else Picture(Path(one.path), one.label, one.name, box=one.box)
