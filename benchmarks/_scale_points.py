"""Measurements of `scale_model.py` as points for fits, and the laws that are fitted to them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import isqrt, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from _results import RESULTS
from _scale_fit import Law, Prediction, constant_and, law, left_out, power_law
from _scale_measure import ARRIVED, CASES, GALLERIES, MERGED, Case, slug
from _scale_plan import LARGEST_BATCH, Laws, bytes_a_vector, merge_seconds
from _scale_queue import arrivals, batched

MEASURED = Path(__file__).with_name("scale_measured.json")
MAIN = 128
ARRIVALS = 40_000
Json = dict[str, Any]
Points = dict[int, float]


def collect(cache: Path, kept: Json) -> Json:
    """All measurements of a cache, or of `kept` where it has none; and the figures of RESULTS.md that a plan needs."""

    def read(name: str, default: Any) -> Any:
        file = cache / f"{name}.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else default

    def read_all(pattern: str) -> list[Any]:
        return [read(file.stem, None) for file in sorted(cache.glob(pattern))]

    found: Json = {}
    for kind, dimension in CASES:
        index = found[f"{kind}, {dimension}"] = dict(kept.get(f"{kind}, {dimension}", {}))
        asked = read_all(f"ask-{slug(kind)}-{dimension}-*.json")
        for n in CASES[kind, dimension]:
            name = Case(kind, dimension, n).name
            times = [one for each in asked for folder, one in each.items() if Path(folder).name == name]
            new = {"builds": read_all(f"build-{name}-*.json"), "opens": read_all(f"open-{name}-*.json"), "asked": times}
            index[str(n)] = index.get(str(n), {}) | {what: values for what, values in new.items() if values}
        found[f"{kind}, {dimension}"] = {n: one for n, one in index.items() if len(one) == len(new)}
    kind, dimension, sizes = MERGED
    merged = {str(n): read(f"merge-{Case(kind, dimension, n).name}-0", None) for n in sizes}
    found["merges"] = kept.get("merges", {}) | {n: one for n, one in merged.items() if one is not None}
    arrived = read(f"arrive-{slug(ARRIVED[0])}-{ARRIVED[1]}", {})
    found["arrivals"] = kept.get("arrivals", {}) | {folder.rpartition("-")[2]: one for folder, one in arrived.items()}
    before = {one["n"]: one for one in kept.get("galleries", [])}
    found["galleries"] = [read(f"gallery-{n}", before.get(n)) for n in GALLERIES]
    found |= {name: read(name, kept.get(name)) for name in ("reading", "codes", "strangers", "copies")}
    found["served"] = served(RESULTS.read_text(encoding="utf-8"))
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def served(results: str) -> Json:
    """Pictures a second and core, from upload to answer and embedded alone, of two sections of RESULTS.md."""
    load, throughput = (_section(results, title) for title in ("The server under load", "Throughput of training"))
    rows = [row for row in _rows(load) if row[0] == "semelha" and row[1] == "100,000"]
    whole = max(float(row[3]) for row in rows) / _cores(load)
    embeds = {f"{row[1]}, {row[2]}": float(row[4]) / _cores(throughput) for row in _rows(throughput) if row[0] == "cpu"}
    return {"whole": whole, "embeds": embeds}


def _section(results: str, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", results, flags=re.MULTILINE | re.DOTALL)
    if found is None:
        raise SystemExit(f"RESULTS.md has no section {title!r}")
    return found[1]


def _rows(section: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in re.findall(r"^\|.*$", section, re.M)]


def _cores(section: str) -> int:
    return int(re.search(r"(\d+) cores", section)[1])  # type: ignore[index]


def median(values: list[float]) -> float:
    return float(np.median(values))


def points(measured: Json, what: str, kind: str, dimension: int = MAIN) -> Points:
    """Medians by size: seconds of a query "alone" or in a "batch", of a "build", to "open"; "depth", "bytes"."""
    found = {}
    for n, one in measured[f"{kind}, {dimension}"].items():
        if what in ("alone", "batch"):
            found[int(n)] = median([each[what] for each in one["asked"]])
        elif what in ("open", "resident"):
            found[int(n)] = median([each["seconds" if what == "open" else "resident"] for each in one["opens"]])
        else:
            found[int(n)] = median([each["cpu" if what == "build" else what] for each in one["builds"]])
    return found


def query_law(measured: Json, kind: str, dimension: int) -> Callable[[Mapping[int, float]], Law]:
    """How the law of a query's seconds is made from those at some sizes."""
    if kind == "scan":
        return partial(law, constant_and(lambda n: n))
    if kind.startswith("graph"):
        return partial(law, constant_and(sqrt))
    return partial(cells_law, reading(measured), dimension, points(measured, "depth", kind, dimension))


def cells_law(read: Law, dimension: int, depths: Mapping[int, float], times: Mapping[int, float]) -> Law:
    """Seconds of a search in cells, with as many probes as the index chose at each size.

    The codes that are visited take the time to read as many bytes of all codes, and a constant each, as the centroids.
    """
    last = depths[max(depths)]

    def visited(n: float) -> tuple[float, float]:
        cells = 4 * isqrt(int(n))
        return cells, depths.get(int(n), last) * n / cells

    def seconds_read(n: float) -> float:
        return read(n * dimension) * visited(n)[1] / n

    rest = law(visited, {n: seconds - seconds_read(n) for n, seconds in times.items()})
    return lambda n: rest(n) + seconds_read(n)


