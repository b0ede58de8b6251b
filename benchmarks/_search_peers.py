"""Ours beside the peers at equal recall: the tables of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from _results import table
from _search_data import Data, Vectors
from _search_engines import EFFORT, LINKS, Engine
from _search_measure import Depth, Kept, batch, interleaved, kept, least_depths, opened, ratios
from _search_ours import PROMISED, Ours, engines, named


class Job(NamedTuple):
    """An engine at a depth. Two recalls that one depth gives are one job."""

    engine: str
    depth: int


Times = Mapping[int, Mapping[Job, list[float]]]
"""Seconds a query in each round, by threads and job."""


def beside_peers(data: Data, cache: Path, recalls: Sequence[float], threads: Sequence[int], rounds: int) -> str:
    """Builds, depths and times of all engines on one data set, as text."""
    names = [engine.name for engine in engines()]
    builds = {name: kept(named(name), data, cache, max(threads)) for name in names}
    depths: dict[str, list[Depth]] = {}
    times: dict[int, dict[Job, list[float]]] = {}
    promises: list[list[object]] = []
    for count in sorted(threads, reverse=True):
        with threadpool_limits(count):
            loaded = {name: load(name, builds[name], count) for name in names}
            if not depths:
                depths = {name: least_depths(engine, data, recalls, count) for name, engine in loaded.items()}
                promises = [promise(one, data, count) for one in loaded.values() if isinstance(one, Ours)]
            steps = {
                Job(name, found.depth): batch(answers(engine, found.depth, count), data.queries)
                for name, engine in loaded.items()
                for found in depths[name]
                if found.reached
            }
            times[count] = interleaved(steps, rounds)
    sizes = [
        [name, builds[name].seconds, builds[name].bytes() / len(data.stored), *fresh(name, builds[name], data, threads)]
        for name in names
    ]
    return (
        "Recall@10 is by distance, so that of equals any will do. Every graph has "
        f"M {LINKS} and efConstruction {EFFORT}, cells are 4·√n; the depth (efSearch, probes) is the least of a ladder "
        "of eighths that gives the recall on these very queries, for every engine. Queries a second are the median of "
        f"{rounds} interleaved rounds, in batches of all queries or of about a second; × is the median of the rounds' "
        "ratios to the raw FAISS of the same structure and storage, at the same recall. Where a recall was not "
        "reached, the best is in brackets. Ours does everything: ids, ranking in float64, distances. FAISS, ours and "
        f"raw, multiplies matrices from {faiss.cvar.distance_compute_blas_threshold:,} numbers of queries on.\n\n"
        + table(columns(recalls, threads), [line(engine, depths, times) for engine in engines()])
        + f"\n\nBuilds take {max(threads)} threads; ours finds its depth meanwhile. Bytes of the file that holds the "
        "index, with the vectors where the engine keeps them; resident bytes and the time from that file to the first "
        f"answer ({max(threads)} threads, page cache warm) are those of a fresh process, over imports.\n\n"
        + table(["engine", "build, s", "bytes a vector, file", "bytes a vector, resident", "first answer, ms"], sizes)
        + f"\n\nWhat ours promised for {PROMISED}: the depth that it found on vectors held back, and the recall on "
        "them and on the queries.\n\n"
        + table(["index", "depth", "recall promised", "± standard error", "recall on the queries"], promises)
    )


def load(name: str, built: Kept, threads: int) -> Engine:
    engine = named(name)
    engine.load(built.folder / "files", threads)
    return engine


def answers(engine: Engine, depth: int, threads: int) -> Callable[[Vectors], object]:
    return lambda queries: engine.search(queries, depth, threads)


def promise(engine: Ours, data: Data, threads: int) -> list[object]:
    found = engine.promise()
    recall = data.recall(engine.search(data.queries, found.depth if found else 1, threads))
    if found is None:
        return [engine.name, engine.said() or "exact", None, None, recall]
    return [engine.name, found.depth, found.recall, f"{found.error:.4f}", recall]


def fresh(name: str, built: Kept, data: Data, threads: Sequence[int]) -> list[float]:
    found = opened(name, built, data, max(threads))
    return [found.bytes / len(data.stored), found.milliseconds]


def columns(recalls: Sequence[float], threads: Sequence[int]) -> list[str]:
    by_threads = [f"{count} thread{'s' if count > 1 else ''}" for count in sorted(threads)]
    each = [[f"depth for {recall:.2f}", *(f"{count}, q/s" for count in by_threads)] for recall in recalls]
    beside = [f"× raw FAISS, {count}, at {' / '.join(f'{recall:.2f}' for recall in recalls)}" for count in by_threads]
    return ["engine", *(column for three in each for column in three), *beside]


def line(engine: Engine, depths: Mapping[str, Sequence[Depth]], times: Times) -> list[object]:
    cells: list[object] = [engine.name]
    for found in depths[engine.name]:
        cells.append(found.depth if found.reached else f"({found.recall:.3f})")
        for count in sorted(times):
            seconds = times[count].get(Job(engine.name, found.depth)) if found.reached else None
            cells.append(f"{1 / np.median(seconds):,.0f}" if seconds else None)
    for count in sorted(times):
        pairs = zip(depths[engine.name], depths[engine.beside], strict=True)
        cells.append(" / ".join(beside(times[count], engine, own, raw) for own, raw in pairs))
    return cells


def beside(times: Mapping[Job, list[float]], engine: Engine, own: Depth, raw: Depth) -> str:
    if not (own.reached and raw.reached):
        return "–"
    found = ratios(times[Job(engine.name, own.depth)], times[Job(engine.beside, raw.depth)])
    return f"{np.median(found):.2f}"
