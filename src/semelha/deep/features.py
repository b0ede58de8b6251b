"""The features of pictures by a frozen network, computed once and kept on the disk."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Extractor, embed_pictures
from semelha.errors import PictureError, TrainingError
from semelha.files import write_file
from semelha.images import Dataset, Progress, Skipped, picture_key
from semelha.text import as_unicode
from semelha.untrusted import read_json

BATCH = 32
BLOCK = 256
"""Pictures after which progress is saved."""


@dataclass(frozen=True, eq=False)
class FeatureCache:
    """The features of a data set, in the order of its pictures."""

    features: NDArray[np.float16]  # (pictures, width), memory-mapped, read-only
    hashes: tuple[str, ...]  # content hash of each picture
    dataset: Dataset  # the pictures that could be decoded; `skipped` lists the others


def compute_features(
    dataset: Dataset, extractor: Extractor, width: int, folder: Path, *, key: str, progress: Progress | None = None
) -> FeatureCache:
    """Compute features, or go on where an earlier call for the same pictures and `key` was interrupted.

    `key` names what computes them. Raises `TrainingError` if they cannot be written to `folder`.
    """
    digest = hashlib.sha256(f"{key} {picture_key(dataset)}".encode()).hexdigest()
    index_file, data_file = folder / "features.json", folder / "features.f16"
    state = _State.read(index_file, digest)
    try:
        with data_file.open("r+b" if data_file.exists() else "w+b") as file:
            if file.seek(0, 2) < 2 * width * len(state.kept):  # the power failed
                state = _State(digest, 0, [], [], [])
            file.truncate(2 * width * len(state.kept))
            file.seek(0, 2)
            rest = dataset.select(range(state.done, len(dataset)))
            start = state.done

            def shown(done: int, total: int) -> None:
                if progress is not None:
                    progress(start + done, len(dataset))

            for each in embed_pictures(extractor, rest, hashed=True, batch_size=BATCH, progress=shown):
                if isinstance(each, PictureError):
                    state.skipped.append((as_unicode(dataset.pictures[state.done].name), str(each)))
                else:
                    file.write(each.vector.astype(np.float16).tobytes())
                    state.kept.append(state.done)
                    state.hashes.append(each.content_hash)
                state.done += 1
                if state.done % BLOCK == 0 or state.done == len(dataset):
                    file.flush()
                    state.write(index_file)
    except OSError as error:
        raise TrainingError(f"the features cannot be written to {folder}: {error.strerror}") from error
    kept = dataset.select(state.kept).with_skipped([Skipped(*one) for one in state.skipped])
    shape = (len(kept), width)
    found = np.memmap(data_file, np.float16, "r", shape=shape) if len(kept) else np.empty(shape, np.float16)
    return FeatureCache(found, tuple(state.hashes), kept)


def seconds_each(dataset: Dataset, extractor: Extractor, *, seed: int, sample: int = 32) -> float:
    """Seconds that a picture takes, measured on a few, drawn at random."""
    chosen = dataset.select(np.random.default_rng(seed).permutation(len(dataset))[:sample].tolist())
    start = time.monotonic()
    for _ in embed_pictures(extractor, chosen, batch_size=16):
        pass
    return (time.monotonic() - start) / len(chosen)


def subset(dataset: Dataset, most: int, *, seed: int) -> Dataset:
    """At most `most` pictures, drawn at random: of every class the same number if they suffice for two of each."""
    order = np.random.default_rng(seed).permutation(len(dataset))
    labels = dataset.labels[order]
    _, first, counts = np.unique(labels[np.argsort(labels, kind="stable")], return_index=True, return_counts=True)
    rank = np.empty(len(order), np.int64)  # of a picture within its class
    rank[np.argsort(labels, kind="stable")] = np.arange(len(order)) - np.repeat(first, counts)
    if 2 * len(counts) > most:  # fewer classes
        chosen = np.unique(labels)[np.random.default_rng(seed + 1).permutation(len(counts))[: max(2, most // 2)]]
        order, rank = order[np.isin(labels, chosen)], rank[np.isin(labels, chosen)]
    kept = order[np.argsort(rank, kind="stable")[:most]]
    return dataset.select(np.sort(kept).tolist())


@dataclass
class _State:
    """What was computed so far: the file of the index."""

    key: str
    done: int
    kept: list[int]
    hashes: list[str]
    skipped: list[tuple[str, str]]

    @classmethod
    def read(cls, file: Path, key: str) -> _State:
        try:
            content = read_json(file, error=TrainingError) if file.exists() else {}
            if content.get("key") == key:
                return cls(**content)
        except (TrainingError, TypeError):
            pass  # damaged: computed again
        return cls(key, 0, [], [], [])

    def write(self, file: Path) -> None:
        write_file(file, [json.dumps(vars(self))], error=TrainingError)
