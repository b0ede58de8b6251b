"""What files of an index can say that is not so: whatever it is, who loads them is to refuse it."""

from collections.abc import Callable
from typing import Any

import numpy as np

Content = dict[str, Any]
Arrays = dict[str, np.ndarray]
Lie = Callable[[Content, Arrays], None]

N = 300
"""Rows of the segment, all of which is in one file; the manifest has 20 more."""


def say(*path: str, value: Any) -> Lie:
    """Something else at a place of the content."""

    def lie(content: Content, arrays: Arrays) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return lie


def put(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Lie:
    """Another array under a name."""

    def lie(content: Content, arrays: Arrays) -> None:
        arrays[name] = np.ascontiguousarray(change(arrays[name]))

    return lie


def drop(name: str) -> Lie:
    """An array less."""
    return lambda content, arrays: arrays.__delitem__(name)


def but(position: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
    """The same array with one other number."""

    def changed(array: np.ndarray) -> np.ndarray:
        array.reshape(-1)[position] = value
        return array

    return changed


def in_many_layers(content: Content, arrays: Arrays) -> None:
    """A graph that is right in itself, and higher than FAISS has layers for its links."""
    arrays["structure.levels"] = np.full(N, 30, np.uint8)
    arrays["structure.neighbors"] = np.random.default_rng(0).integers(0, N, N * 16 * 31).astype(np.int32)


def in_no_layer(content: Content, arrays: Arrays) -> None:
    """A row of an upper layer that names one that is not in it."""
    levels, links = arrays["structure.levels"].astype(int), content["structure"]["links"]
    high = int(levels.argmax())
    first = links * (levels[:high] + 1).sum() + 2 * links
    arrays["structure.neighbors"][first] = int(levels.argmin())


def halves(array: np.ndarray) -> np.ndarray:
    """NaN, of 16 bits."""
    array.view(np.uint16)[:] = 0x7E00
    return array


def singles(array: np.ndarray) -> np.ndarray:
    """NaN, of 32 bits."""
    array.view(np.float32)[::2] = np.nan
    return array


def ids_twice(array: np.ndarray) -> np.ndarray:
    array[1] = array[0]
    return array


COMMON: dict[str, Lie] = {
    "ids twice": put("ids", ids_twice),
    "ids below 0": put("ids", lambda ids: ids - 1),
    "the largest id": put("ids", but(-1, 2**63 - 1)),
    "ids of 32 bits": put("ids", lambda ids: ids.astype(np.int32)),
    "ids in a column": put("ids", lambda ids: ids[:, None]),
    "fewer ids": put("ids", lambda ids: ids[:-1]),
    "no ids": drop("ids"),
    "no vectors": drop("vectors"),
    "no rows": lambda content, arrays: arrays.update(ids=arrays["ids"][:0], vectors=arrays["vectors"][:0]),
    "vectors of NaN": put("vectors", lambda x: np.full_like(x, np.nan)),
    "a vector of NaN": put("vectors", but(7, np.nan)),
    "an infinite vector": put("vectors", but(-1, np.inf)),
    "flat vectors": put("vectors", lambda x: x.reshape(-1)),
    "narrow vectors": put("vectors", lambda x: x[:, :-1]),
    "empty vectors": put("vectors", lambda x: x[:, :0]),
    "integer vectors": put("vectors", lambda x: x.astype(np.int32)),
    "fewer vectors": put("vectors", lambda x: x[:-1]),
    "another count": say("count", value=N - 1),
    "a count in a fraction": say("count", value=float(N)),
    "another format": say("format", value=2),
    "another metric": say("metric", value="[]"),
    "another model": say("fingerprint", value="another"),
    "an open segment": say("state", value="open"),
    "no state": say("state", value=None),
    "no kind": say("kind", value="quantum"),
    "a kind of kinds": say("kind", value=["linear"]),
    "no structure": say("structure", value=None),
    "a structure of numbers": say("structure", value=[1, 2]),
}
IN_ORDER: dict[str, Lie] = {"ids in no order": put("ids", lambda ids: ids[::-1])}
TUNED: dict[str, Lie] = {
    "depth 0": say("structure", "depth", "depth", value=0),
    "a depth below 0": say("structure", "depth", "depth", value=-1),
    "a depth for all memory": say("structure", "depth", "depth", value=2**31 - 1),
    "a depth beyond C": say("structure", "depth", "depth", value=2**31),
    "a depth in a fraction": say("structure", "depth", "depth", value=10.0),
    "a depth that is true": say("structure", "depth", "depth", value=True),
    "no depth": say("structure", "depth", value={}),
    "a recall of NaN": say("structure", "depth", "recall", value=float("nan")),
    "a recall in words": say("structure", "depth", "recall", value="1"),
    "a huge recall": say("structure", "depth", "recall", value=10**400),
    "another screen": say("structure", "screen", "by", value="scales"),
    "a screen of screens": say("structure", "screen", "by", value=["maps"]),
    "a screen of length 0": say("structure", "screen", "length", value=0),
    "a screen of length NaN": say("structure", "screen", "length", value=float("nan")),
    "an endless screen": say("structure", "screen", "length", value=float("inf")),
    "a screen in no order": say("structure", "screen", "ordered", value=None),
    "another dimension": say("structure", "dimension", value=3),
    "dimension 0": say("structure", "dimension", value=0),
    "a dimension beyond C": say("structure", "dimension", value=1 << 40),
    "a huge dimension": say("structure", "dimension", value=2**31 - 1),
    "a dimension in a fraction": say("structure", "dimension", value=5.0),
    "a quantization of none": say("structure", "quantize", value="4bit"),
    "a quantization of many": say("structure", "quantize", value=["f32"]),
}
CELLS: dict[str, Lie] = {
    **TUNED,
    "sizes below 0": put("structure.sizes", lambda sizes: np.array([-1, *sizes[:-2], sizes[-2:].sum() + 1])),
    "sizes that wrap around": put("structure.sizes", lambda sizes: np.array([1 << 62] * 4 + [N] + [0] * 7)),
    "huge sizes": put("structure.sizes", but(0, 1 << 62)),
    "a row more": put("structure.sizes", lambda sizes: sizes + (np.arange(12) == 0)),
    "a row less": put("structure.sizes", lambda sizes: sizes - (sizes == sizes.max())),
    "no sizes": put("structure.sizes", lambda sizes: sizes[:0]),
    "sizes of 32 bits": put("structure.sizes", lambda sizes: sizes.astype(np.int32)),
    "sizes in fractions": put("structure.sizes", lambda sizes: sizes.astype(np.float32)),
    "fewer sizes": put("structure.sizes", lambda sizes: np.array([*sizes[:-2], sizes[-2:].sum()])),
    "a centroid of NaN": put("structure.centroids", but(0, np.nan)),
    "endless centroids": put("structure.centroids", lambda x: np.full_like(x, np.inf)),
    "integer centroids": put("structure.centroids", lambda x: x.astype(np.int32)),
    "flat centroids": put("structure.centroids", lambda x: x.reshape(-1)),
    "narrow centroids": put("structure.centroids", lambda x: x[:, :-1]),
    "fewer codes": put("structure.codes", lambda codes: codes[:-1]),
    "codes in rows": put("structure.codes", lambda codes: codes.reshape(N, -1)),
    "no centroids": drop("structure.centroids"),
    "no codes": drop("structure.codes"),
}
GRAPH: dict[str, Lie] = {
    **TUNED,
    "links beyond": put("structure.neighbors", but(5, N)),
    "links far beyond": put("structure.neighbors", lambda x: np.full_like(x, 2**31 - 1)),
    "links before": put("structure.neighbors", but(5, -2)),
    "fewer links": put("structure.neighbors", lambda x: x[:-1]),
    "links of 64 bits": put("structure.neighbors", lambda x: x.astype(np.int64)),
    "links in rows": put("structure.neighbors", lambda x: x[None]),
    "links in fractions": put("structure.neighbors", lambda x: x.astype(np.float32)),
    "links into no layer": in_no_layer,
    "no links": drop("structure.neighbors"),
    "other links": say("structure", "links", value=8),
    "links for all memory": say("structure", "links", value=1 << 30),
    "too many layers": in_many_layers,
    "layer 0": put("structure.levels", but(0, 0)),
    "layers far up": put("structure.levels", but(0, 255)),
    "layers of 64 bits": put("structure.levels", lambda x: x.astype(np.int64)),
    "layers of NaN": put("structure.levels", lambda x: np.full(N, np.nan, np.float32)),
    "fewer layers": put("structure.levels", lambda x: x[:-1]),
    "layers in rows": put("structure.levels", lambda x: x[:, None]),
    "no layers": drop("structure.levels"),
    "an entry beyond": say("structure", "entry", value=N),
    "an entry before": say("structure", "entry", value=-1),
    "an entry far beyond": say("structure", "entry", value=1 << 40),
    "an entry in a fraction": say("structure", "entry", value=0.0),
    "an entry that is true": say("structure", "entry", value=True),
    "no entry": say("structure", "entry", value=None),
}
EIGHT_BITS: dict[str, Lie] = {
    "ranges of NaN": put("structure.ranges", but(0, np.nan)),
    "endless ranges": put("structure.ranges", lambda x: np.full_like(x, np.inf)),
    "fewer ranges": put("structure.ranges", lambda x: x[:-1]),
    "ranges of codes": put("structure.ranges", lambda x: x.view(np.uint8)),
    "no ranges": drop("structure.ranges"),
}
LIES: dict[str, dict[str, Lie]] = {
    "linear": {
        **COMMON,
        **IN_ORDER,
        "narrow maps": put("structure.mapped", lambda x: x[:, :-1]),
        "flat maps": put("structure.mapped", lambda x: x.reshape(-1)),
        "fewer maps": put("structure.mapped", lambda x: x[:-1]),
        "integer maps": put("structure.mapped", lambda x: x.astype(np.int32)),
        "a map of NaN": put("structure.mapped", but(9, np.nan)),
        "a reason of numbers": say("structure", "why", value=7),
    },
    "tree": {
        **COMMON,
        **IN_ORDER,
        "a tree of none": say("structure", "tree", value="quad"),
        "a tree of trees": say("structure", "tree", value=["kd"]),
        "leaf 0": say("structure", "leaf", value=0),
        "a leaf beyond C": say("structure", "leaf", value=1 << 70),
        "a leaf in a fraction": say("structure", "leaf", value=40.0),
    },
    "cells": {**COMMON, **CELLS, "codes of NaN": put("structure.codes", singles)},
    "cells-8bit": {**COMMON, **CELLS, **EIGHT_BITS},
    "hnsw": {**COMMON, **GRAPH},
    "hnsw-8bit": {**COMMON, **GRAPH, **EIGHT_BITS, "fewer codes": put("structure.codes", lambda x: x[:-1])},
    "hnsw-roots": {
        **COMMON,
        **GRAPH,
        "codes of NaN": put("structure.codes", halves),
        "codes in rows": put("structure.codes", lambda x: x.reshape(N, -1)),
        "no codes": drop("structure.codes"),
        "by its maps": say("structure", "screen", "by", value="maps"),
    },
    "hnsw-lifted": {
        **COMMON,
        **GRAPH,
        "codes of NaN": put("structure.codes", singles),
        "not lifted": say("structure", "screen", "by", value="maps"),
    },
}
MANIFESTS: dict[str, Lie] = {
    "a segment twice": lambda content, arrays: content.update(segments=2 * content["segments"], count=2 * N),
    "no segments": say("segments", value=None),
    "segments in words": say("segments", value="segment"),
    "segments of one part": lambda content, arrays: content.update(segments=[content["segments"][0][:1]]),
    "a checksum of none": lambda content, arrays: content["segments"][0].__setitem__(1, None),
    "another count": lambda content, arrays: content.update(count=content["count"] + 1),
    "a count in a fraction": lambda content, arrays: content.update(count=float(content["count"])),
    "removed beyond": put("removed 0", but(-1, N)),
    "removed before": put("removed 0", but(0, -1)),
    "removed in fractions": put("removed 0", lambda x: x.astype(np.float32)),
    "removed in rows": put("removed 0", lambda x: x[None]),
    "fewer removed": put("removed 0", lambda x: x[1:]),
    "nothing removed": drop("removed 0"),
    "ids of a segment too": put("ids", but(0, 1)),
    "ids twice": put("ids", ids_twice),
    "ids below 0": put("ids", but(0, -1)),
    "the largest id": put("ids", but(-1, 2**63 - 1)),
    "fewer ids": put("ids", lambda x: x[1:]),
    "ids of 32 bits": put("ids", lambda x: x.astype(np.int32)),
    "no ids": drop("ids"),
    "no vectors": drop("vectors"),
    "vectors of NaN": put("vectors", but(3, np.nan)),
    "narrow vectors": put("vectors", lambda x: x[:, :-1]),
    "flat vectors": put("vectors", lambda x: x.reshape(-1)),
    "integer vectors": put("vectors", lambda x: x.astype(np.int32)),
    "settings of none": say("maker", value=None),
    "a setting more": lambda content, arrays: content["maker"].update(more=1),
    "another metric": say("metric", value=None),
    "another model": say("fingerprint", value=["of a model"]),
}


def other_depth(value: Any) -> Lie:
    """Another depth, of the first segment, than its file says: what an audit leaves in the manifest."""
    return lambda content, arrays: content["segments"][0].__setitem__(2, value)


DEPTHS: dict[str, Lie] = {
    "no depth": other_depth(None),
    "an empty depth": other_depth({}),
    "a number for a depth": other_depth(7),
    "depth 0": other_depth({"depth": 0, "recall": 1.0, "error": 0.0, "queries": 1}),
    "a depth for all memory": other_depth({"depth": 2**31 - 1, "recall": 1.0, "error": 0.0, "queries": 1}),
    "a depth in a fraction": other_depth({"depth": 10.0, "recall": 1.0, "error": 0.0, "queries": 1}),
    "a recall of NaN": other_depth({"depth": 10, "recall": float("nan"), "error": 0.0, "queries": 1}),
    "segments of two parts": lambda content, arrays: content["segments"][0].__delitem__(2),
}


def manifest_lies(kind: str) -> dict[str, Lie]:
    """Lies of the manifest of an index of a kind."""
    return {**MANIFESTS, **DEPTHS} if "depth 0" in LIES[kind] else MANIFESTS
