"""The evidence for an identification: matching examples, the runner-up, saliency maps, and a sheet that shows them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.errors import PictureError
from semelha.files import write_file
from semelha.html import image_url
from semelha.html.notebook import notebook_html
from semelha.images import decode
from semelha.recognition.answer import Identification
from semelha.recognition.saliency import SaliencyMaps
from semelha.recognition.sheet import Tile, draw_sheet, empty_tile, overlay, picture_tile


@dataclass(frozen=True)
class MatchedExample:
    """An enrolled example, its distance to the probe, and the file kept of its picture, or None."""

    subject: str
    example: int
    source: str
    distance: float
    picture: bytes | None

    def to_json(self) -> dict[str, Any]:
        """The fields as a dict, with `picture_kept` (bool) instead of the picture."""
        fields = asdict(self)
        fields["picture_kept"] = fields.pop("picture") is not None
        return fields

    def _tile(self, prefix: str = "") -> Tile:
        captions = (f"{prefix}{self.subject}", f"distance {self.distance:.4g}", self.source)
        if self.picture is None:
            return empty_tile("no picture was kept", captions)
        try:
            return picture_tile(decode(self.picture), captions)
        except PictureError:
            return empty_tile("the kept picture is damaged", captions)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence for an identification.

    Attributes
    ----------
    identification : Identification
        The answer. The other fields are about its nearest subject, also if the decision is unknown.
    probe : (h, w, 3) uint8
        The picture, reduced to the size at which parts of it were hidden.
    matched : tuple of MatchedExample
        The nearest examples of the nearest subject, nearest first; empty if nothing is enrolled.
    runner_up : MatchedExample or None
        The nearest example of any other subject.
    saliency_maps : SaliencyMaps or None
        For the first of `matched` and the runner-up.
    """

    identification: Identification
    probe: NDArray[np.uint8]
    matched: tuple[MatchedExample, ...]
    runner_up: MatchedExample | None
    saliency_maps: SaliencyMaps | None

    @property
    def margin(self) -> float | None:
        """Distance of the runner-up minus distance of the best example."""
        return None if self.runner_up is None else self.runner_up.distance - self.matched[0].distance

    @property
    def saliency(self) -> NDArray[np.float64] | None:
        """How much the distance to the best example grows if a part is hidden: (rows, columns).

        Above 0 the part makes the picture similar to the example; below 0 it makes it less similar.
        """
        return None if self.saliency_maps is None else self.saliency_maps.increases[0]

    @property
    def contrast(self) -> NDArray[np.float64] | None:
        """How much of the margin is lost if a part is hidden: (rows, columns).

        Above 0 the part speaks for the subject and against the runner-up; below 0 the reverse.
        """
        if self.saliency_maps is None or self.runner_up is None:
            return None
        best, second = self.saliency_maps.increases
        return np.asarray(best - second)

    def to_json(self) -> dict[str, Any]:
        """The evidence as numbers, strings, lists and dicts, without pictures."""
        return {
            "identification": self.identification.to_json(),
            "matched": [each.to_json() for each in self.matched],
            "runner_up": None if self.runner_up is None else self.runner_up.to_json(),
            "margin": self.margin,
            "cell": None if self.saliency_maps is None else self.saliency_maps.cell,
            "saliency": None if self.saliency is None else self.saliency.tolist(),
            "contrast": None if self.contrast is None else self.contrast.tolist(),
        }

    def png(self) -> bytes:
        """The picture, its saliency maps, the matched examples and the runner-up on one sheet, as a PNG file."""
        title, numbers = self._headline()
        return draw_sheet(title, numbers, self.identification.note, [self._probe_tiles(), self._example_tiles()])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the sheet to a PNG file; an existing one is replaced. Raises `SemelhaError` if it cannot be written."""
        write_file(Path(path), [self.png()], private=True)

    def _repr_html_(self) -> str:
        """For notebooks: the answer in words, and the pictures of the sheet."""
        title, numbers = self._headline()
        tiles = [*self._probe_tiles(), *self._example_tiles()]
        shown = [(image_url(tile.image), tile.captions) for tile in tiles]
        return notebook_html(title, (numbers, self.identification.note), tiles=shown)

    def _headline(self) -> tuple[str, str]:
        found = self.identification
        if not self.matched:
            return found.decision, ""
        best = self.matched[0]
        numbers = f"distance {best.distance:.4g}" + ("" if found.p_value is None else f", p {found.p_value:.3g}")
        if self.runner_up is not None:
            numbers += f"; {self.runner_up.subject} comes second, farther by {self.margin:.4g}"
        return found.headline, numbers

    def _example_tiles(self) -> list[Tile]:
        tiles = [each._tile() for each in self.matched]
        return tiles if self.runner_up is None else [*tiles, self.runner_up._tile("second: ")]

    def _probe_tiles(self) -> list[Tile]:
        tiles = [picture_tile(self.probe, ("the picture",))]
        if self.saliency is not None:
            title = f"similar to {self.matched[0].subject}"
            tiles.append(self._map_tile(self.saliency, title, "red: farther if hidden,"))
        if self.contrast is not None and self.runner_up is not None:
            title = f"more than to {self.runner_up.subject}"
            tiles.append(self._map_tile(self.contrast, title, "red: margin lost if hidden,"))
        return tiles

    def _map_tile(self, values: NDArray[np.float64], title: str, legend: str) -> Tile:
        assert self.saliency_maps is not None
        scale = f"by {float(values.max()):.2g} at most; blue: {float(values.min()):.2g}"
        return picture_tile(overlay(self.probe, values, self.saliency_maps.cell), (title, legend, scale))
