"""Shards, memory and machines for a billion examples: a cost model that is fitted to measurements and tried on others.

    python benchmarks/scale_model.py measure --cache FOLDER [--only build,ask,arrive,facts] [--largest 2000000]
    python benchmarks/scale_model.py write [--cache FOLDER]

`measure` builds, opens and searches the indexes of `semelha.index` over 10,000 to 2,000,000 clustered vectors, with one
thread, and measures galleries, codes of vectors, strangers, and copies of pictures (those of `SEMELHA_DATA`). Each
measurement is a file of the cache: a run that was stopped goes on. Building takes most of an hour; `build` may run
beside other work, since it counts CPU seconds, `ask` and `arrive` may not.

`write` fits the model, predicts every size from the others, and writes the sections of RESULTS.md and the tables of
docs/scale.md. It takes the measurements from the cache, and keeps them in scale_measured.json; what the cache lacks is
taken from there.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import _scale_measure as measuring
from _results import write_section
from _scale_page import PAGE, Plan, filled
from _scale_plan import Assumptions
from _scale_points import MEASURED, collect
from _scale_report import errors_body, measured_body


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "write"])
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--only", default="build,ask,arrive,facts", help="parts of `measure`, by comma")
    parser.add_argument("--largest", type=int, default=max(measuring.SIZES), help="most vectors of a build")
    parser.add_argument("--threads", type=int, default=2, help="of builds of more than 300,000 vectors")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    if arguments.what == "write":
        write(arguments.cache)
        return
    if arguments.cache is None:
        parser.error("measure needs --cache")
    cache: Path = arguments.cache
    cache.mkdir(parents=True, exist_ok=True)
    parts = arguments.only.split(",")
    if "build" in parts:
        measuring.build(cache, arguments.largest, arguments.threads)
    if "facts" in parts:
        measuring.facts(cache, Path(os.environ["SEMELHA_DATA"]))
    if "ask" in parts:
        measuring.ask(cache, arguments.rounds)
    if "arrive" in parts:
        measuring.arrive(cache, arguments.rounds)


def write(cache: Path | None) -> None:
    """Write the sections and the tables."""
    if cache is not None:
        kept = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}
        MEASURED.write_text(json.dumps(collect(cache, kept), indent=1) + "\n", encoding="utf-8")
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    write_section("A model of scale: what was measured", measured_body(measured))
    write_section("A model of scale: sizes left out", errors_body(measured))
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(filled(page, Plan(measured, Assumptions()).tables()), encoding="utf-8")


if __name__ == "__main__":
    main()
