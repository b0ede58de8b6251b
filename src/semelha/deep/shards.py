"""The pictures of a training whose classes are divided into shards: each process decodes and reads its own alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semelha.deep.cache import CachedPart, PictureSubset, PixelCache, open_part
from semelha.deep.distributed import ProcessGroup
from semelha.embedders import InputSpec
from semelha.images import Dataset, Progress, Skipped, class_shards


class PixelsWithGaps:
    """The fitted pictures of all shards, of which this process has some: to read another raises `LookupError`."""

    def __init__(
        self, total: int, shape: tuple[int, ...], parts: Sequence[tuple[NDArray[np.int64], NDArray[np.uint8]]]
    ) -> None:
        self.shape = (total, *shape)
        self._parts = [pixels for _, pixels in parts]
        self._part = np.full(total, -1)
        self._place = np.zeros(total, np.int64)
        for number, (rows, _) in enumerate(parts):
            self._part[rows], self._place[rows] = number, np.arange(len(rows))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        of = self._part[rows]
        if (of < 0).any():
            raise LookupError("this process has no such picture: another has its shard")
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for number in np.unique(of):
            found[of == number] = self._parts[number][self._place[rows[of == number]]]
        return found


def own_places(shards: NDArray[np.int64] | None, length: int, number: int, processes: ProcessGroup) -> NDArray[Any]:
    """Places of the pictures of this process: those of its shards, or without shards an equal share of `length`."""
    if shards is None:
        return np.arange(length)[processes.share(length)]
    own = processes.share(number)
    return np.flatnonzero((shards >= own.start) & (shards < own.stop))


def in_order(own: Tensor, places: NDArray[np.int64], processes: ProcessGroup) -> Tensor:
    """The rows of all processes in the order of their places: (own, …) → (all, …)."""
    sizes = processes.sizes(len(own))
    rows = processes.all_gather(own, sizes)
    return rows[processes.all_gather(torch.from_numpy(places), sizes).argsort()]


def open_sharded_cache(
    dataset: Dataset,
    folder: Path,
    spec: InputSpec,
    number: int,
    processes: ProcessGroup,
    *,
    progress: Progress | None = None,
) -> PixelCache:
    """Open the cache of the shards of this process in `folder`, or create it; all processes learn what all have.

    Raises `TrainingError` if the folder cannot be written, in all processes, and `DatasetError`.
    """
    shards = class_shards(dataset, number)
    own = range(number)[processes.share(number)]
    rows_of = {shard: np.flatnonzero(shards == shard) for shard in own}
    parts: dict[int, CachedPart] = {}

    def decode() -> None:
        for shard, rows in rows_of.items():
            part = dataset.select(rows.tolist())
            parts[shard] = open_part(part, folder, spec, name=f"pixels.{number}.{shard}", progress=progress)

    processes.where(True, decode)
    kept = {shard: rows_of[shard][part.kept] for shard, part in parts.items()}
    told = {
        "kept": np.concatenate([*kept.values(), np.empty(0, np.int64)]).tolist(),
        "hashes": [content for part in parts.values() for content in part.hashes],
        "skipped": [(one.name, one.reason) for part in parts.values() for one in part.skipped],
    }
    every = [json.loads(text) for text in processes.all_texts(json.dumps(told))]
    hashes = {row: content for one in every for row, content in zip(one["kept"], one["hashes"], strict=True)}
    rows = np.array(sorted(hashes), np.int64)
    skipped = tuple(Skipped(*each) for one in every for each in one["skipped"])
    present = [(np.searchsorted(rows, kept[shard]), part.pixels) for shard, part in parts.items()]
    pixels: Any = PixelsWithGaps(len(rows), (spec.channels, spec.height, spec.width), present)
    names = tuple(hashes[row] for row in rows.tolist())
    return PixelCache(pixels, names, dataset.select(rows.tolist()).with_skipped(skipped), shards[rows])


def sharded_statistics(cache: PixelCache, number: int, processes: ProcessGroup) -> tuple[float, float]:
    """`PixelCache.statistics`, in which each process reads its own pictures: the same in all processes."""
    chosen = np.arange(0, len(cache.pixels), max(1, len(cache.pixels) // 2000))
    assert cache.shards is not None
    own = chosen[own_places(cache.shards[chosen], len(chosen), number, processes)]
    pixels = cache.pixels[own].astype(np.int64)
    sums = torch.tensor([[pixels.size, int(pixels.sum()), int((pixels**2).sum())]])
    count, first, second = processes.all_gather(sums, [1] * processes.size).sum(dim=0).tolist()
    mean = first / count
    deviation = max(0.0, second / count - mean**2) ** 0.5
    return round(mean / 255, 4), round(max(deviation / 255, 1e-3), 4)


def collected(subset: PictureSubset, places: NDArray[np.int64], number: int, processes: ProcessGroup) -> PictureSubset:
    """The subset of the pictures at some places, with the pixels of all processes."""
    assert subset.shards is not None
    own = own_places(subset.shards[places], len(places), number, processes)
    pixels = in_order(torch.from_numpy(subset.read(places[own])), own, processes).numpy()
    return PictureSubset(
        pixels,
        np.arange(len(places)),
        subset.classes[places],
        subset.labels,
        groups=None if subset.groups is None else subset.groups[places],
        clean=None if subset.clean is None else subset.clean[places],
    )
