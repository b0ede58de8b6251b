"""The pictures of a training: decoded once into a memory-mapped array, and split for training and validation.

Training reads the same pictures dozens of times, and would otherwise wait for the decoder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semelha.deep.recipe import Recipe
from semelha.deep.sampler import Batch, Pool
from semelha.embedders import InputSpec
from semelha.errors import DatasetError, PictureError, TrainingError
from semelha.files import atomic_write, remove_partial_files, write_file
from semelha.images import (
    Dataset,
    Packed,
    Picture,
    Progress,
    ReadPicture,
    Skipped,
    local_copy,
    paired_classes,
    picture_key,
    read_pictures,
    split_classes,
)
from semelha.images.content import CURRENT
from semelha.text import as_unicode
from semelha.untrusted import read_json


@dataclass(frozen=True, eq=False)
class PixelCache:
    """The fitted pixels of a data set, in the order of its pictures."""

    pixels: NDArray[np.uint8]  # (pictures, channels, height, width), memory-mapped, read-only
    hashes: tuple[str, ...]  # content hash of each picture
    dataset: Dataset  # the pictures that could be decoded; `skipped` lists the others
    shards: NDArray[np.int64] | None = None  # (pictures,) the shard of each, if `pixels` has some shards alone

    def statistics(self) -> tuple[float, float]:
        """Mean and standard deviation of the pixels on the scale 0..1, over at most 2,000 pictures."""
        return statistics(self.pixels[:: max(1, len(self.pixels) // 2000)])


def statistics(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean and standard deviation on the scale 0..1, to four digits."""
    return round(float(pixels.mean() / 255), 4), round(max(float(pixels.std() / 255), 1e-3), 4)