def reading(measured: Json) -> Law:
    """Seconds to read bytes once, again and again, by a plain product: between the sizes that were measured."""
    sizes, seconds = np.array(measured["reading"], float).T
    return lambda size: size * float(np.interp(np.log(size), np.log(sizes), seconds / sizes))


def scanned_law(read: Law, times: Mapping[int, float]) -> Law:
    """Seconds of a scan for one query, by bytes: the time that the machine takes to read them, and a constant."""
    return law(constant_and(read), times)


def scanned(measured: Json) -> Points:
    """Seconds of a scan for one query by bytes, of all dimensions."""
    return {
        round(n * bytes_a_vector(kind, dimension, n)): seconds
        for kind, dimension in CASES
        if kind == "scan"
        for n, seconds in points(measured, "alone", kind, dimension).items()
    }


def build_law(kind: str, times: Mapping[int, float]) -> Law:
    """CPU seconds of a build."""
    if kind.startswith("graph"):
        return power_law(times)
    return law(lambda n: (n, n**1.5), times)


def open_law(kind: str, dimension: int, times: Mapping[int, float]) -> Law:
    """Seconds from files in the page cache to the first answer: every block is verified."""
    return law(constant_and(lambda n: n * bytes_a_vector(kind, dimension, n)), times)


def laws(measured: Json, kind: str, dimension: int = MAIN) -> Laws:
    """The laws of an index, of all that was measured."""
    made = query_law(measured, kind, dimension)
    batch = made(points(measured, "batch", kind, dimension))
    if kind == "scan":
        by_bytes = scanned_law(reading(measured), scanned(measured))
        return Laws(lambda n: by_bytes(n * bytes_a_vector(kind, dimension, n)), batch, lambda n: 0.0)
    return Laws(
        made(points(measured, "alone", kind, dimension)),
        batch,
        build_law(kind, points(measured, "build", kind, dimension)),
    )


GALLERY_WORK: dict[str, Callable[[Mapping[int, float]], Law]] = {
    "enroll": partial(law, constant_and(lambda n: n)),
    "calibrate": power_law,
    "change": partial(law, constant_and(lambda n: n)),
    "database": partial(law, constant_and(lambda n: n)),
}
"""Laws of a gallery's seconds and bytes: of n examples, and of n subjects after a "change"."""


def gallery_points(measured: Json, what: str) -> Points:
    """Seconds to "enroll" and to "calibrate", seconds after a "change" by subjects, bytes of the "database"."""
    size = "subjects" if what == "change" else "n"
    return {one[size]: one[what] for one in measured["galleries"]}


def gallery_law(measured: Json, what: str) -> Law:
    return GALLERY_WORK[what](gallery_points(measured, what))


def thresholds(measured: Json) -> Points:
    """Distance below which strangers have a neighbor at the rate, by examples."""
    return {one["n"]: one["threshold"] for one in measured["strangers"]}


def predictions(measured: Json) -> Iterator[Prediction]:
    """Every size left out in turn, of everything that is fitted."""
    for kind, dimension in CASES:
        name = f"{kind}, {dimension}"
        for what in ("batch",) if kind == "scan" else ("alone", "batch"):
            made = query_law(measured, kind, dimension)
            yield from left_out(f"{name}: query, {what}", made, points(measured, what, kind, dimension))
        if kind != "scan":
            yield from left_out(f"{name}: build", partial(build_law, kind), points(measured, "build", kind, dimension))
        opening = partial(open_law, kind, dimension)
        yield from left_out(f"{name}: open", opening, points(measured, "open", kind, dimension))
    yield from left_out("scan, by bytes: query, alone", partial(scanned_law, reading(measured)), scanned(measured))
    for what, made in GALLERY_WORK.items():
        yield from left_out(f"gallery: {what}", made, gallery_points(measured, what))
    yield from left_out("strangers: threshold", power_law, thresholds(measured))


def computed(measured: Json) -> Iterator[Prediction]:
    """What is computed without any fit of its own."""
    for kind, dimension in CASES:
        sizes = points(measured, "bytes", kind, dimension)
        for n, size in sizes.items():
            whole = bytes_a_vector(kind, dimension, n) * n
            yield Prediction(f"{kind}, {dimension}: bytes on disk", n, whole, size, n == max(sizes))
    kind, dimension, _ = MERGED
    build = build_law(kind, points(measured, "build", kind, dimension))
    for size, one in measured["merges"].items():
        yield Prediction(
            "merges of an enrollment, s", int(size), merge_seconds(int(size), build), one["merging"], False
        )
    for size, one in measured["arrivals"].items():
        batches = sorted((int(k), seconds) for k, seconds in one["costs"].items())
        seconds_of = partial(np.interp, xp=[k for k, _ in batches], fp=[seconds for _, seconds in batches])
        for load, run in one["loads"].items():
            due = arrivals(run["rate"], ARRIVALS, 0)
            found = np.quantile(batched(due, seconds_of, LARGEST_BATCH), (0.5, 0.99))
            for name, predicted, value in zip(("p50", "p99"), found, run["quantiles"], strict=True):
                what = f"random arrivals, load {float(load):.0%}: {name}, s"
                yield Prediction(what, int(size), float(predicted), value, False)
