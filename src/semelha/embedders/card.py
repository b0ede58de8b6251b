"""The model card `model.json`: input, output, training and results of a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from semelha._version import __version__
from semelha.embedders.graph_spec import GraphSpec
from semelha.images import Fit, HashBasis, Picture, View, content_hashes, fit
from semelha.images.content import CURRENT

FORMAT = 4
"""Newest version of the card. 1 has no `derived` and no `content_bases`, 2 no `content_bases`, 3 neither `input.graph`
nor the fit "crop". All are read; 4 is written for models that use what 3 has not, 3 for others."""
MAX_SIDE = 4096
"""Of an input, in pixels."""
MAX_DIM = 65536
"""Of vectors."""
MAX_INPUT_PIXELS = 1 << 25
"""Of the pictures that an imported graph takes at a time."""


class InputSpec(BaseModel):
    """The input of a network, and how pictures are resized to it.

    The exported ONNX graph takes (n, channels, height, width) uint8; normalization is part of it. The graph of an
    imported model takes what `graph` says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(ge=1, le=MAX_SIDE)
    width: int = Field(ge=1, le=MAX_SIDE)
    channels: Literal[1, 3]
    fit: Fit = "pad"
    background: int = Field(default=255, ge=0, le=255)
    graph: GraphSpec | None = None

    @model_validator(mode="after")
    def _check_graph(self) -> InputSpec:
        if self.graph is None:
            return self
        if self.graph.mean and len(self.graph.mean) != self.channels:
            raise ValueError(f"mean and std have one number for each of the {self.channels} channels")
        if (self.graph.batch or 1) * self.height * self.width > MAX_INPUT_PIXELS:
            raise ValueError(f"a graph takes at most {MAX_INPUT_PIXELS:,} pixels at a time")
        return self

    @model_serializer(mode="wrap")
    def _without_default(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `graph` for models that were not imported: their cards and fingerprints do not change."""
        content: dict[str, Any] = serialize(self)
        if self.graph is None:
            content.pop("graph", None)
        return content

    @property
    def format(self) -> int:
        """Format that a card with this input needs."""
        return 4 if self.graph is not None or self.fit == "crop" else 3

    @property
    def side(self) -> int | None:
        """Longer side of the input in pixels; None if the size of a resized picture depends on its content."""
        return None if self.fit == "ink" else max(self.height, self.width)

    def prepare(self, picture: Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize an RGB picture, a PIL image or (h, w, 3), to the input: (channels, height, width) uint8."""
        size = (self.height, self.width)
        resized = fit(picture, size, channels=self.channels, mode=self.fit, background=self.background)
        return resized.transpose(2, 0, 1)


class FeatureSpec(BaseModel):
    """A feature extractor of `semelha.features`: its name, version and arguments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int
    arguments: dict[str, Any]


class DerivedSpec(BaseModel):
    """The models that a derived model is made of (`semelha.derive`).

    `parts` has their fingerprints, in the order of the folders in `parts/`; `weights` their weights in the similarity;
    `views` the views of each picture over which vectors are averaged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: list[str] = Field(min_length=1)
    weights: list[float]
    views: list[View] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_lengths(self) -> DerivedSpec:
        if len(self.weights) != len(self.parts) or not all(weight > 0 for weight in self.weights):
            raise ValueError("each part has one weight above 0")
        return self


class Card(BaseModel):
    """Description of a model: everything but its weights.

    There are four kinds of models. A network sets `input`, `mean`, `std` and `network`; an imported model sets `input`
    with its `graph`; a feature extractor sets `features`; a derived model sets `derived`.
    `content_hashes` identifies the pictures that the model was trained on. `content_bases` says how they were hashed:
    "encoded" by the compressed data of a JPEG, "pixels" by the pixels alone.
    `fingerprint` identifies the vector space: vectors of models with different fingerprints are never compared.
    `files` has the SHA-256 of each file of the folder, and `checksum` the SHA-256 of the card itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1  # `draft` sets the one that the card needs
    name: str
    created: str
    semelha: str
    input: InputSpec | None = None
    features: FeatureSpec | None = None
    derived: DerivedSpec | None = None
    mean: list[float] = []
    std: list[float] = []
    dim: int = Field(ge=1, le=MAX_DIM)
    metric: dict[str, Any]
    network: dict[str, Any] = {}
    training: dict[str, Any]
    classes: list[str]
    content_hashes: list[str]
    content_bases: list[HashBasis] = ["pixels"]
    results: dict[str, Any]
    fingerprint: str = ""
    files: dict[str, str] = {}
    checksum: str = ""

    @model_validator(mode="after")
    def _check_kind(self) -> Card:
        if [self.input, self.features, self.derived].count(None) != 2:
            raise ValueError("a model has either a network with its input, or features, or parts")
        return self

    @classmethod
    def draft(
        cls,
        *,
        name: str,
        dim: int,
        metric: dict[str, Any],
        training: dict[str, Any],
        classes: Iterable[str],
        content_hashes: Sequence[str],
        results: dict[str, Any],
        based_on: Sequence[Card] = (),
        input: InputSpec | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        network: dict[str, Any] | None = None,
        features: FeatureSpec | None = None,
        derived: DerivedSpec | None = None,
    ) -> Card:
        """A new card without fingerprint, files and checksum: `write_model` adds them.

        `content_hashes` must have the basis "encoded" (see `semelha.images.content`). Classes and content hashes of the
        cards in `based_on` are added.
        """
        classes = {*classes, *(name for card in based_on for name in card.classes)}
        hashes = {*content_hashes, *(content for card in based_on for content in card.content_hashes)}
        bases = {*([CURRENT] if content_hashes else []), *(basis for card in based_on for basis in card.content_bases)}
        return cls(
            format=3 if input is None else input.format,
            name=name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            semelha=__version__,
            input=input,
            features=features,
            derived=derived,
            mean=mean or [],
            std=std or [],
            dim=dim,
            metric=metric,
            network=network or {},
            training=training,
            classes=sorted(classes),
            content_hashes=sorted(hashes),
            content_bases=sorted(bases),
            results=results,
        )

    def was_trained_on(self, picture: Picture) -> bool:
        """Whether the model was trained on this picture, by its content. Raises `PictureError`."""
        return not self._hashes.isdisjoint(content_hashes(picture, self.content_bases))

    @cached_property
    def _hashes(self) -> frozenset[str]:
        return frozenset(self.content_hashes)

    def with_checksums(self, files: dict[str, str]) -> Card:
        """A copy of the card with the checksums of the files, the fingerprint, and the checksum of the card."""
        extractor = self.input or self.features or self.derived
        space = [files, extractor.model_dump() if extractor else None, self.dim, self.metric]
        fingerprint = _digest(space)
        card = self.model_copy(update={"files": files, "fingerprint": fingerprint, "checksum": ""})
        return card.model_copy(update={"checksum": card.content_checksum()})

    def text(self) -> str:
        """The card as JSON, without fields that its format does not have."""
        return self.model_dump_json(indent=1, exclude=self._missing_fields()) + "\n"

    def content_checksum(self) -> str:
        """SHA-256 of the card without `checksum`."""
        return _digest(json.loads(self.model_dump_json(exclude={"checksum", *self._missing_fields()})))

    def _missing_fields(self) -> set[str]:
        """Fields that cards of this format do not have. In format 2 only derived models are written."""
        if self.format >= 3:
            return set()
        return {"content_bases"} if self.derived else {"content_bases", "derived"}


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
