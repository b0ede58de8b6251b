"""Pictures decoded once: a memory-mapped array of the fitted pixels of a data set.

Training reads the same pictures dozens of times; the decoder should not be what it waits for.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import InputSpec
from semelha.errors import DatasetError, PictureError, TrainingError
from semelha.files import atomic_write, remove_partial_files, write_file
from semelha.images import Dataset, Progress, Skipped, read_pictures
from semelha.images.content import CURRENT


@dataclass(frozen=True, eq=False)
class PixelCache:
    """The fitted pixels of a data set, in the order of its pictures.

    Attributes
    ----------
    pixels : (pictures, channels, height, width) uint8, memory-mapped, read-only
    hashes : tuple of str
        Content hash of each picture.
    dataset : Dataset
        The pictures that could be decoded, the others among its `skipped`.
    """

    pixels: NDArray[np.uint8]
    hashes: tuple[str, ...]
    dataset: Dataset

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
    read = read_pictures(chosen, spec.fitted, at_least=spec.side, hashed=True)
    found = [each for each in read if not isinstance(each, PictureError)]
    if not found:
        raise DatasetError(f"{dataset.name} has no picture that can be read")
    return np.stack([each.result for each in found]), tuple(each.content_hash for each in found)


def open_cache(dataset: Dataset, folder: Path, spec: InputSpec, *, progress: Progress | None = None) -> PixelCache:
    """The cache of `dataset` in `folder`: opened where it is there and complete, otherwise made.

    Pictures that cannot be decoded are left out and listed in the `skipped` of the cache's data set.

    Raises
    ------
    TrainingError
        The folder cannot be written, or has no room.
    """
    pixels_file, index_file = folder / "pixels.u8", folder / "pixels.json"
    key = _key(dataset, spec)
    if not _complete(index_file, key):
        try:
            for path in (index_file, pixels_file):
                path.unlink(missing_ok=True)
            remove_partial_files(folder)
            _write(dataset, pixels_file, index_file, key, spec, progress)
        except OSError as error:
            raise TrainingError(f"the picture cache cannot be written to {folder}: {error.strerror}") from error
    index = json.loads(index_file.read_text())
    kept = dataset.select(index["kept"])
    skipped = tuple(Skipped(name, reason) for name, reason in index["skipped"])
    shape = (spec.channels, spec.height, spec.width)
    pixels: NDArray[np.uint8] = (
        np.memmap(pixels_file, np.uint8, "r", shape=(len(kept), *shape))
        if len(kept)
        else np.empty((0, *shape), np.uint8)
    )
    return PixelCache(pixels, tuple(index["hashes"]), kept.with_skipped(skipped))


def _complete(index_file: Path, key: str) -> bool:
    if not index_file.exists():
        return False
    try:
        return bool(json.loads(index_file.read_text())["key"] == key)
    except (ValueError, KeyError):
        return False


def _write(
    dataset: Dataset,
    pixels_file: Path,
    index_file: Path,
    key: str,
    spec: InputSpec,
    progress: Progress | None,
) -> None:
    kept: list[int] = []
    hashes: list[str] = []
    skipped: list[tuple[str, str]] = []
    read = read_pictures(dataset, spec.fitted, at_least=spec.side, hashed=True, progress=progress)
    with atomic_write(pixels_file, error=TrainingError) as file:
        for i, each in enumerate(read):
            if isinstance(each, PictureError):
                skipped.append((dataset.pictures[i].name, str(each)))
            else:
                file.write(each.result.tobytes())
                kept.append(i)
                hashes.append(each.content_hash)
    index = {"key": key, "kept": kept, "hashes": hashes, "skipped": skipped}
    write_file(index_file, [json.dumps(index)], error=TrainingError)


def _key(dataset: Dataset, spec: InputSpec) -> str:
    """What the cache depends on: a file that was changed has another time or size."""
    digest = hashlib.sha256(f"{CURRENT} {spec.model_dump_json()}".encode())
    for picture in dataset:
        digest.update(f"\n{picture.name}\t{picture.label}\t{picture.box}\t".encode())
        if isinstance(picture.source, Path):
            status = picture.source.stat()
            digest.update(f"{status.st_size}/{status.st_mtime_ns}".encode())
        else:
            source = picture.source
            digest.update(source if isinstance(source, bytes) else source.tobytes())
    return digest.hexdigest()
