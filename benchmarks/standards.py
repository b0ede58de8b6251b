"""Figures of evaluation beside those of scikit-learn and WildlifeDatasets, where these compute the same thing.

    pip install wildlife-datasets
    python benchmarks/standards.py [--seeds 20]

Distances, classes and answers are drawn by chance, with ties. Without wildlife-datasets its rows are not measured, and
that is said.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from sklearn.metrics import det_curve, roc_auc_score

from _results import table, version_of, write_section
from semelha.measures import auroc, balanced, open_set


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args()
    checks: dict[str, Callable[[np.random.Generator], float]] = {
        "FNIR and FPIR, all probes right: scikit-learn, det_curve": of_det,
        "AUROC: scikit-learn, roc_auc_score": of_auroc,
    }
    if find_spec("wildlife_datasets") is not None:
        checks["BAKS and BAUS: WildlifeDatasets"] = of_balanced
    rows: list[list[object]] = []
    for title, check in checks.items():
        rows.append([title, f"{max(check(np.random.default_rng(seed)) for seed in range(arguments.seeds)):.1e}"])
    peer = version_of("wildlife-datasets")
    told = f"WildlifeDatasets {peer}" if peer else "WildlifeDatasets is not installed, and was not compared"
    body = f"The largest difference in {arguments.seeds} draws. {told}.\n\n" + table(["figure", "difference"], rows)
    write_section("Figures of the standards", body)


def drawn(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Distances of 300 known probes and of 200 strangers, with ties."""
    return np.round(random.normal(1, 0.3, 300), 2), np.round(random.normal(1.4, 0.3, 200), 2)


def of_det(random: np.random.Generator) -> float:
    mated, strangers = drawn(random)
    ours = open_set(mated, np.ones(len(mated), bool), strangers)
    truth = np.concatenate([np.ones(len(mated)), np.zeros(len(strangers))])
    fpr, fnr, _ = det_curve(truth, -np.concatenate([mated, strangers]))
    found = {(float(a), float(b)) for a, b in zip(ours.fpir, ours.fnir, strict=True)}
    return max(min(max(abs(a - x), abs(b - y)) for x, y in found) for a, b in zip(fpr, fnr, strict=True))


def of_auroc(random: np.random.Generator) -> float:
    mated, strangers = drawn(random)
    truth = np.concatenate([np.ones(len(mated)), np.zeros(len(strangers))])
    return abs((auroc(mated, strangers) or 0.0) - roc_auc_score(truth, -np.concatenate([mated, strangers])))


def of_balanced(random: np.random.Generator) -> float:
    from wildlife_datasets.metrics import BAKS, BAUS

    truth = random.integers(0, 20, 500)
    unknown, nobody = np.arange(12, 20), -1
    answers = np.where(random.random(500) < 0.6, truth, random.integers(-1, 12, 500))
    answers = np.where(np.isin(truth, unknown) & (random.random(500) < 0.7), nobody, answers)
    strangers = np.isin(truth, unknown)
    ours = balanced(truth, np.where(strangers, answers == nobody, answers == truth), strangers)
    theirs = BAKS(truth, answers, unknown), BAUS(truth, answers, unknown, nobody)
    return max(abs((ours.baks or 0.0) - theirs[0]), abs((ours.baus or 0.0) - theirs[1]))


if __name__ == "__main__":
    main()
