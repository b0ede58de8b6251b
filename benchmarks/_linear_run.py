"""One learner on some folds, in a process of its own: ours, or a peer in the peers' environment.

    python _linear_run.py METHOD DATA.npz OUT.npz SECONDS

Prints the peak memory after imports and data in kB, then one line of CPU seconds a fold; writes each fold's map of the
vectors. The kernel ends the process where one fold takes more CPU seconds than SECONDS.
"""

from __future__ import annotations

import math
import resource
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

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
    """The learner and setting whose 3-NN is best on a fifth of the training examples, fitted on all of them."""
    from semelha.linear import LMNN, NCA, RankSVM

    candidates = [
        *(
            NCA(k, max_iter=steps, candidates=among)
            for k in (16, 20, 32)
            for steps, among in ((400, 1024), (800, 2048))
        ),
        LMNN(),
        *(RankSVM(C=cost) for cost in (100.0, 1000.0)),
    ]
    a, b, ya, yb = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)

    def score(learner: Any) -> float:
        learner.fit(a, ya)
        return float(KNeighborsClassifier(3).fit(learner.transform(a), ya).score(learner.transform(b), yb))

    return max(candidates, key=score).fit(x, y)


def main() -> None:
    method, source, out, seconds = sys.argv[1:]
    fit = learners()[method]
    data = dict(np.load(source))
    x, y, folds = data["x"], data["y"], data["folds"]
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
    found = {}
    warnings.simplefilter("ignore")
    for fold in data["run"]:
        train = folds != fold
        resource.setrlimit(
            resource.RLIMIT_CPU, (math.ceil(time.process_time() + float(seconds)), resource.RLIM_INFINITY)
        )
        start = time.process_time()
        learner = fit(
            x[train],
            y[train],
            {key: data[f"{key}{fold}"] for key in ("pairs", "same", "bounds") if f"{key}{fold}" in data},
        )
        print(time.process_time() - start, flush=True)
        found[f"fold{fold}"] = learner.transform(x)
        if hasattr(learner, "components_"):
            found[f"components{fold}"] = learner.components_
    np.savez(out, **found)


if __name__ == "__main__":
    main()
