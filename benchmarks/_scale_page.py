"""Tables of docs/scale.md: the arithmetic of a service, from measured laws and named assumptions."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import floor, log10
from pathlib import Path

import numpy as np

from _results import table
from _scale_fit import Law, power_law
from _scale_measure import SIZES
from _scale_plan import (
    Assumptions,
    batch_law,
    bytes_a_vector,
    crossing,
    latency,
    merge_seconds,
    sharded,
    strangers_for,
)
from _scale_points import MAIN, Json, gallery_law, laws, open_law, points, predictions, thresholds
from _scale_report import TOLERANCE, short
from semelha.index.settings import settings
from semelha.recognition.calibration import min_sample_size

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
GALLERIES = tuple(10.0**power for power in range(4, 10))
SHARD_SIZES = (1e6, 3e6, 1e7, 3e7, 1e8)
CHOSEN = 1e7  # examples of a shard
MOST_MERGED = 1e8  # examples whose merges are counted
RATES = (0.1, 0.01, 0.001, 1e-4, 1e-5)
GB = 1e9


class Plan:
    """The tables of docs/scale.md, by name."""

    def __init__(self, measured: Json, given: Assumptions) -> None:
        self.measured = measured
        self.given = given
        self.laws = {
            kind: laws(measured, kind) for kind in ("scan", "graph, float32", "graph, 8 bits", "cells, 8 bits")
        }
        self.opening = {kind: open_law(kind, MAIN, points(measured, "open", kind)) for kind in self.laws}
        self.gallery = {what: gallery_law(measured, what) for what in ("enroll", "calibrate", "change", "database")}
        self.copy = max(one["copy"] for one in measured["copies"])

    def tables(self) -> dict[str, str]:
        names: dict[str, Callable[[], str]] = {
            "errors": self.errors,
            "limits": self.limits,
            "sizes": self.sizes,
            "shards": self.shards,
            "kinds": self.kinds,
            "codes": self.codes,
            "tail": self.tail,
            "embedding": self.embedding,
            "rates": self.rates,
            "thresholds": self.thresholds,
            "cost": self.cost,
        }
        return {name: made() for name, made in names.items()}

    def auto(self, n: float) -> str:
        """The index that `AutoIndex` chooses."""
        if n < settings.min_graph_size:
            return "scan"
        return "graph, float32" if n < settings.min_quantized_size else "graph, 8 bits"

    def index_bytes(self, n: float) -> float:
        return n * bytes_a_vector(self.auto(n), MAIN, n)

    def errors(self) -> str:
        found = list(predictions(self.measured))
        groups = {"queries": "query", "builds": "build", "opening": "open", "galleries and thresholds": ""}
        rows, left = [], found
        for name, word in groups.items():
            some = [one for one in left if word in one.what.rpartition(":")[2]]
            left = [one for one in left if one not in some]
            worst = max(some, key=lambda one: abs(one.error))
            rows.append([name, len(some), sum(abs(one.error) <= TOLERANCE for one in some)])
            rows[-1] += [f"{np.median([abs(one.error) for one in some]):.0%}"]
            rows[-1] += [f"{worst.error:+.0%} ({worst.what}, {worst.n:,})"]
        return table(["predicted", "sizes left out", f"within {TOLERANCE:.0%}", "median error", "worst"], rows)

    def limits(self) -> str:
        given = self.given
        scan, graph = self.laws["scan"], self.laws["graph, 8 bits"]
        subjects = given.examples_a_subject
        named: list[tuple[str, Law, float, str]] = [
            ("a scan takes 10 ms a query", scan.alone, 0.01, "nothing: a graph is built from 20,000 on"),
            (
                "the first answer after an enrollment waits 100 ms for the calibration on subjects",
                lambda n: self.gallery["change"](n / subjects),
                0.1,
                "calibrate with strangers",
            ),
            ("calibrating on subjects takes 10 minutes", self.gallery["calibrate"], 600, "calibrate with strangers"),
            (
                "opening takes 10 s",
                lambda n: self.opening[self.auto(n)](n),
                10,
                "start a server before it gets queries",
            ),
            ("building the index again takes a core an hour", graph.build, 3600, "shards"),
            ("copies of the pictures take 1 TB", lambda n: n * self.copy, 1e12, "object storage"),
            ("merging 1,000 new examples a second takes a core", lambda n: 1000 * self.merging(n), 1, "shards"),
            ("a core answers fewer than 2,000 searches a second", graph.batch, 1 / 2000, "replicas, shards"),
            ("the index takes 64 GB of memory", self.index_bytes, 64 * GB, "shards"),
            ("the database of vectors takes 1 TB", lambda n: self.gallery["database"](n), 1e12, "shards"),
        ]
        rows = [(crossing(value, limit), name, remedy) for name, value, limit, remedy in named]
        ordered = sorted(rows, key=lambda one: one[0] or 1e12)
        whole = self.measured["served"]["whole"]
        first: list[list[object]] = [
            [
                "any",
                f"a core identifies {whole:.0f} pictures a second, most of which is decoding and embedding",
                "machines without a gallery embed",
            ]
        ]
        return table(
            ["examples", "what", "what helps"],
            first + [[f"{large(n)}{mark(n)}" if n else "over 10¹⁰", name, remedy] for n, name, remedy in ordered],
        )

    def merging(self, n: float) -> float:
        """CPU seconds of merges for each example, until there are n."""
        n = min(n, MOST_MERGED)
        return merge_seconds(int(n), self.laws["graph, 8 bits"].build) / n

    def sizes(self) -> str:
        rows = []
        for n in GALLERIES:
            kind = self.auto(n)
            law = self.laws[kind]
            subjects = n / self.given.examples_a_subject
            rows.append(
                [
                    large(n) + mark(n),
                    kind,
                    short(1000 * law.alone(n)),
                    short(1 / law.batch(n)),
                    short(self.index_bytes(n) / GB),
                    short(law.build(n) / 3600),
                    short(self.opening[kind](n)),
                    short(self.gallery["change"](subjects)),
                    short(self.gallery["database"](n) / GB),
                    short(n * self.copy / GB),
                ]
            )
        columns = [
            "examples",
            "index",
            "ms a query, alone",
            "queries a second, batches",
            "index, GB",
            "build, core-hours",
        ]
        columns += ["open, s", "after a change, s", "database, GB", "copies of pictures, GB"]
        return table(columns, rows)

    def shards(self) -> str:
        rows = []
        for size in SHARD_SIZES:
            one = sharded(
                self.laws["graph, 8 bits"], lambda n: bytes_a_vector("graph, 8 bits", MAIN, n), size, self.given
            )
            rows.append(
                [
                    large(size) + mark(size),
                    f"{one.shards:,}",
                    f"{one.cores:,}",
                    short(one.memory / GB / self.given.replicas / one.shards),
                    short(1000 * one.p50),
                    short(1000 * one.p99),
                    short(1000 * one.slowest_p99),
                    short(one.rebuild_hours),
                    short(one.merge_cores),
                ]
            )
        columns = [
            "examples a shard",
            "shards",
            "cores, all shards",
            "GB a shard",
            "p50, ms",
            "p99, ms",
            "p99 of the slowest, ms",
        ]
        columns += ["rebuild of a shard, core-hours", "cores that merge 1,000 new examples a second"]
        return table(columns, rows)

    def kinds(self) -> str:
        rows = []
        for kind, law in self.laws.items():
            a_query = law.batch(CHOSEN)
            cores = self.given.examples / CHOSEN * self.given.queries_a_second * a_query / self.given.load
            build = "–" if kind == "scan" else short(law.build(CHOSEN) / 3600)
            rows.append(
                [kind, short(1000 * a_query), f"{cores:,.0f}", short(bytes_a_vector(kind, MAIN, CHOSEN)), build]
            )
        columns = [
            "index",
            "ms a query, batch",
            "cores, all shards",
            "bytes an example",
            "rebuild of a shard, core-hours",
        ]
        return table(columns, rows)

    def codes(self) -> str:
        found = self.measured["codes"]
        data = list(dict.fromkeys((one["data"], one["n"]) for one in found))
        rows = []
        for code in dict.fromkeys(one["code"] for one in found):
            mine = {one["data"]: one for one in found if one["code"] == code}
            size = next(iter(mine.values()))["bytes"]
            cells = [" / ".join(f"{value:.3f}" for value in mine[name]["recall"]) for name, _ in data]
            rows.append([code, f"{size:.0f}", short(size * self.given.examples / GB), *cells])
        columns = ["code", "bytes a vector", "GB for 10⁹", *(f"{name.split('-')[0]}, {n:,}" for name, n in data)]
        return table(columns, rows)

    def tail(self) -> str:
        law = self.laws["graph, 8 bits"]
        alpha, beta = batch_law(law, CHOSEN)
        rows = []
        for load in (0.3, self.given.load, 0.7, self.given.busiest):
            found = latency(alpha, beta, load)
            levels = [1 - 0.01 / shards for shards in (1, 10, 100)]
            rows.append([f"{load:.0%}", *(short(1000 * float(np.quantile(found, level))) for level in (0.5, *levels))])
        return table(["load of a core", "p50 of one, ms", "p99 of one", "p99 of the slowest of 10", "of 100"], rows)

    def embedding(self) -> str:
        served = self.measured["served"]
        wanted, used = self.given.queries_a_second, self.given.utilization
        rows: list[list[object]] = [["the server, from upload to answer", short(served["whole"])]]
        rows += [[f"embedding alone: {name}", short(rate)] for name, rate in served["embeds"].items()]
        rows = [[*one, f"{wanted / used / float(str(one[1]).replace(',', '')):,.0f}"] for one in rows]
        return table(["what", "pictures a second and core", f"cores for {wanted:,.0f} a second"], rows)

    def rates(self) -> str:
        wanted = self.given.queries_a_second
        rows = [
            [
                f"{rate:g}",
                f"{min_sample_size(rate, 'subjects'):,}",
                f"{min_sample_size(rate, 'strangers'):,}",
                f"{strangers_for(rate, 0.1):,}",
                f"{rate / self.given.examples * self.given.examples_a_subject:.0e}",
                short(wanted * rate),
            ]
            for rate in RATES
        ]
        columns = ["FPIR", "subjects needed", "strangers needed", "strangers to know it to 10%"]
        columns += ["false matches a comparison of subjects", "false names a second, if all were strangers"]
        return table(columns, rows)

    def thresholds(self) -> str:
        found = self.measured["strangers"]
        law = power_law(thresholds(self.measured))
        first = found[0]
        rows = []
        for one in found:
            independent = 1 - (1 - first["rate of the first"]) ** (one["n"] / first["n"])
            row = [large(one["n"]), short(one["threshold"]), short(law(one["n"]))]
            rows.append([*row, f"{one['rate of the first']:.3f}", f"{independent:.3f}"])
        rows += [[large(n) + mark(n), "–", short(law(n)), "–", "–"] for n in (1e7, 1e8, 1e9)]
        columns = ["examples", "distance at FPIR 0.01, measured", "by the law"]
        return table([*columns, f"FPIR of the distance set at {first['n']:,}", "if comparisons were independent"], rows)

    def cost(self) -> str:
        given, law = self.given, self.laws["graph, 8 bits"]
        one = sharded(law, lambda n: bytes_a_vector("graph, 8 bits", MAIN, n), CHOSEN, given)
        embed = given.queries_a_second / given.utilization / self.measured["served"]["whole"]
        vectors = self.gallery["database"](given.examples) * given.replicas
        pictures = given.examples * self.copy
        hours = given.hours_a_month
        lines: list[tuple[str, str, float]] = [
            ("search: cores", f"{one.cores:,} cores", one.cores * hours * given.core_hour),
            ("search: memory", f"{one.memory / GB:,.0f} GB", one.memory / GB * hours * given.gigabyte_hour),
            ("decoding and embedding", f"{embed:,.0f} cores", embed * hours * given.core_hour),
            ("databases", f"{vectors / GB:,.0f} GB of disk", vectors / GB * given.disk_gigabyte_month),
            ("copies of pictures", f"{pictures / GB:,.0f} GB of objects", pictures / GB * given.object_gigabyte_month),
        ]
        rows: list[list[object]] = [[name, amount, f"{price:,.0f}"] for name, amount, price in lines]
        return table(
            ["part", "amount", "US$ a month, by the assumed prices"],
            [*rows, ["sum", "", f"{sum(p for *_, p in lines):,.0f}"]],
        )


def large(value: float) -> str:
    """A size: 10⁷, 3·10⁷."""
    power = floor(log10(value) + 1e-9)
    factor = value / 10**power
    exponent = str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{exponent}" if round(factor, 1) == 1 else f"{factor:.2g}·10{exponent}"


def mark(n: float) -> str:
    """A dagger beyond what was measured."""
    return " †" if n > max(SIZES) else ""


def filled(page: str, tables: dict[str, str]) -> str:
    """A page with each table between its two comments."""
    for name, text in tables.items():
        pattern = rf"(<!-- table: {name} -->\n).*?(\n<!-- end -->)"
        page, count = re.subn(
            pattern, lambda found, text=text: f"{found[1]}\n{text}\n{found[2]}", page, flags=re.DOTALL
        )
        if count != 1:
            raise SystemExit(f"docs/scale.md has {count} places for the table {name}")
    return page
