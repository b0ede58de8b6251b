"""Time and memory from a thousand vectors to millions, each kind and size in fresh processes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from _results import table
from _search_data import DIMENSION, Data, clustered, clusters
from _search_measure import child, slug, source_of_index
from _search_ours import MADE, PROMISED, AnyIndex
from semelha.index.kinds import choose
from semelha.index.space import Space
from semelha.metrics import Euclidean

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 2_000_000)
KINDS = ("LinearIndex", "IVFIndex 8bit", "HNSWIndex f32", "HNSWIndex 8bit")
LEAST = {"IVFIndex 8bit": 100_000, "HNSWIndex 8bit": 100_000}  # vectors from which on it is worth rounding them
MOST = {"IVFIndex 8bit": 1_000_000}  # which is enough to see where it goes
COLUMNS = [
    "kind",
    "vectors",
    "searched by",
    "recall@10",
    "µs a query, alone",
    "µs a query, batch",
    "build, s",
    "first answer, ms",
    "MB resident",
    "MB peak of the build",
]


@dataclass(frozen=True)
class Grown:
    """A build: seconds, bytes of its peak over the vectors handed in, and what it became."""

    seconds: float
    peak: int
    kind: str
    why: str
    promised: float | None


@dataclass(frozen=True)
class Asked:
    """Searches of an index that was opened: seconds, bytes that it holds, ids of the neighbors."""

    first: float
    single: float
    batch: float
    resident: int
    ids: list[list[int]]


@dataclass(frozen=True)
class Point:
    """One kind at one size."""

    kind: str
    n: int
    grown: Grown
    asked: Asked
    recall: float

    def row(self) -> list[object]:
        asked, grown = self.asked, self.grown
        searched = grown.kind + (f" ({grown.why})" if grown.why else "")
        times = [f"{1e6 * seconds:,.0f}" for seconds in (asked.single, asked.batch)]
        sizes = [f"{size / 1e6:,.0f}" for size in (asked.resident, grown.peak)]
        first = f"{1000 * asked.first:,.0f}"
        return [self.kind, f"{self.n:,}", searched, self.recall, *times, f"{grown.seconds:,.1f}", first, *sizes]


def index_of(kind: str, threads: int) -> AnyIndex:
    return MADE[kind][1](Euclidean(), threads)


def curve(cache: Path, sizes: Sequence[int], queries: int, threads: int, most_f32: int) -> str:
    """The table and the picture, which is drawn beside it."""
    vectors = cache / f"curve-{max(sizes)}.npy"
    if not vectors.exists():
        np.save(vectors, clustered(1, max(sizes)))
    stored = np.load(vectors, mmap_mode="r")
    asked = clusters(1, queries).queries
    points = []
    for n in sizes:
        data = Data(f"curve-{n}", np.asarray(stored[:n]), asked)
        for kind in KINDS:
            if LEAST.get(kind, 0) <= n <= (most_f32 if kind.endswith("f32") else MOST.get(kind, n)):
                points.append(point(kind, data, cache, vectors, threads))
                print(*points[-1].row(), flush=True)
    lines = choices(max(sizes))
    words = "; ".join(f"from {n:,} on by {what}" for n, what in lines)
    return (
        f"Clustered unit vectors of {DIMENSION} numbers, Euclidean, promised recall {PROMISED}; built with {threads} "
        "threads, searched with one. Each line comes from two fresh processes: one builds and saves (peak over imports "
        "and the vectors that it was handed), one opens the files (page cache warm), answers, and says what is "
        f"resident over imports, mapped files included. Alone: median of queries one by one; batch: {queries:,} "
        f"queries at once, fewer where they take long. `AutoIndex`: {words}. HNSW with float32 up to {most_f32:,}.\n\n"
        + table(COLUMNS, [one.row() for one in sorted(points, key=lambda p: (KINDS.index(p.kind), p.n))])
    )


def point(kind: str, data: Data, cache: Path, vectors: Path, threads: int) -> Point:
    """Measured, or read where the very same was measured before."""
    n, folder = len(data.stored), cache / data.name / slug(kind)
    note = folder / "measured.json"
    made_with = {"threads": threads, "queries": len(data.queries), "source": source_of_index()}
    if note.exists() and (found := json.loads(note.read_text()))["with"] == made_with:
        grown, asked = Grown(**found["grown"]), Asked(**found["asked"])
    else:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "files").mkdir(parents=True)
        queries = cache / f"curve-queries-{len(data.queries)}.npy"
        np.save(queries, data.queries)
        grown = Grown(**child("grow", kind, str(vectors), str(n), str(folder / "files"), str(threads)))
        asked = Asked(**child("ask", kind, str(folder / "files"), str(queries), "1"))
        shutil.rmtree(folder / "files")  # gigabytes that a rerun does not need
        note.write_text(json.dumps({"with": made_with, "grown": asdict(grown), "asked": asdict(asked)}))
    return Point(kind, n, grown, asked, data.recall(np.array(asked.ids)))


def choices(most: int) -> list[tuple[int, str]]:
    """Where `AutoIndex` changes its choice: the first number of vectors, and what searches them from there on."""

    def choice(n: int) -> str:
        builder = choose(Space(Euclidean()), n, DIMENSION, PROMISED)
        return " ".join(
            [type(builder).__name__.removesuffix("Builder").lower(), getattr(builder, "quantize", "")]
        ).strip()

    found, n = [(1, choice(1))], 1
    while choice(most) != found[-1][1]:
        low, high = n, most  # choice(low) is the last one found, choice(high) is another
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if choice(middle) == found[-1][1] else (low, middle)
        n = high
        found.append((n, choice(n)))
    return found
