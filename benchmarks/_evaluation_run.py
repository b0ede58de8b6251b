"""R@1, R-precision and MAP@R of one set of embeddings, in a process of its own, by one library.

    python _evaluation_run.py semelha|pytorch-metric-learning|open-metric-learning N DIM PER_CLASS

Prints a line of JSON: seconds, the peak of memory over what was there before in MB, and the three figures (None where
the library has not got it).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Figures = list[float | None]
Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]


def main() -> None:
    side, *numbers = sys.argv[1:]
    n, dim, per_class = map(int, numbers)
    measure = {"semelha": ours, "pytorch-metric-learning": calculator, "open-metric-learning": oml}[side]()
    measure(*drawn(200, dim, per_class))  # what is loaded or set up once is in the memory and the time of no other
    vectors, labels = drawn(n, dim, per_class)
    Path("/proc/self/clear_refs").write_text("5")
    before, start = status("VmRSS"), time.perf_counter()
    figures = measure(vectors, labels)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "megabytes": status("VmHWM") - before, "figures": figures}))


def drawn(n: int, dim: int, per_class: int) -> tuple[Vectors, Labels]:
    """Unit vectors of classes that overlap."""
    random = np.random.default_rng(0)
    labels = np.arange(n) // per_class
    middles = random.normal(size=(labels[-1] + 1, dim))
    vectors = middles[labels] + 1.2 * random.normal(size=(n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def ours() -> Callable[[Vectors, Labels], Figures]:
    from semelha.measures import retrieval
    from semelha.metrics import Euclidean

    def measure(vectors: Vectors, labels: Labels) -> Figures:
        found = retrieval(vectors, labels, metric=Euclidean(), ks=(1,))
        return [found.r_at[1], found.r_precision, found.map_at_r]

    return measure


def calculator() -> Callable[[Vectors, Labels], Figures]:
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    names = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    accuracy = AccuracyCalculator(include=names, k="max_bin_count", device=torch.device("cpu"))

    def measure(vectors: Vectors, labels: Labels) -> Figures:
        found = accuracy.get_accuracy(torch.from_numpy(vectors), torch.from_numpy(labels))
        return [found[name] for name in names]

    return measure


def oml() -> Callable[[Vectors, Labels], Figures]:
    import torch
    from oml.functional.knn import batched_knn
    from oml.functional.metrics import calc_retrieval_metrics

    def measure(vectors: Vectors, labels: Labels) -> Figures:
        numbers, of = torch.arange(len(labels)), torch.from_numpy(labels)
        most = int(np.bincount(labels).max())
        _, retrieved, right = batched_knn(torch.from_numpy(vectors), numbers, numbers, most, labels_gt=of)
        found = calc_retrieval_metrics(retrieved, right, cmc_top_k=(1,), precision_top_k=(most - 1,), map_top_k=())
        # Its precision at k divides by the lesser of k and R, which is R-precision where k is R; it has no MAP@R.
        return [float(found["cmc"][1]), float(found["precision"][most - 1]), None]

    return measure


def status(name: str) -> float:
    """VmRSS or VmHWM of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


if __name__ == "__main__":
    main()
