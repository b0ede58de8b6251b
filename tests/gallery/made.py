"""Galleries of vectors that hang on a number alone, with segments so small that a test has many."""

from pathlib import Path

import numpy as np
from PIL import Image

from semelha.embedders import Model
from semelha.gallery import Gallery
from semelha.index.settings import settings

DELTA = 40  # vectors that make a segment
GRAPH = 600  # vectors that a graph is made of


def small_segments() -> None:
    """For a process of its own; tests patch the same two."""
    settings.max_delta_size, settings.min_graph_size = DELTA, GRAPH


def vectors(first: int, count: int, dim: int = 16) -> np.ndarray:
    """(count, dim) float32 of unit length; the same number gives the same vector."""
    made = np.stack([np.random.default_rng(seed).normal(size=dim) for seed in range(first, first + count)])
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def enroll(gallery: Gallery, name: str, first: int, count: int) -> None:
    """Enroll the vectors of `count` numbers, each of which is its source."""
    rows = vectors(first, count, gallery.model.dim)
    sources = [str(number) for number in range(first, first + count)]
    gallery.enroll_vectors(name, rows, sources, fingerprint=gallery.model.fingerprint)


def nearest(gallery: Gallery, number: int) -> tuple[str, str]:
    """Subject and source of the example nearest to the vector of a number."""
    (found,) = gallery.identify_vectors(vectors(number, 1, gallery.model.dim))
    return found.candidates[0].subject, found.candidates[0].examples[0].source


def index_files(gallery: Path) -> list[Path]:
    """The files of the segments that are on the disk, and the manifest."""
    return sorted((gallery / "index").iterdir()) if (gallery / "index").exists() else []


def photo(seed: int, side: int = 700) -> np.ndarray:
    """(side, side, 3) uint8 as smooth as a photo, larger than the copies that are kept."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def exact(number: int, side: int = 20) -> np.ndarray:
    """(side, side, 3) uint8 that no other number gives, of which the copy that is kept is the same to the pixel."""
    blocks = np.random.default_rng(number).integers(0, 2, (4, 4), np.uint8)
    blocks[0] = [number >> 12 & 15, number >> 8 & 15, number >> 4 & 15, number & 15]
    return np.repeat(np.repeat(np.repeat(16 * blocks[:, :, None], side // 4, 0), side // 4, 1), 3, 2)


def made(place: str | Path, model: Model) -> Gallery:
    """An empty gallery without pictures."""
    return Gallery.create(place, model, keep_pictures=False)


def numbers(gallery: Gallery) -> dict[str, list[str]]:
    """The sources of the examples of each subject."""
    return {name: [one.source for one in gallery.examples(name)] for name in gallery}
