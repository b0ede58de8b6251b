"""What our contract costs: the same structure at the same depth through it, and as raw FAISS."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from _results import table
from _search_data import Data, K, Vectors
from _search_engines import Faiss
from _search_measure import batch, interleaved, kept, ratios
from _search_ours import METRICS, PROMISED, Ours, named, ours
from _search_peers import load

SECONDS = 20.0  # that single queries of one engine may take, about


def contract_costs(data: Data, cache: Path, threads: Sequence[int], rounds: int, singles: int) -> str:
    rows = []
    for engine in (engine for metric in METRICS for engine in ours(metric)):
        built = kept(engine, data, cache, max(threads))
        raw = named(engine.beside)
        kept_raw = kept(raw, data, cache, max(threads))
        row: list[object] = [engine.name, engine.beside]
        for count in sorted(threads):
            own, other = load(engine.name, built, count), load(raw.name, kept_raw, count)
            if not isinstance(own, Ours) or not isinstance(other, Faiss):
                raise TypeError(f"{own.name} and {other.name} are not ours and raw FAISS")
            with threadpool_limits(count):
                faiss.omp_set_num_threads(count)
                search, plain = answers(own, other)
                if count == min(threads):
                    found = own.promise()
                    row += [found.depth if found else own.said() or "exact", *recalls(data, search, plain)]
                    single = alone(search, plain, data.queries, singles)
                row += in_batches(search, plain, data.queries, rounds)
        rows.append(row + single)
    batches = [f"× raw FAISS in batches, {count} thread{'s' * (count > 1)} (all rounds)" for count in sorted(threads)]
    columns = ["index", "beside", "depth", "recall", "raw recall", *batches]
    return (
        f"{len(data.stored):,} clustered vectors. Both at the depth that ours found for a recall of {PROMISED}, with "
        "graphs and cells built apart with the same settings. Raw FAISS is `index.search` and nothing else: squared "
        "Euclidean distances of numbered rows; ours checks and maps the queries, finds, ranks in float64, and gives "
        f"ids and distances in the metric's unit. In batches: {rounds} interleaved rounds, median of the rounds' "
        "ratios in queries a second (lowest–highest). Alone: medians of single queries that take turns, "
        f"{min(threads)} thread.\n\n"
        + table([*columns, "alone, µs", "raw alone, µs", "µs added", "queries asked alone"], rows)
    )


Answer = Callable[[Vectors], object]


def answers(own: Ours, raw: Faiss) -> tuple[Answer, Answer]:
    """The whole contract as it comes, at the depth of its promise; and FAISS with nothing around it, as deep."""
    found = own.promise()
    parameters = raw.parameters(found.depth if found else 1)
    return (
        lambda queries: own.index.search(queries, K).ids,
        lambda queries: raw.index.search(queries, K, params=parameters)[1],
    )


def recalls(data: Data, *search: Answer) -> list[float]:
    return [data.recall(np.asarray(one(data.queries))) for one in search]


def in_batches(search: Answer, plain: Answer, queries: Vectors, rounds: int) -> list[str]:
    some = queries[: max(16, batch(plain, queries)())]
    steps = {name: (lambda one=one: (one(some), len(some))[1]) for name, one in (("ours", search), ("raw", plain))}
    times = interleaved(steps, rounds)
    found = ratios(times["ours"], times["raw"])
    return [f"{np.median(found):.3f} ({min(found):.2f}–{max(found):.2f})"]


def alone(search: Answer, plain: Answer, queries: Vectors, singles: int) -> list[object]:
    """Medians of single queries in turns, each of another query than the one before, and the difference."""
    start = time.perf_counter()
    for query in queries[:20, None]:
        search(query)
    number = int(min(singles, max(100, SECONDS * 20 / (time.perf_counter() - start))))
    seconds: dict[Answer, list[float]] = {search: [], plain: []}
    for place in range(number):
        pair = (search, plain) if place % 2 else (plain, search)
        for offset, one in enumerate(pair):
            query = queries[(place + offset * (len(queries) // 2)) % len(queries), None]
            start = time.perf_counter()
            one(query)
            seconds[one].append(time.perf_counter() - start)
    own, raw = (1e6 * float(np.median(values)) for values in seconds.values())
    return [f"{own:,.1f}", f"{raw:,.1f}", f"{own - raw:,.1f}", f"{number:,}"]
