"""Bulk embedding by each engine beside the plain loop, interleaved, on pictures of a folder."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import semelha
from _results import table, version_of, write_section
from semelha.bulk import chunks, read_places
from semelha.bulk.on_ray import connected, require_ray
from semelha.embedders import Model, embed_pictures
from semelha.images import Dataset

TITLE = "Bulk embedding with Ray"


def measure(photos: Path, rounds: int, most: int | None) -> None:
    """Measure, and write the section."""
    model = semelha.pretrained()
    whole = read_places(photos)
    dataset = whole if most is None else whole.select(range(min(most, len(whole))))
    require_ray()
    ways: dict[str, Callable[[], tuple[float, float]]] = {
        "plain loop": lambda: plain(model, dataset),
        "`--engine local`": lambda: bulk(model, dataset, None),
        "`--engine ray`, 1 actor": lambda: on_ray(model, dataset, 1),
        "`--engine ray`, 2 actors": lambda: on_ray(model, dataset, 2),
    }
    plain(model, dataset.select(range(min(256, len(dataset)))))  # files and memory are warm
    measured: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for number in range(rounds):
        order = list(ways) if number % 2 == 0 else list(reversed(ways))
        for way in order:
            measured[way].append(ways[way]())
            print(way, *(f"{seconds:.1f}" for seconds in measured[way][-1]), flush=True)
    base = [seconds for seconds, _ in measured["plain loop"]]
    rows = []
    for way, runs in measured.items():
        ratios = [seconds / plainly for (seconds, _), plainly in zip(runs, base, strict=True)]
        rows.append(
            [
                way,
                f"{median(seconds for seconds, _ in runs):.1f}",
                f"{median(ratios):.3f}",
                f"{min(ratios):.3f} to {max(ratios):.3f}",
                f"{median(start for _, start in runs):.1f}",
            ]
        )
    columns = ["", "seconds", "beside the plain loop", "of all rounds", "start-up, seconds"]
    body = (
        f"{len(dataset):,} photographs of groceries, JPEG, embedded by {model.card.name} "
        f"({model.dim} numbers); Ray {version_of('ray')} on this machine. {rounds} rounds, in "
        "turned order; medians, and ratios within a round. The plain loop is `embed_pictures` with content hashes; the "
        "others also write parts, and join them to a Parquet file. Start-up is not part of the seconds: to start Ray, "
        "and the actors with their models, measured with one picture for each actor."
    )
    write_section(TITLE, f"{body}\n\n{table(columns, rows)}")


def plain(model: Model, dataset: Dataset) -> tuple[float, float]:
    """Seconds, and no start-up."""
    start = time.perf_counter()
    assert sum(1 for _ in embed_pictures(model, dataset, hashed=True)) == len(dataset)
    return time.perf_counter() - start, 0.0


def bulk(model: Model, dataset: Dataset, actors: int | None, *, of_chunk: int = chunks.LEAST) -> tuple[float, float]:
    """Seconds of `embed_files` into an empty folder, and no start-up."""
    chunks.LEAST = of_chunk
    batch = min(64, of_chunk)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        engine = "local" if actors is None else "ray"
        out = Path(folder) / "vectors.parquet"
        made = semelha.embed_files(model, dataset, out=out, engine=engine, actors=actors, batch_size=batch)
        assert made.vectors == len(dataset)
        return time.perf_counter() - start, 0.0


def on_ray(model: Model, dataset: Dataset, actors: int) -> tuple[float, float]:
    """Seconds on a cluster that is started for it, and those of starting it and its actors."""
    few = dataset.select(range(actors))
    start = time.perf_counter()
    with connected():
        begun = time.perf_counter() - start
        first, _ = bulk(model, few, actors, of_chunk=1)
        again, _ = bulk(model, few, actors, of_chunk=1)  # Ray has processes by now that it gives to the next actors
        seconds, _ = bulk(model, dataset, actors)
    return seconds - again, begun + first
