"""Files of an index under checksums that are right, whose content lies; and what becomes of who loads them.

Run as a process of its own, it prints a line for each: a crash shows as lines that are missing.
"""

import os
import resource
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from tests.index.lies import LIES, Arrays, Content, Lie, N, manifest_lies, put, say
from tests.index.made import Make
from tests.metrics.made import rows

from semelha.errors import IndexFileError
from semelha.index import HNSWIndex, Index, IVFIndex, LinearIndex, TreeIndex
from semelha.index.archive import read_archive, write_archive
from semelha.index.folder import MANIFEST
from semelha.metrics import Cosine, Euclidean, GaussianKullbackLeibler, KullbackLeibler, Metric

MEMORY = 8 << 30  # bytes beyond which a lie about a size is told by a lack of memory

KINDS: dict[str, tuple[Make, Metric]] = {
    "linear": (partial(LinearIndex), Cosine()),
    "tree": (partial(TreeIndex), Euclidean()),
    "cells": (partial(IVFIndex, n_cells=12), Cosine()),
    "cells-8bit": (partial(IVFIndex, n_cells=12, quantize="8bit"), Cosine()),
    "hnsw": (partial(HNSWIndex), Euclidean()),
    "hnsw-8bit": (partial(HNSWIndex, quantize="8bit"), Cosine()),
    "hnsw-roots": (partial(HNSWIndex, quantize="f16"), KullbackLeibler()),
    "hnsw-lifted": (partial(HNSWIndex, recall=0.5), GaussianKullbackLeibler()),
}


class Forger:
    """A saved index of a kind, again and again with something else in its files."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.make, self.metric = KINDS[kind]
        self.folder = folder
        index = self.make(self.metric)
        vectors = rows(self.metric, N + 20).astype(np.float32)
        index.build(np.arange(N), vectors[:N])
        index.add(np.arange(N, N + 20), vectors[N:])
        index.remove(np.arange(0, N + 20, 11))
        index.save(folder)
        self.segment = next(folder.glob("*.segment"))
        self.said = self._read(self.segment)
        self.manifest = self._read(folder / MANIFEST)
        self.queries = rows(self.metric, 25, seed=1)

    def _read(self, path: Path) -> tuple[Content, Arrays]:
        content, arrays, _ = read_archive(path)
        return content, {name: array.copy() for name, array in arrays.items()}

    def outcome(self, lie: Lie, *, of_manifest: bool = False) -> str:
        """What becomes of it: "refused", "valid" or what is wrong."""
        said, manifest = _copied(*self.said), _copied(*self.manifest)
        lie(*(manifest if of_manifest else said))
        own = write_archive(self.segment, *said)
        if not of_manifest:
            manifest[0]["segments"] = [[self.segment.name, own, *manifest[0]["segments"][0][2:]]]
        write_archive(self.folder / MANIFEST, *manifest)
        index = self.make(self.metric)
        try:
            index.load(self.folder)
        except IndexFileError:
            return "refused" if not len(index) else "half loaded"
        return self.wrong(index, said[1], manifest[1]) or "valid"

    def wrong(self, index: Index, said: Arrays, manifest: Arrays) -> str:
        """What is wrong with the answers of an index, if anything."""
        index.stats()
        removed = manifest.get("removed 0", np.empty(0, np.int64))
        parts = [(np.delete(said["ids"], removed), np.delete(said["vectors"], removed, axis=0))]
        if "ids" in manifest:
            parts.append((manifest["ids"], manifest["vectors"]))
        ids, vectors = (np.concatenate(both) for both in zip(*parts, strict=True))
        held = dict(zip(ids.tolist(), vectors.astype(float), strict=True))
        if len(index) != len(held):
            return "a wrong number"
        for queries in (self.queries, self.queries[:1]):
            found = index.search(queries, 8)
            if not set(found.ids.ravel().tolist()) <= held.keys():
                return "rows that are not there"
            if any(len(set(line)) < 8 for line in found.ids.tolist()):
                return "a row twice"
            stored = np.stack([held[i] for i in found.ids.ravel().tolist()])
            true = self.metric.between(queries.repeat(8, axis=0), stored).reshape(-1, 8)
            if not np.allclose(found.distances, true, atol=1e-9) or (np.diff(found.distances, axis=1) < 0).any():
                return "wrong distances"
        return ""


def _copied(content: Content, arrays: Arrays) -> tuple[Content, Arrays]:
    return _deep(content), {name: array.copy() for name, array in arrays.items()}


def _deep(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _deep(inner) for key, inner in value.items()}
    return [_deep(inner) for inner in value] if isinstance(value, list) else value


VALUES: list[Any] = [None, True, -1, 0, 1, 0.5, 2**31, 2**63, 10**400, float("nan"), float("inf"), "x", [], [[]], {}]


def places(content: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every place in objects of JSON."""
    for key, value in content.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


def twisted(array: np.ndarray) -> Iterator[np.ndarray]:
    """Arrays that are nearly as it is."""
    random = np.random.default_rng(0)
    yield from (array[::-1], random.permutation(array), np.zeros_like(array), np.ones_like(array))
    yield from (array[:0], array[:1], array[:-1], np.concatenate([array, array[-1:]]), array.reshape(1, -1))
    yield from (array.astype(kind) for kind in ("<i8", "<i4", "<f4", "|u1") if array.dtype != kind)
    yield random.integers(0, 256, array.nbytes).astype(np.uint8).view(array.dtype).reshape(array.shape)
    limits = np.finfo(array.dtype) if array.dtype.kind == "f" else np.iinfo(array.dtype)
    for extreme in (limits.min, limits.max):
        yield np.full_like(array, extreme)
        for part in (slice(None, None, 2), slice(0, 1), slice(-1, None)):
            some = array.copy()
            some[part] = extreme
            yield some


def replacements(forger: Forger) -> Iterator[tuple[str, Lie, bool]]:
    """Every number replaced by every other kind of value, and every array by others: name, lie, of the manifest."""
    for of_manifest, (content, arrays) in ((False, forger.said), (True, forger.manifest)):
        for path in places(content):
            for value in VALUES:
                yield f"{'.'.join(path)} is {str(value)[:20]}", say(*path, value=value), of_manifest
        for name, array in arrays.items():
            for number, other in enumerate(twisted(array)):
                lie = put(name, lambda array, other=other: other)  # type: ignore[misc]
                yield f"{name} number {number}", lie, of_manifest


def told(forger: Forger, kind: str) -> Iterator[tuple[str, str]]:
    """Every lie that there is, of the segment and of the manifest."""
    yield "nothing", forger.outcome(lambda content, arrays: None)
    for name, lie in LIES[kind].items():
        yield name, forger.outcome(lie)
    for name, lie in manifest_lies(kind).items():
        yield f"manifest: {name}", forger.outcome(lie, of_manifest=True)


def replaced(forger: Forger, every: int) -> Iterator[tuple[str, str]]:
    """The outcome of every so many replacements."""
    for name, lie, of_manifest in islice(replacements(forger), 0, None, every):
        yield name, forger.outcome(lie, of_manifest=of_manifest)


def main(what: str, kinds: list[str]) -> None:
    """Print kind, name and outcome of everything, with tabulators between."""
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
            forger = Forger(kind, Path(folder))
            every = {"some": 4, "all": 1}.get(what)  # 4 and the number of VALUES have no common divisor
            for name, outcome in replaced(forger, every) if every else told(forger, kind):
                print(kind, name, outcome, sep="\t", flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with patch.object(os, "fsync", lambda descriptor: None):
        main(sys.argv[1], sys.argv[2:])
