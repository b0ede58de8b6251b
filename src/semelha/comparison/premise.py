"""Add classes in two ways: retrain a classifier, or enroll their pictures with a model that stays as it is."""

from __future__ import annotations

import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from semelha.comparison.figures import mean_figure
from semelha.comparison.result import ENROLL, RETRAIN, Premise, Way
from semelha.comparison.study import Base, Rows, Study, Vectors
from semelha.index import AutoIndex

EACH = 5
"""Pictures of a class to learn from or to enroll, at most; the others are probes."""
MAX_KNOWN, MAX_NEW = 150, 50
ITERATIONS = 300


def measure_premise(study: Study, base: Base) -> Premise:
    """Both ways with the same vectors: new classes are those of the first test fold, known ones those of the others.

    Both ways embed the pictures of the new classes, which is part of their seconds, and end with a file.
    """
    labels = study.pictures.labels
    new = np.unique(labels[study.fold == 0])[:MAX_NEW]
    known = np.unique(labels[study.fold > 0])[:MAX_KNOWN]
    enrolled, probes = _enrolled_and_probes(study, np.concatenate([known, new]))
    is_new = np.isin(labels[enrolled], new)
    old, added = enrolled[~is_new], enrolled[is_new]
    before, asked = study.vectors(base, old), study.vectors(base, probes)

    start = time.perf_counter()
    after = base.embed(study.pictures.select(added.tolist()))
    embedding = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        classifier = _Classifier(Path(folder) / "classifier.npz")
        gallery = _Enrolled(base, labels, Path(folder) / "index")
        gallery.add(old, before)
        start = time.perf_counter()
        classifier.fit(np.concatenate([before, after]), np.concatenate([labels[old], labels[added]]))
        retraining = embedding + time.perf_counter() - start
        start = time.perf_counter()
        gallery.add(added, after)
        enrolling = embedding + time.perf_counter() - start
        answers = {RETRAIN: classifier.answers(asked), ENROLL: gallery.answers(asked)}

    def way(name: str, seconds: float) -> Way:
        right, is_asked_new = answers[name] == labels[probes], np.isin(labels[probes], new)
        parts = (is_asked_new, ~is_asked_new)
        figures = [mean_figure(right[part].astype(float), labels[probes][part], seed=study.seed) for part in parts]
        return Way(name, seconds, *figures)

    return Premise(len(known), len(new), EACH, (way(RETRAIN, retraining), way(ENROLL, enrolling)))


class _Classifier:
    """Softmax regression (cross-entropy), fitted to all classes and written to a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def fit(self, vectors: Vectors, labels: NDArray[np.str_]) -> None:
        self.scale_ = 1 / max(float(np.linalg.norm(vectors, axis=1).mean()), 1e-12)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.fitted_ = LogisticRegression(C=100.0, max_iter=ITERATIONS).fit(self.scale_ * vectors, labels)
        fitted = self.fitted_
        np.savez(self.file, classes=fitted.classes_, coef=fitted.coef_, intercept=fitted.intercept_)

    def answers(self, vectors: Vectors) -> NDArray[np.str_]:
        return np.asarray(self.fitted_.predict(self.scale_ * vectors))


class _Enrolled:
    """An index to which vectors are added, and that is saved: its answer is the label of the nearest."""

    def __init__(self, base: Base, labels: NDArray[np.str_], folder: Path) -> None:
        self.index = AutoIndex(base.metric)
        self.labels, self.folder = labels, folder

    def add(self, rows: Rows, vectors: Vectors) -> None:
        self.index.add(rows, vectors)
        self.index.save(self.folder)

    def answers(self, vectors: Vectors) -> NDArray[np.str_]:
        return self.labels[self.index.search(vectors, 1).ids[:, 0]]


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
