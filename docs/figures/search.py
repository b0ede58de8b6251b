"""What four kinds of search compare with a query: everything, leaves of a tree, cells, or the nodes of a path."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.spatial import Voronoi, voronoi_plot_2d
from sklearn.cluster import KMeans

from docs.figures.drawing import BLUE, FAINT, INK, MUTED, ORANGE, WIDTH, Words, without_axes
from semelha.metrics import Euclidean

WORDS = {
    "en": {"linear": "linear", "tree": "KD-tree", "cells": "cells (IVF)", "graph": "graph (HNSW)"},
    "pt-BR": {"linear": "linear", "tree": "árvore KD", "cells": "células (IVF)", "graph": "grafo (HNSW)"},
}
QUERY = np.array([0.63, 0.37])
COUNT, LEAF, CELLS = 180, 9, 14
Box = tuple[np.ndarray, np.ndarray]


def draw(words: Words) -> Figure:
    x = np.random.default_rng(7).uniform(size=(COUNT, 2))
    figure = Figure((WIDTH, 5.5), layout="constrained")
    axes = dict(zip(("linear", "tree", "cells", "graph"), figure.subplots(2, 2).ravel(), strict=True))
    draw_lines(axes["linear"], [(QUERY, row) for row in x], FAINT, 0.5)
    compared = {
        "linear": np.arange(COUNT),
        "tree": search_tree(axes["tree"], x, np.arange(COUNT), (np.zeros(2), np.ones(2)), []),
        "cells": search_cells(axes["cells"], x),
        "graph": search_graph(axes["graph"], x),
    }
    nearest = int(np.linalg.norm(x - QUERY, axis=1).argmin())
    for name, rows in compared.items():
        assert nearest in rows
        axes[name].scatter(*x.T, s=5, color=MUTED, zorder=3)
        axes[name].scatter(*x[list(rows)].T, s=11, color=ORANGE, zorder=4)
        axes[name].scatter(*x[nearest], s=45, facecolor="none", edgecolor=BLUE, linewidth=1.6, zorder=5)
        axes[name].plot(*QUERY, marker="*", color=INK, markersize=11, zorder=6)
        without_axes(axes[name]).set(aspect="equal", xlim=(0, 1), ylim=(0, 1))
        axes[name].set_title(f"{words[name]}: {len(rows)} / {COUNT}")
    return figure


def draw_lines(axes: Axes, ends: list[tuple[np.ndarray, np.ndarray]], color: str, width: float) -> None:
    """Draw lines as one path, which is a small file."""
    gap = np.full(2, np.nan)
    axes.plot(*np.concatenate([[start, end, gap] for start, end in ends]).T, color=color, linewidth=width, zorder=1)


def search_tree(axes: Axes, x: np.ndarray, rows: np.ndarray, box: Box, found: list[int]) -> list[int]:
    """Rows compared by a KD-tree, the nearer half first; a half farther than the nearest row is left out."""
    best = np.linalg.norm(x[found] - QUERY, axis=1).min(initial=np.inf)
    if len(rows) <= LEAF:
        if np.linalg.norm(QUERY - np.clip(QUERY, *box)) < best:
            found.extend(rows.tolist())
        return found
    low, high = box
    axis = int(np.argmax(high - low))
    order = rows[np.argsort(x[rows, axis])]
    half = len(order) // 2
    cut = x[order[half - 1 : half + 1], axis].mean()
    left_end, right_start = high.copy(), low.copy()
    left_end[axis] = right_start[axis] = cut
    ends = np.stack([right_start, left_end])
    ends[0, axis] = ends[1, axis] = cut
    axes.plot(*ends.T, color=FAINT, linewidth=1)
    halves = [(order[:half], (low, left_end)), (order[half:], (right_start, high))]
    for part, inside in halves if QUERY[axis] <= cut else halves[::-1]:
        search_tree(axes, x, part, inside, found)
    return found


def search_cells(axes: Axes, x: np.ndarray) -> np.ndarray:
    """Rows of the two cells whose centroids are nearest."""
    cells = KMeans(CELLS, n_init=1, random_state=0).fit(x)
    far = np.array([[-9.0, -9], [-9, 9], [9, -9], [9, 9]])  # closes the outer cells
    voronoi_plot_2d(
        Voronoi(np.concatenate([cells.cluster_centers_, far])),
        axes,
        show_points=False,
        show_vertices=False,
        line_colors=FAINT,
        line_width=1,
    )
    axes.scatter(*cells.cluster_centers_.T, marker="+", s=22, color=MUTED, linewidth=0.9)
    near = Euclidean().nearest(QUERY[None], cells.cluster_centers_, 2).positions[0]
    return np.flatnonzero(np.isin(cells.labels_, near))


def search_graph(axes: Axes, x: np.ndarray) -> set[int]:
    """Rows compared on the way from one node to the nearest, first along the long links of few nodes."""
    at, compared = 0, {0}
    for rows, color, width in ((np.arange(0, COUNT, 15), MUTED, 0.7), (np.arange(COUNT), FAINT, 0.6)):
        near = rows[Euclidean().nearest(x[rows], x[rows], 5).positions[:, 1:]]
        links: dict[int, set[int]] = {int(row): set() for row in rows}
        for row, others in zip(rows.tolist(), near.tolist(), strict=True):
            for other in others:
                links[row].add(other)
                links[other].add(row)
        pairs = [(x[row], x[other]) for row, others in links.items() for other in others if row < other]
        draw_lines(axes, pairs, color, width)
        while True:
            compared |= links[at]
            best = min(links[at], key=lambda row: np.linalg.norm(x[row] - QUERY))
            if np.linalg.norm(x[best] - QUERY) >= np.linalg.norm(x[at] - QUERY):
                break
            axes.annotate("", x[best], x[at], arrowprops={"arrowstyle": "->", "color": BLUE, "linewidth": 2}, zorder=5)
            at = best
    return compared
