"""A model of any dimension, learned in a moment from the built-in characters, for galleries of made vectors."""

from __future__ import annotations

from pathlib import Path

import semelha
from semelha.embedders import Model
from semelha.features import HOG
from semelha.images import Dataset, glyphs
from semelha.linear import PCAWhitening


def small_model(folder: Path, dim: int) -> Model:
    """Whitened HOG of a hundred characters: (dim,) vectors under their Euclidean distance."""
    if folder.exists():
        return semelha.load_embedder(folder)
    pictures = glyphs()
    few = Dataset([picture for picture in pictures if picture.label in set(pictures.classes[:100])])
    return semelha.train(few, out=folder, method=PCAWhitening(dim), features=HOG())
