"""Add classes in two ways: retrain a classifier, or enroll their pictures with a model that stays as it is."""

from __future__ import annotations

import time
import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from semelha.comparison.figures import mean_figure
from semelha.comparison.result import Premise, Way
from semelha.comparison.study import Base, Rows, Study

EACH = 5
"""Pictures of a class to learn from or to enroll, at most; the others are probes."""
MAX_KNOWN, MAX_NEW = 150, 50
ITERATIONS = 300


def measure_premise(study: Study, base: Base) -> Premise:
    """Both ways with the same vectors: new classes are those of the first test fold, known ones those of the others.

    The classifier is softmax regression (cross-entropy), which is fitted again to all classes. Both ways embed the
    pictures of the new classes; that is part of their seconds.
    """
    labels = study.pictures.labels
    new = np.unique(labels[study.fold == 0])[:MAX_NEW]
    known = np.unique(labels[study.fold > 0])[:MAX_KNOWN]
    enrolled, probes = _enrolled_and_probes(study, np.concatenate([known, new]))
    is_new = np.isin(labels[enrolled], new)
    x, asked = study.vectors(base, enrolled), study.vectors(base, probes)
    embedding = int(is_new.sum()) * study.milliseconds(base) / 1000
    scale = 1 / max(float(np.linalg.norm(x, axis=1).mean()), 1e-12)

    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier = LogisticRegression(C=100.0, max_iter=ITERATIONS).fit(scale * x, labels[enrolled])
    retraining = embedding + time.perf_counter() - start
    by_classifier = classifier.predict(scale * asked)

    start = time.perf_counter()
    gallery = np.concatenate([x[~is_new], x[is_new]])
    names = np.concatenate([labels[enrolled][~is_new], labels[enrolled][is_new]])
    enrolling = embedding + time.perf_counter() - start
    by_neighbor = names[base.metric.nearest(asked, gallery, 1).positions[:, 0]]

    def way(name: str, seconds: float, answers: NDArray[np.str_]) -> Way:
        right, is_asked_new = answers == labels[probes], np.isin(labels[probes], new)
        parts = (is_asked_new, ~is_asked_new)
        figures = [mean_figure(right[part].astype(float), labels[probes][part], seed=study.seed) for part in parts]
        return Way(name, seconds, *figures)

    ways = way("retrain a classifier", retraining, by_classifier), way("enroll", enrolling, by_neighbor)
    text = (
        f"To add {len(new)} classes to {len(known)}, with at most {EACH} pictures of each: retraining a classifier on "
        f"the vectors of {base.name} took {retraining:.2g} s and named {100 * ways[0].new.value:.0f} of 100 pictures "
        f"of the new classes right; enrolling took {enrolling:.2g} s, and named {100 * ways[1].new.value:.0f} of 100 "
        "right."
    )
    return Premise(len(known), len(new), EACH, ways, text)


def _enrolled_and_probes(study: Study, names: NDArray[np.str_]) -> tuple[Rows, Rows]:
    """Of each class, groups of pictures in a random order until there are enough; the others are probes."""
    random, groups = np.random.default_rng([study.seed, 27]), study.pictures.groups
    enrolled: list[int] = []
    probes: list[int] = []
    for name in names:
        rows = random.permutation(np.flatnonzero(study.pictures.labels == name)).tolist()
        units: dict[object, list[int]] = {}
        for row in rows:
            group = None if groups is None else groups[row]
            units.setdefault(row if group is None else group, []).append(row)
        wanted, taken = min(EACH, len(rows) // 2), 0
        for number, unit in enumerate(units.values()):
            if taken < wanted and number < len(units) - 1:
                enrolled += unit[: EACH - taken]
                taken += len(unit)
            else:
                probes += unit
    return np.array(enrolled, np.int64), np.array(probes, np.int64)
