"""How well the enrolled examples of a gallery find their own subjects, each left out in turn."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from semelha.arguments import check_int
from semelha.gallery.state import GalleryState
from semelha.index.checks import check_seed
from semelha.measures import Interval, retrieval
from semelha.measures.bootstrap import percentile_interval, resample_weights, weighted_means

RESAMPLES = 1000
MAX_PROBES = 100_000


@dataclass(frozen=True)
class Accuracy:
    """The result of `Gallery.evaluate`.

    Attributes
    ----------
    probes : int
        Examples that were searched among all others.
    subjects : int
        Subjects with two examples or more, of which the probes are.
    single_example_subjects : int
        Subjects with one example, which cannot be judged.
    r_at_1 : float or None
        The fraction of probes whose nearest other example is of their subject; None without a probe.
    r_at_1_interval : Interval or None
        With 95% confidence, over subjects; None if it cannot be estimated.
    map_at_r : float or None
        MAP@R of the probes.
    """

    probes: int
    subjects: int
    single_example_subjects: int
    r_at_1: float | None
    r_at_1_interval: Interval | None
    map_at_r: float | None

    def to_json(self) -> dict[str, Any]:
        """The fields as numbers, lists and None."""
        return asdict(self)


def leave_one_out(state: GalleryState, *, max_probes: int, seed: int) -> Accuracy:
    """Search examples of a snapshot of a gallery: see `Gallery.evaluate`."""
    check_int("max_probes", max_probes, 1, MAX_PROBES)
    check_seed(seed)
    ids, vectors = state.view.added_since(0)
    owners = state.view.subjects_of(ids.tolist())
    subjects = np.array([owners[one] for one in ids.tolist()], np.int64)
    names, numbers, sizes = np.unique(subjects, return_inverse=True, return_counts=True)
    single = int((sizes == 1).sum())
    judged = np.flatnonzero(sizes[numbers] > 1) if len(ids) else np.empty(0, np.int64)
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(judged)[:max_probes])
    if not len(rows):
        return Accuracy(0, 0, single, None, None, None)
    labels = subjects.astype(str)
    found = retrieval(
        vectors[rows],
        labels[rows],
        vectors,
        labels,
        metric=state.metric,
        query_groups=ids[rows],
        reference_groups=ids,
        ks=(1,),
    )
    probed, subject = np.unique(numbers[rows], return_inverse=True)
    weights = resample_weights(len(probed), RESAMPLES, random)
    values = weighted_means(found.first_ranks == 0, subject, weights)
    interval = percentile_interval(values, found.r_at[1], subjects=len(probed))
    return Accuracy(len(rows), len(names) - single, single, found.r_at[1], interval, found.map_at_r)