def sample(dataset: Dataset, spec: InputSpec, most: int, *, seed: int) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Up to `most` pictures, drawn at random and fitted: (n, channels, height, width), and the content hash of each.

    Raises `DatasetError` if none can be read.
    """
    chosen = dataset.select(np.random.default_rng(seed).permutation(len(dataset))[:most].tolist())
    read = read_pictures(chosen, spec.prepare, at_least=spec.side, hashed=True)
    found = [each for each in read if not isinstance(each, PictureError)]
    if not found:
        raise DatasetError(f"{dataset.name} has no picture that can be read")
    return np.stack([each.result for each in found]), tuple(each.content_hash for each in found)


def open_cache(dataset: Dataset, folder: Path, spec: InputSpec, *, progress: Progress | None = None) -> PixelCache:
    """Open the cache of `dataset` in `folder`, or create it if it is missing or incomplete.

    One process for each folder may create it. Raises `TrainingError` if the folder cannot be written.
    """
    if not _complete(folder / "pixels.json", _key(dataset, spec)):
        remove_partial_files(folder)
    part = open_part(dataset, folder, spec, name="pixels", progress=progress)
    kept = dataset.select(part.kept).with_skipped(part.skipped)
    return PixelCache(part.pixels, tuple(part.hashes), kept)


@dataclass(frozen=True, eq=False)
class CachedPart:
    """The fitted pixels of some pictures."""

    pixels: NDArray[np.uint8]  # (kept, channels, height, width), memory-mapped, read-only
    kept: list[int]  # places of the pictures that could be decoded
    hashes: list[str]  # content hash of each of them
    skipped: tuple[Skipped, ...]  # the others


def open_part(
    dataset: Dataset, folder: Path, spec: InputSpec, *, name: str, progress: Progress | None = None
) -> CachedPart:
    """Open the cache of `dataset` in the files `name` in `folder`, as `open_cache` does."""
    pixels_file, index_file = folder / f"{name}.u8", folder / f"{name}.json"
    key = _key(dataset, spec)
    if not _complete(index_file, key):
        try:
            for path in (index_file, pixels_file):
                path.unlink(missing_ok=True)
            _write(dataset, pixels_file, index_file, key, spec, progress)
        except OSError as error:
            raise TrainingError(f"the picture cache cannot be written to {folder}: {error.strerror}") from error
    index = read_json(index_file, error=TrainingError)
    skipped = tuple(Skipped(name, reason) for name, reason in index["skipped"])
    shape = (len(index["kept"]), spec.channels, spec.height, spec.width)
    pixels: NDArray[np.uint8] = (
        np.memmap(pixels_file, np.uint8, "r", shape=shape) if shape[0] else np.empty(shape, np.uint8)
    )
    return CachedPart(pixels, index["kept"], index["hashes"], skipped)


def _complete(index_file: Path, key: str) -> bool:
    if not index_file.exists():
        return False
    try:
        return bool(read_json(index_file, error=TrainingError).get("key") == key)
    except TrainingError:
        return False


def _write(
    dataset: Dataset, pixels_file: Path, index_file: Path, key: str, spec: InputSpec, progress: Progress | None
) -> None:
    kept: list[int] = []
    hashes: list[str] = []
    skipped: list[tuple[str, str]] = []
    with atomic_write(pixels_file, private=True, error=TrainingError) as file:
        for place, each in enumerate(_read(dataset, spec, pixels_file.parent, progress)):
            if isinstance(each, PictureError):
                skipped.append((as_unicode(dataset.pictures[place].name), str(each)))
            else:
                file.write(each.result.tobytes())
                kept.append(place)
                hashes.append(each.content_hash)
    index = {"key": key, "kept": kept, "hashes": hashes, "skipped": skipped}
    write_file(index_file, [json.dumps(index)], error=TrainingError)


def _read(
    dataset: Dataset, spec: InputSpec, folder: Path, progress: Progress | None
) -> Iterator[ReadPicture[NDArray[np.uint8]] | PictureError]:
    """Decode all pictures. An archive that is no local file is downloaded as a whole, for as long as it is read."""
    done = 0

    def advance(read: int, _: int) -> None:
        if progress is not None:
            progress(done + read, len(dataset))

    for archive, several in groupby(dataset, key=lambda picture: getattr(picture.source, "archive", None)):
        pictures = list(several)
        with local_copy(archive, folder) if archive is not None else nullcontext() as copy:
            if copy is not None:
                pictures = [replace(one, source=replace(_packed(one), copy=copy)) for one in pictures]
            yield from read_pictures(pictures, spec.prepare, at_least=spec.side, hashed=True, progress=advance)
        done += len(pictures)


def _packed(picture: Picture) -> Packed:
    assert isinstance(picture.source, Packed)
    return picture.source


def _key(dataset: Dataset, spec: InputSpec) -> str:
    """A hash of all that the cache depends on."""
    return hashlib.sha256(f"{CURRENT} {spec.model_dump_json()} {picture_key(dataset)}".encode()).hexdigest()


MAX_VALIDATED = 2000


@dataclass(frozen=True, eq=False)
class PictureSubset:
    """Some pictures of a pixel cache, with their classes."""

    pixels: Any  # all fitted pictures, uint8: (all, channels, size, size); an array, or one with gaps
    rows: NDArray[np.int64]  # of the pictures in the subset: (n,)
    classes: NDArray[np.int64]  # of each picture in the subset, 0 to C − 1: (n,)
    labels: tuple[str, ...]  # name of each class
    groups: NDArray[Any] | None = None  # (n,); pictures of one group never match in a validation
    teacher_vectors: NDArray[np.float32] | None = None  # embeddings of all pictures by a teacher: (turns, all, d)
    clean: NDArray[np.bool_] | None = None  # (n,) whether a picture is a clean one of a catalogue; None: there are none
    shards: NDArray[np.int64] | None = None  # (n,) the shard of each picture, if the classes are divided into shards

    def pool(self, recipe: Recipe) -> Pool:
        """The pictures that a sampler draws batches from."""
        first = np.unique(self.classes, return_index=True)[1]
        shards = None if self.shards is None else self.shards[first]
        return Pool(self.classes, self.labels, recipe.quarter_turns, shards)

    def read(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """The pictures at `places` of the subset: (len(places), channels, size, size)."""
        return np.asarray(self.pixels[self.rows[places]])

    def vectors_by_teacher(self, batch: Batch, device: torch.device) -> Tensor | None:
        """Embeddings of a batch by the teacher: (batch, d); None without one."""
        if self.teacher_vectors is None:
            return None
        return torch.from_numpy(self.teacher_vectors[batch.turns, self.rows[batch.pictures]]).to(device)


def labelled(
    pixels: NDArray[np.uint8],
    rows: NDArray[np.int64],
    labels: NDArray[np.str_],
    groups: NDArray[Any] | None = None,
) -> PictureSubset:
    """The subset of the pictures at `rows`, with classes from their labels."""
    names, classes = np.unique(labels, return_inverse=True)
    return PictureSubset(pixels, rows, classes, tuple(map(str, names)), groups)


def unlabelled(pixels: NDArray[np.uint8], number: int) -> PictureSubset:
    """The subset of `number` pictures, each its own class."""
    rows = np.arange(number)
    return PictureSubset(pixels, rows, rows, tuple(map(str, rows)))


def split(cache: PixelCache, recipe: Recipe, *, seed: int) -> tuple[PictureSubset, PictureSubset | None]:
    """The training pictures, and the pictures for validation: those of the split val, or else of held-out classes.

    There is no validation without labels, or if no two pictures for it may match; and, without a split val, if fewer
    than 10 classes have two pictures that may match.
    """
    if recipe.method is not None:
        return unlabelled(cache.pixels, len(cache.dataset)), None
    labels = cache.dataset.labels
    everything = np.arange(len(labels))
    groups = cache.dataset.groups
    validated = cache.dataset.is_validation
    if not validated.any():
        if recipe.validation <= 0 or len(paired_classes(labels, groups)) < 10:
            return _complete_subset(labelled(cache.pixels, everything, labels), cache), None
        validated = np.isin(labels, split_classes(cache.dataset, recipe.validation, seed=seed)[1].classes)
    chosen = np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(validated))[:MAX_VALIDATED])
    remaining = np.flatnonzero(~validated)
    training = _complete_subset(labelled(cache.pixels, remaining, labels[remaining]), cache)
    own = None if groups is None else groups[chosen]
    if not paired_classes(labels[chosen], own):
        return training, None
    validation = labelled(cache.pixels, chosen, labels[chosen], own)
    return training, replace(validation, shards=_of_rows(cache.shards, chosen))


def _complete_subset(subset: PictureSubset, cache: PixelCache) -> PictureSubset:
    """With shards, and with clean pictures if there are others too."""
    clean = cache.dataset.is_clean[subset.rows]
    some = clean if clean.any() and not clean.all() else None
    return replace(subset, clean=some, shards=_of_rows(cache.shards, subset.rows))


def _of_rows(shards: NDArray[np.int64] | None, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    return None if shards is None else shards[rows]
