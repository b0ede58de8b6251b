"""Cluster unlabelled pictures: those of enrolled subjects by subject, the others into proposed new subjects."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model
from semelha.errors import UsageError
from semelha.gallery.calibration.scores import unseen_in_training
from semelha.gallery.curation.check import exact_snapshot, nearest_other_rows
from semelha.gallery.probes import EmbeddedProbes
from semelha.gallery.state import GalleryState
from semelha.images import Skipped
from semelha.index import AutoIndex
from semelha.index.checks import check_seed
from semelha.recognition.curation.linkage import average_linkage, linkage_threshold
from semelha.store import View

logger = logging.getLogger(__name__)

NEIGHBORS = 16
MAX_SUBJECTS = 400  # from which the threshold is learned
MAX_EXAMPLES = 32  # of each of these subjects
SAMPLE = 64  # pictures of a cluster from which its mean distance is computed
BLOCK = 4096  # pictures identified at a time
PAIRS = 1 << 20  # distances in memory at a time

TRAINED_ON = "the model was trained on all subjects of the gallery: pictures of other subjects lie farther apart"


@dataclass(frozen=True)
class Cluster:
    """Pictures that probably show one subject.

    Attributes
    ----------
    subject : str
        Its name in the gallery, or a proposed name that is not in use.
    known : bool
        Whether the subject is enrolled.
    pictures : tuple of int
        Positions of the pictures in the sequence that was passed.
    distance : float or None
        Mean distance between its pictures; None for a single one.
    """

    subject: str
    known: bool
    pictures: tuple[int, ...]
    distance: float | None


@dataclass(frozen=True)
class Clustering:
    """The result of `Gallery.cluster`: every picture that can be decoded is in one cluster.

    Supports `len`, iteration and indexing over its clusters.

    Attributes
    ----------
    clusters : tuple of Cluster
        Proposed subjects first, largest first; then enrolled subjects, by name.
    names : tuple of str
        Names of all pictures that were passed.
    threshold : float
        Mean distance up to which groups were merged.
    note : str
        How the threshold was learned.
    """

    clusters: tuple[Cluster, ...]
    names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    threshold: float
    note: str

    def __len__(self) -> int:
        return len(self.clusters)

    def __iter__(self) -> Iterator[Cluster]:
        return iter(self.clusters)

    def __getitem__(self, place: int) -> Cluster:
        return self.clusters[place]

    def to_json(self) -> dict[str, Any]:
        """The fields as numbers, strings, lists and dicts, with the names of the pictures of each cluster."""
        whole = asdict(self)
        for one in whole["clusters"]:
            one["names"] = [self.names[place] for place in one["pictures"]]
        return whole


def cluster_pictures(state: GalleryState, model: Model, unknown: EmbeddedProbes, seed: int) -> Clustering:
    """Cluster embedded pictures with a snapshot of a gallery: see `Gallery.cluster`."""
    check_seed(seed)
    threshold, note = threshold_of(state.view, model, len(unknown.vectors), seed)
    known = _enrolled_subjects(state, unknown, model, threshold)
    new = np.flatnonzero([subject is None for subject in known])
    labels = cluster_labels(unknown.vectors[new], model, threshold)
    rows_of = np.split(new[np.argsort(labels, kind="stable")], np.cumsum(np.bincount(labels))[:-1])
    rows_of = sorted((rows for rows in rows_of if len(rows)), key=lambda rows: -len(rows))
    found = [(name, False, rows) for name, rows in zip(_new_names(state.view, len(rows_of)), rows_of, strict=True)]
    found += [(name, True, np.array(rows)) for name, rows in sorted(_rows_by_subject(known).items())]
    clusters = tuple(
        Cluster(name, is_known, tuple(unknown.positions[rows].tolist()), _mean_distance(unknown.vectors[rows], model))
        for name, is_known, rows in found
    )
    return Clustering(clusters, unknown.names, unknown.skipped, threshold, note)


def threshold_of(view: View, model: Model, pictures: int, seed: int) -> tuple[float, str]:
    """Learn the mean distance up to which groups of pictures are merged; returns it with a note on how.

    Learned from subjects that the model was not trained on, if at least two of them have two examples; otherwise from
    all subjects. Raises `UsageError` if no subject has two examples, if the gallery has a single subject, or if
    examples of one subject are no nearer to each other.
    """
    of_subjects, unseen = _examples(view, model)
    per_subject = sum(len(one) for one in of_subjects) / max(1, len(of_subjects))
    random = np.random.default_rng(seed)
    drawn = [random.permutation(one)[:MAX_EXAMPLES] for one in of_subjects]
    drawn = [drawn[place] for place in random.permutation(len(drawn))[:MAX_SUBJECTS].tolist()]
    if len(drawn) < 2 or max(len(one) for one in drawn) < 2:
        raise UsageError(
            "clustering learns from the gallery how far apart pictures of one subject are, which takes two subjects, "
            "one of them with two examples: enroll a second picture of a subject"
        )
    found = view.vectors([int(one) for each in drawn for one in each])
    vectors = np.stack([found[int(one)] for each in drawn for one in each])
    subjects = np.repeat(np.arange(len(drawn)), [len(each) for each in drawn])
    others = max(1.0, pictures / max(1.0, per_subject) - 1)
    threshold = linkage_threshold(vectors, subjects, model.metric, others, seed=seed)
    if threshold is None:
        raise UsageError(
            "examples of one subject of the gallery are no nearer to each other than to those of other subjects, so "
            "the model cannot cluster pictures: train another model for these subjects"
        )
    note = f"groups up to a mean distance of {threshold:.3g} are merged, learned from {len(drawn)} enrolled subjects"
    if not unseen:
        logger.warning("%s", TRAINED_ON)
        note += f"; {TRAINED_ON}"
    return threshold, note


def _examples(view: View, model: Model) -> tuple[list[list[int]], bool]:
    """Examples of each subject to learn from, and whether the model was not trained on these subjects."""
    names = dict(sorted(view.names().items()))
    every = [[example for example, _ in view.examples_of(number)] for number in names]
    unseen = list(unseen_in_training(view, model, names).values())
    enough = sum(len(one) >= 2 for one in unseen) >= 2
    chosen = unseen if enough else every
    several = [one for one in chosen if len(one) >= 2]
    return (several if len(several) >= 2 else chosen), enough or len(unseen) == len(every)


def cluster_labels(vectors: NDArray[np.float32], model: Model, threshold: float) -> NDArray[np.int64]:
    """Cluster number of each vector: (n,)."""
    rows = np.arange(len(vectors))
    snapshot = exact_snapshot(rows, vectors, model.metric)
    if snapshot is None:
        index = AutoIndex(model.metric)
        index.build(rows, vectors)
        snapshot = index.snapshot()
    neighbors, distances = nearest_other_rows(snapshot, rows, vectors, NEIGHBORS)
    return average_linkage(vectors, neighbors, distances, model.metric, threshold).labels()


def _enrolled_subjects(state: GalleryState, probes: EmbeddedProbes, model: Model, threshold: float) -> list[str | None]:
    """The enrolled subject of each picture, or None; the latter are recorded as called unknown.

    Decided by the calibration; in an uncalibrated gallery, by the mean distance to the examples of the nearest subject.
    """
    nearest: list[str | None] = []
    vectors, hashes = probes.vectors, probes.hashes or []
    for start in range(0, len(vectors), BLOCK):
        block = slice(start, start + BLOCK)
        nearest += [one.subject for one in state.identify(vectors[block], 1, hashes[block])]
    if state.rule is not None:
        return nearest
    for subject, rows in _rows_by_subject(nearest).items():
        stored = state.view.vectors_of(subject).astype(np.float64)
        step = max(1, PAIRS // len(stored))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            means = model.metric.pairwise(vectors[some].astype(np.float64), stored).mean(axis=1)
            for row, mean in zip(some, means.tolist(), strict=True):
                if mean > threshold:
                    nearest[row] = None
    state.record_unknown([hashes[row] for row, subject in enumerate(nearest) if subject is None])
    return nearest


def _rows_by_subject(subjects: list[str | None]) -> dict[str, list[int]]:
    rows_of: dict[str, list[int]] = {}
    for row, subject in enumerate(subjects):
        if subject is not None:
            rows_of.setdefault(subject, []).append(row)
    return rows_of


def _new_names(view: View, wanted: int) -> list[str]:
    """Names that are not in use."""
    width = len(str(wanted))
    names = (f"new-{number:0{width}}" for number in count(1))
    return list(islice((name for name in names if not view.has_subject(name)), wanted))


def _mean_distance(vectors: NDArray[np.float32], model: Model) -> float | None:
    """Mean distance between vectors, from a sample of many."""
    if len(vectors) < 2:
        return None
    some = vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), SAMPLE)).astype(np.int64)].astype(np.float64)
    table = model.metric.pairwise(some, some, check=False)
    return float((table.sum() - np.trace(table)) / (len(some) * (len(some) - 1)))
