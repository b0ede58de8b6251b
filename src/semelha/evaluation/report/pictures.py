"""Rows of pictures in the report: a query and its nearest pictures."""

from __future__ import annotations

import numpy as np

from semelha.evaluation.result import Evaluation
from semelha.html import figure

NEIGHBORS = 5


def query_rows(evaluation: Evaluation, *, correct: bool, count: int) -> str:
    """HTML rows of some queries whose nearest picture is of the right class, or of a wrong one.

    Wrong answers are shown by rising distance, right answers by falling distance, spread evenly over the first part.
    """
    found, labels = evaluation.result.retrieval, evaluation.dataset.labels
    nearest = evaluation.references[np.maximum(found.nearest[:, 0], 0)]
    is_correct = labels[nearest] == labels[evaluation.queries]
    chosen = np.flatnonzero(found.has_match & (is_correct if correct else ~is_correct))
    order = chosen[np.argsort(found.distances[chosen, 0], kind="stable")]
    picked = (order[::-1] if correct else order)[:: max(1, len(order) // (4 * count))][:count]
    if not len(picked):
        return f'<p class="note">There are no {"right" if correct else "wrong"} answers.</p>'
    return f'<div class="rows">{"".join(_row(evaluation, int(query)) for query in picked)}</div>'


def _row(evaluation: Evaluation, query: int) -> str:
    found, pictures = evaluation.result.retrieval, evaluation.dataset.pictures
    probe = pictures[evaluation.queries[query]]
    cells = [figure(probe, "probe", probe.label, tooltip=probe.name, caption="query")]
    for row, distance in zip(found.nearest[query, :NEIGHBORS], found.distances[query, :NEIGHBORS], strict=True):
        if row >= 0:
            picture = pictures[evaluation.references[row]]
            kind = "right" if picture.label == probe.label else "wrong"
            cells.append(figure(picture, kind, picture.label, tooltip=picture.name, caption=f"{distance:.2f}"))
    return f'<div class="row">{"".join(cells)}</div>'
