"""Sections of `scale_model.py` in RESULTS.md: what was measured, and what was predicted for sizes left out."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

import numpy as np

from _results import table
from _scale_fit import Prediction
from _scale_measure import CASES
from _scale_points import Json, computed, points, predictions

TOLERANCE = 0.2


def measured_body(measured: Json) -> str:
    """The section of what was measured."""
    rows = []
    for kind, dimension in CASES:
        found = {what: points(measured, what, kind, dimension) for what in ("alone", "batch", "build", "bytes", "open")}
        resident = points(measured, "resident", kind, dimension)
        depths = points(measured, "depth", kind, dimension) if kind != "scan" else {}
        for n in found["alone"]:
            rows.append(
                [
                    kind,
                    dimension,
                    f"{n:,}",
                    f"{depths[n]:.0f}" if depths else "–",
                    micro(found["alone"][n]),
                    micro(found["batch"][n]),
                    short(found["build"][n]),
                    str(measured[f"{kind}, {dimension}"][str(n)]["builds"][0].get("threads", 1)),
                    short(found["bytes"][n] / n),
                    short(resident[n] / n),
                    short(1000 * found["open"][n]),
                ]
            )
    columns = [
        "index",
        "dimension",
        "vectors",
        "depth",
        "µs a query, alone",
        "µs a query of 64",
        "build, CPU s",
        "threads",
    ]
    columns += ["bytes a vector, disk", "bytes a vector, resident", "first answer, ms"]
    galleries = [
        [
            f"{one['n']:,}",
            f"{one['subjects']:,}",
            *(short(one[what]) for what in ("enroll", "flush", "calibrate")),
            short(1000 * one["change"]),
            short(one["database"] / one["n"]),
        ]
        for one in measured["galleries"]
    ]
    gallery_columns = ["examples", "subjects", "enroll, s", "flush, s", "calibrate, s", "after a change, ms"]
    copies = "; ".join(
        f"{one['set']}: {one['copy'] / 1000:.0f} kB a copy, {one['file'] / 1000:.0f} kB a file "
        f"({one['pictures']} pictures)"
        for one in measured["copies"]
    )
    return (
        "Clustered unit vectors, Euclidean, recall 0.99. Builds: median CPU seconds of fresh processes, three up to "
        "100,000 vectors and one above, with as many threads as the column says. Queries: one thread, CPU time, "
        "medians of rounds in which the sizes of a kind take turns in one process. Opening: CPU time of a fresh "
        "process, page cache warm.\n\n"
        + table(columns, rows)
        + "\n\nGalleries with the index of `AutoIndex`, ten examples of a subject, one thread. *After a change*: what "
        "the first identification after an enrollment takes longer than the second, in a gallery that is calibrated on "
        "its subjects.\n\n"
        + table([*gallery_columns, "bytes an example, database"], galleries)
        + f"\n\nCopies of pictures that a gallery keeps: {copies}."
    )


def errors_body(measured: Json) -> str:
    """The section of sizes left out."""
    fitted, counted = list(predictions(measured)), list(computed(measured))
    sizes = [one for one in counted if one.what.endswith("bytes on disk")]
    columns = ["what", "left out", "predicted", "measured", "error"]
    misses = [one for one in fitted + counted if abs(one.error) > TOLERANCE]
    return (
        f"Each size is left out in turn, and predicted by the law of the other sizes. Within {TOLERANCE:.0%}: "
        f"{summary(fitted)}. The largest size of each, predicted from smaller ones alone: "
        f"{summary([one for one in fitted if one.largest])}. Computed from other measurements, without a fit of their "
        f"own: {summary(counted)}. Missed: "
        + ("; ".join(f"{one.what} at {one.n:,} ({one.error:+.0%})" for one in misses) or "none")
        + ".\n\n"
        + table(columns, [row(one) for one in fitted])
        + "\n\nComputed: bytes on disk from what a file has, of all indexes above, with an error of at most "
        f"{max(abs(one.error) for one in sizes):.1%}; merges from the sizes that `semelha.index` selects and the law "
        "of builds; latencies by simulation of the queue, from mean seconds of batches of 1 to 64 (measured: "
        "the same arrivals with a real search of each batch, whose CPU time is the clock).\n\n"
        + table([columns[0], "vectors", *columns[2:]], [row(one) for one in counted if one not in sizes])
    )


def summary(found: Sequence[Prediction]) -> str:
    errors = np.abs([one.error for one in found])
    return f"{int((errors <= TOLERANCE).sum())} of {len(errors)} (median error {np.median(errors):.0%})"


def row(one: Prediction) -> list[object]:
    largest = " (largest)" if one.largest else ""
    return [one.what, f"{one.n:,}{largest}", short(one.predicted), short(one.measured), f"{one.error:+.1%}"]


def short(value: float) -> str:
    """A number with three digits."""
    if value == 0:
        return "0"
    digits = max(0, 2 - floor(log10(abs(value))))
    rounded = round(value, 2 - floor(log10(abs(value))))
    return f"{rounded:,.{min(digits, 7)}f}"


def micro(seconds: float) -> str:
    return short(1e6 * seconds)
