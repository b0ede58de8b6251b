"""One learner on some folds, in a process of its own: ours, or a peer in the peers' environment.

    python _linear_run.py METHOD DATA.npz OUT.npz SECONDS

Prints a line of CPU seconds for each fold, then the peak memory in kB over what imports and data take; writes each
fold's map of the vectors. Ends with STOPPED where a fold takes more CPU seconds than SECONDS.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

STOPPED = 3
Data = dict[str, Any]
Fit = Callable[[Any, Any, Data], Any]


def learners() -> dict[str, Fit]:
    """Every method by name: (X, y, data) → fitted."""
    if sys.argv[1].startswith("peer "):
        import metric_learn
        from sklearn.neighbors import NeighborhoodComponentsAnalysis

        return {
            "peer NCA": lambda x, y, data: NeighborhoodComponentsAnalysis(random_state=0).fit(x, y),
            "peer NCA 32": lambda x, y, data: NeighborhoodComponentsAnalysis(32, random_state=0).fit(x, y),
            "peer LMNN": lambda x, y, data: metric_learn.LMNN().fit(x, y),
            "peer LFDA": lambda x, y, data: metric_learn.LFDA().fit(x, y),
            "peer ITML": lambda x, y, data: metric_learn.ITML_Supervised(random_state=0).fit(x, y),
            "peer ITML pairs": lambda x, y, data: metric_learn.ITML().fit(
                x[data["pairs"]], np.where(data["same"], 1, -1), bounds=data["bounds"].copy()
            ),
        }
    from semelha import linear

    ours: dict[str, Fit] = {
        name: (lambda x, y, data, kind=getattr(linear, name): kind().fit(x, y)) for name in linear.__all__
    }
    return ours | {
        "NCA 32": lambda x, y, data: linear.NCA(32).fit(x, y),
        "NCA full": lambda x, y, data: linear.NCA(x.shape[1]).fit(x, y),
        "LMNN one round": lambda x, y, data: linear.LMNN(rounds=1, max_iter=100, max_impostors=1000).fit(x, y),
        "ITML pairs": lambda x, y, data: linear.ITML(bounds=tuple(data["bounds"])).fit_pairs(
            x, data["pairs"], data["same"]
        ),
        "best": lambda x, y, data: chosen(x, y),
    }


def chosen(x: Any, y: Any) -> Any:
    """The learner, or chain of two, whose 3-NN is best in three folds of the training examples, fitted on all."""
    from semelha.linear import LMNN, NCA, RankSVM

    candidates = [NCA(), RankSVM(), make_pipeline(RankSVM(), NCA()), make_pipeline(RankSVM(), LMNN())]
    inner = StratifiedKFold(3, shuffle=True, random_state=0)

    def score(learner: Any) -> float:
        return float(cross_val_score(make_pipeline(learner, KNeighborsClassifier(3)), x, y, cv=inner).mean())

    return max(candidates, key=score).fit(x, y)


def main() -> None:
    method, source, out, seconds = sys.argv[1:]
    fit = learners()[method]
    data = dict(np.load(source))
    x, y, folds = data["x"], data["y"], data["folds"]
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew, from what imports and data take
    base = memory("VmRSS")

    def stop(number: int, frame: FrameType | None) -> None:
        print(memory("VmHWM") - base, flush=True)
        os._exit(STOPPED)

    signal.signal(signal.SIGXCPU, stop)
    found, peak = {}, 0
    warnings.simplefilter("ignore")
    for fold in data["run"]:
        train = folds != fold
        limit = math.ceil(time.process_time() + float(seconds))
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
        start = time.process_time()
        learner = fit(
            x[train],
            y[train],
            {key: data[f"{key}{fold}"] for key in ("pairs", "same", "bounds") if f"{key}{fold}" in data},
        )
        print(time.process_time() - start, flush=True)
        peak = max(peak, memory("VmHWM") - base)
        found[f"fold{fold}"] = learner.transform(x)
        if hasattr(learner, "components_"):
            found[f"components{fold}"] = learner.components_
    print(peak, flush=True)
    np.savez(out, **found)


def memory(name: str) -> int:
    """VmRSS or VmHWM of this process, in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


if __name__ == "__main__":
    main()
