"""Pictures as they stand in the page: small, and inside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from semelha.evaluation.result import Evaluation
from semelha.html import figure
from semelha.images import Picture

NEIGHBORS = 5


def rows(evaluation: Evaluation, *, best: bool, count: int) -> str:
    """A row for each of some queries, the query first and its nearest pictures after it.

    Worst: by a fixed draw among the queries whose nearest picture is of another class, the surest mistakes first.
    Best: by a fixed draw among those whose nearest picture is right, the least similar first.
    """
    found, pictures = evaluation.result.retrieval, evaluation.dataset.pictures
    labels = evaluation.dataset.labels
    nearest = evaluation.references[np.maximum(found.nearest[:, 0], 0)]
    right = labels[nearest] == labels[evaluation.queries]
    chosen = np.flatnonzero(found.has_match & (right if best else ~right))
    order = chosen[np.argsort(found.distances[chosen, 0], kind="stable")]
    picked = (order[::-1] if best else order)[:: max(1, len(order) // (4 * count))][:count]
    if not len(picked):
        return f'<p class="note">There is no query that was {"right" if best else "wrong"}.</p>'
    return '<div class="rows">' + "".join(_row(evaluation, pictures, int(query)) for query in picked) + "</div>"


def _row(evaluation: Evaluation, pictures: Sequence[Picture], query: int) -> str:
    found = evaluation.result.retrieval
    probe = pictures[evaluation.queries[query]]
    cells = [_figure(probe, "probe", "query")]
    for place, distance in zip(found.nearest[query, :NEIGHBORS], found.distances[query, :NEIGHBORS], strict=True):
        if place >= 0:
            picture = pictures[evaluation.references[place]]
            cells.append(_figure(picture, "right" if picture.label == probe.label else "wrong", f"{distance:.2f}"))
    return f'<div class="row">{"".join(cells)}</div>'


def _figure(picture: Picture, kind: str, caption: str) -> str:
    return figure(picture, kind, picture.label, tooltip=picture.name, caption=caption)
