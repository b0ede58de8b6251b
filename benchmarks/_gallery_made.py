"""A model of any dimension, learned in a moment from the built-in characters, for galleries of made vectors."""

from __future__ import annotations

from pathlib import Path

import semelha
from semelha.embedders import Model
from semelha.images import glyphs


def small_model(folder: Path, dim: int) -> Model:
    """A network that has seen Greek letters for a second: (dim,) vectors under the cosine distance."""
    if folder.exists():
        return semelha.load_embedder(folder)
    from semelha.deep import Network

    return semelha.train(glyphs(["Greek"]), out=folder, network=Network(dim=dim), minutes=0.02)
