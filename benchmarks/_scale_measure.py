"""What `scale_model.py` measures: builds, merges, openings and searches of the indexes, each in fresh processes.

Every measurement is a file of the cache, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _search_data import clustered

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 2_000_000)
CASES: dict[tuple[str, int], tuple[int, ...]] = {
    ("scan", 128): SIZES,
    ("graph, 8 bits", 128): SIZES,
    ("cells, 8 bits", 128): SIZES[:5],
    ("graph, float32", 128): SIZES[:4],
    ("scan", 64): SIZES,
    ("graph, 8 bits", 64): SIZES[:4],
}
"""Sizes by kind and dimension. `AutoIndex` takes float32 up to 500,000 vectors."""

MERGED = ("graph, 8 bits", 128, (30_000, 100_000))
ARRIVED = ("graph, 8 bits", 128, (100_000, 1_000_000))
REPEATS = {10_000: 3, 30_000: 3, 100_000: 3}  # of builds; once above
MOST_ALONE = 300_000  # vectors of a build with one thread
OPENINGS = 7
QUERIES = 2000
GALLERIES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
STRANGERS = 10_000
CHILD, FACTS = (Path(__file__).with_name(f"_scale_{name}.py") for name in ("child", "facts"))


@dataclass(frozen=True)
class Case:
    """An index of n vectors."""

    kind: str
    dimension: int
    n: int

    @property
    def name(self) -> str:
        return f"{slug(self.kind)}-{self.dimension}-{self.n}"


def cases() -> Iterator[Case]:
    """All of them, from small to large."""
    found = [Case(kind, dimension, n) for (kind, dimension), sizes in CASES.items() for n in sizes]
    return iter(sorted(found, key=lambda case: case.n))


def build(cache: Path, largest: int, threads: int) -> None:
    """Build and save every case up to a size, in repeats that take turns; above 300,000 vectors with some threads."""
    for dimension in sorted({dimension for _, dimension in CASES}):
        data(cache, dimension)
    for repeat in range(max(REPEATS.values())):
        for case in cases():
            if case.n <= largest and repeat < REPEATS.get(case.n, 1):
                folder = cache / "indexes" / case.name
                folder.mkdir(parents=True, exist_ok=True)
                if (cache / f"build-{case.name}-{repeat}.json").exists():
                    continue
                for file in folder.iterdir():
                    file.unlink()
                arguments = [case.kind, str(data(cache, case.dimension)), str(case.n), str(folder)]
                arguments.append(str(threads if case.n > MOST_ALONE else 1))
                keep(cache, f"build-{case.name}-{repeat}", "build", arguments)
    kind, dimension, sizes = MERGED
    for n in sizes:
        if n <= largest:
            keep(
                cache, f"merge-{Case(kind, dimension, n).name}-0", "merge", [kind, str(data(cache, dimension)), str(n)]
            )


def ask(cache: Path, rounds: int) -> None:
    """Open and search all that was built, in rounds: each kind in a process, every other round from large to small."""
    for number in range(rounds):
        for kind, dimension in CASES:
            built = [case for case in cases() if (case.kind, case.dimension) == (kind, dimension)]
            built = [case for case in built if (cache / f"build-{case.name}-0.json").exists()]
            folders = [str(cache / "indexes" / case.name) for case in built][:: -1 if number % 2 else 1]
            keep(
                cache, f"ask-{slug(kind)}-{dimension}-{number}", "ask", [kind, str(queries(cache, dimension)), *folders]
            )
    for number in range(OPENINGS):
        for case in cases():
            folder, asked = cache / "indexes" / case.name, queries(cache, case.dimension)
            if (cache / f"build-{case.name}-0.json").exists():
                keep(cache, f"open-{case.name}-{number}", "open", [case.kind, str(folder), str(asked)])


def arrive(cache: Path, rounds: int) -> None:
    """Queries that arrive at random."""
    kind, dimension, sizes = ARRIVED
    folders = [str(cache / "indexes" / Case(kind, dimension, n).name) for n in sizes]
    asked = str(queries(cache, dimension))
    keep(cache, f"arrive-{slug(kind)}-{dimension}", "arrive", [kind, str(rounds), asked, *folders])


def facts(cache: Path, pictures: Path) -> None:
    """Galleries, memory, codes, strangers and copies of pictures."""
    for n in GALLERIES:
        keep(cache, f"gallery-{n}", "gallery", [str(n), str(cache)], FACTS)
    keep(cache, "reading", "reading", [str(data(cache, 128))], FACTS)
    keep(cache, "codes", "codes", [str(cache)], FACTS)
    asked = cache / f"strangers-{STRANGERS}.npy"
    np.save(asked, clustered(3, STRANGERS))
    keep(cache, "strangers", "strangers", [str(asked), str(data(cache, 128)), *map(str, SIZES)], FACTS)
    sets = ("grocery/open/images", "nyala/open", "orl_faces/open")
    keep(cache, "copies", "copies", [str(cache), str(pictures), *sets], FACTS)


def keep(cache: Path, name: str, what: str, arguments: Sequence[str], script: Path = CHILD) -> dict[str, Any]:
    """What a fresh process measured, or did when it was asked before."""
    note = cache / f"{name}.json"
    if not note.exists():
        command = [sys.executable, str(script), what, *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        partial = note.with_suffix(".partial")
        partial.write_text(done.stdout.splitlines()[-1])
        partial.rename(note)
        print(name, note.read_text()[:300], flush=True)
    found: dict[str, Any] = json.loads(note.read_text())
    return found


def data(cache: Path, dimension: int) -> Path:
    file = cache / f"vectors-{dimension}.npy"
    if not file.exists():
        np.save(file, clustered(1, max(max(sizes) for (_, d), sizes in CASES.items() if d == dimension), dimension))
    return file


def queries(cache: Path, dimension: int) -> Path:
    file = cache / f"queries-{dimension}.npy"
    if not file.exists():
        np.save(file, clustered(2, QUERIES, dimension))
    return file


def slug(name: str) -> str:
    return name.lower().replace(",", "").replace(" ", "-")
