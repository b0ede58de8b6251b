"""Evaluation of many embeddings of many classes, beside pytorch-metric-learning and OpenMetricLearning.

    python benchmarks/evaluation.py [--n 60000] [--dim 128] [--per-class 5] [--rounds 3]

R@1, R-precision and MAP@R, each picture among all others; the libraries in turn, each time in a fresh process.
OpenMetricLearning is measured where it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from _results import table, write_section

RUN = Path(__file__).with_name("_evaluation_run.py")
SIDES = {"semelha": "semelha", "pytorch-metric-learning": "pytorch_metric_learning", "open-metric-learning": "oml"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=60_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--per-class", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    sides = [side for side, module in SIDES.items() if importlib.util.find_spec(module) is not None]
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for _ in range(arguments.rounds):
        for side in sides:
            runs[side].append(run(side, arguments.n, arguments.dim, arguments.per_class))
            print(side, runs[side][-1], file=sys.stderr)
    seconds = {side: float(np.median([one["seconds"] for one in found])) for side, found in runs.items()}
    rows = [
        [
            side,
            seconds[side],
            f"{seconds[side] / seconds['semelha']:.2f}",
            f"{max(one['megabytes'] for one in found):.0f}",
            *(None if figure is None else f"{figure:.5f}" for figure in found[0]["figures"]),
        ]
        for side, found in runs.items()
    ]
    for figures in (found[0]["figures"] for found in runs.values()):
        agree(figures, runs["semelha"][0]["figures"])
    columns = ["library", "seconds", "× ours", "peak MB", "R@1", "R-precision", "MAP@R"]
    body = (
        f"{arguments.n:,} × {arguments.dim} unit vectors in float32, {arguments.n // arguments.per_class:,} classes; "
        f"median of {arguments.rounds} rounds in turn, each in a fresh process. `AccuracyCalculator` with "
        '`k="max_bin_count"`; OpenMetricLearning has no MAP@R.\n\n' + table(columns, rows)
    )
    write_section("Evaluation", body)


def run(side: str, n: int, dim: int, per_class: int) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", str(RUN), side, str(n), str(dim), str(per_class)]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        raise RuntimeError(f"{side} ended with {process.returncode}:\n{process.stderr}")
    found: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return found


def agree(figures: list[float | None], ours: list[float]) -> None:
    """Raises where a library gives another figure, rounding of float32 aside."""
    for theirs, own in zip(figures, ours, strict=True):
        if theirs is not None and abs(theirs - own) > 1e-3:
            raise AssertionError(f"{theirs} is not {own}")


if __name__ == "__main__":
    main()
