"""How `search.py` measures: engines kept on the disk once built, depths for a recall, times in interleaved rounds."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import semelha.index
from _results import PACKAGES, version_of
from _search_data import Data, Vectors
from _search_engines import EFFORT, LINKS, Engine

CHILD = Path(__file__).with_name("_search_child.py")
STRIDE = 8  # steps of the ladder of depths, which more than double it
ROUND = 1.0  # seconds that an engine may take for its queries of a round, about


@dataclass(frozen=True)
class Kept:
    """An engine on the disk.

    Attributes
    ----------
    folder : Path
    seconds : float
        It took to build, on `threads` threads.
    """

    folder: Path
    seconds: float
    threads: int

    def bytes(self) -> int:
        return sum(file.stat().st_size for file in (self.folder / "files").iterdir())


@dataclass(frozen=True)
class Depth:
    """The least depth that gave a recall, or the deepest there is, which did not."""

    depth: int
    recall: float
    reached: bool


@dataclass(frozen=True)
class Opened:
    """What a fresh process said of a file: milliseconds to the first answer, and bytes it then holds for it."""

    milliseconds: float
    bytes: int


def kept(engine: Engine, data: Data, cache: Path, threads: int) -> Kept:
    """Build an engine and save it, unless that was done with the same settings and versions."""
    folder = cache / data.name / slug(engine.name)
    note = folder / "built.json"
    made_with = {
        "threads": threads,
        "links": LINKS,
        "effort": EFFORT,
        "versions": {name: version_of(name) for name in PACKAGES},
        "source": source_of_index() if engine.name.startswith("semelha") else None,
    }
    if note.exists():
        built = json.loads(note.read_text())
        if built["with"] == made_with:
            return Kept(folder, built["seconds"], threads)
        print(f"{folder} is of other settings or versions, and is built again", flush=True)
    (folder / "files").mkdir(parents=True, exist_ok=True)
    for file in (folder / "files").iterdir():
        file.unlink()
    with threadpool_limits(threads):
        start = time.perf_counter()
        engine.build(data.stored, threads)
        seconds = time.perf_counter() - start
    engine.save(folder / "files")
    note.write_text(json.dumps({"seconds": seconds, "with": made_with}))
    print(f"{engine.name}: built in {seconds:.1f} s", flush=True)
    return Kept(folder, seconds, threads)


def source_of_index() -> str:
    """Tells whether the index is written as it was."""
    folder = Path(semelha.index.__file__).parent
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))).hexdigest()


def slug(name: str) -> str:
    return name.lower().replace(",", "").replace(" ", "-")


def least_depths(engine: Engine, data: Data, recalls: Sequence[float], threads: int) -> list[Depth]:
    """The least depth for each of the ascending recalls: by strides that more than double it, then by halving."""
    depths, tried = engine.depths(), {}

    def recall(place: int) -> float:
        if place not in tried:
            tried[place] = data.recall(engine.search(data.queries, depths[place], threads))
        return tried[place]

    found, low, high = [], 0, 0
    for wanted in recalls:
        while recall(high) < wanted and high < len(depths) - 1 and not _settled(tried, high):
            low, high = high, min(high + STRIDE, len(depths) - 1)
        last = high
        while last - low > 1:
            middle = (low + last) // 2
            low, last = (low, middle) if recall(middle) >= wanted else (middle, last)
        best = min((place for place in tried if tried[place] >= wanted), default=high)
        found.append(Depth(depths[best], recall(best), recall(best) >= wanted))
    return found


def _settled(tried: Mapping[int, float], high: int) -> bool:
    """Twice as deep did not help."""
    return high >= 2 * STRIDE and tried[high] - tried[high - STRIDE] < 1e-4


def interleaved(steps: Mapping[Any, Callable[[], int]], rounds: int) -> dict[Any, list[float]]:
    """Seconds a query of each step in each round; a step answers and returns how many queries it did.

    Steps take turns, every other round from the last to the first, so that no step always follows the same one.
    """
    seconds: dict[Any, list[float]] = {name: [] for name in steps}
    for number in range(rounds):
        for name in list(steps)[:: -1 if number % 2 else 1]:
            start = time.perf_counter()
            done = steps[name]()
            seconds[name].append((time.perf_counter() - start) / done)
    return seconds


def batch(answer: Callable[[Vectors], object], queries: Vectors, seconds: float = ROUND) -> Callable[[], int]:
    """A step that asks as many of the queries at once as take `seconds`, 16 at least; tried out, and so warm.

    Tried with ever more of them: some engines have another way for many at once.
    """
    number, spent = 16, 0.0
    while True:
        start = time.perf_counter()
        answer(queries[:number])
        spent = time.perf_counter() - start
        if 4 * spent > seconds or number >= len(queries):
            break
        number *= 4
    some = queries[: max(16, int(seconds / spent * min(number, len(queries))))]

    def step() -> int:
        answer(some)
        return len(some)

    return step


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """How much quicker, round by round; above 1 where the first takes less time."""
    return [b / a for a, b in zip(ours, theirs, strict=True)]


def opened(name: str, kept_as: Kept, data: Data, threads: int) -> Opened:
    """Load an engine in a fresh process, and ask it one query."""
    question = kept_as.folder / "question.npy"
    np.save(question, data.queries[:1])
    return Opened(**child("open", name, str(kept_as.folder / "files"), str(question), str(threads)))


def child(*arguments: str) -> dict[str, Any]:
    """What a fresh process measured."""
    done = subprocess.run([sys.executable, str(CHILD), *arguments], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def said(found: object) -> None:
    """Hand it to who started this process."""
    print(json.dumps(asdict(found)))  # type: ignore[call-overload]
