"""Curves of equal distance: of vectors in the plane, and of histograms of three bins."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.figures.drawing import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, WIDTH, Words, without_axes
from semelha.linear import RCA
from semelha.metrics import Euclidean, KullbackLeibler, Mahalanobis, Matusita, Metric, ReverseKullbackLeibler

WORDS = {
    "en": {
        "euclidean": "Euclidean",
        "mahalanobis": "Mahalanobis, learned",
        "roots": "Matusita,\nBhattacharyya",
        "kullback": "Kullback–Leibler,\nKL(q‖s)",
        "reverse": "Kullback–Leibler,\nKL(s‖q)",
    },
    "pt-BR": {
        "euclidean": "euclidiana",
        "mahalanobis": "Mahalanobis, aprendida",
        "roots": "Matusita,\nBhattacharyya",
        "kullback": "Kullback–Leibler,\nKL(q‖s)",
        "reverse": "Kullback–Leibler,\nKL(s‖q)",
    },
}
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])  # of the triangle of all histograms of three bins
QUERY = np.array([[0.6, 0.28, 0.12]])


def draw(words: Words) -> Figure:
    figure = Figure((WIDTH, 4.4), layout="constrained")
    axes = figure.subplot_mosaic(
        [["euclidean"] * 3 + ["mahalanobis"] * 3, ["roots"] * 2 + ["kullback"] * 2 + ["reverse"] * 2]
    )
    x, y = classes()
    learned = Mahalanobis(L=RCA().fit(x, y).components_)
    for name, metric, levels in (("euclidean", Euclidean(), (1, 2, 3)), ("mahalanobis", learned, (2, 4, 6))):
        _in_the_plane(axes[name], metric, x, y, levels)
        axes[name].set_title(words[name])
    for name, of_histograms in (
        ("roots", Matusita()),
        ("kullback", KullbackLeibler()),
        ("reverse", ReverseKullbackLeibler()),
    ):
        _in_the_triangle(axes[name], of_histograms)
        axes[name].set_title(words[name])
    return figure


def classes() -> tuple[np.ndarray, np.ndarray]:
    """Two elongated classes, side by side: (n, 2), (n,)."""
    random = np.random.default_rng(2)
    spread = np.array([[1.5, 1.2], [0.0, 0.35]])
    y = np.repeat([0, 1], 40)
    return random.normal(size=(80, 2)) @ spread + np.array([[0.9, -0.9], [-0.9, 0.9]])[y], y


def _in_the_plane(axes: Axes, metric: Metric, x: np.ndarray, y: np.ndarray, levels: tuple[int, ...]) -> None:
    for label, color in ((0, BLUE), (1, ORANGE)):
        axes.scatter(*x[y == label].T, s=9, color=color)
    across, down = np.meshgrid(np.linspace(-4.6, 4.6, 61), np.linspace(-3.6, 3.6, 49))
    grid = np.stack([across.ravel(), down.ravel()], axis=1)
    query = np.array([[0.6, -0.6]])
    axes.contour(across, down, metric.pairwise(query, grid).reshape(across.shape), levels, colors=GREEN, linewidths=1.4)
    axes.plot(*query[0], marker="*", color=INK, markersize=11)
    without_axes(axes).set(aspect="equal", xlim=(-4.6, 4.6), ylim=(-3.6, 3.6))


def _in_the_triangle(axes: Axes, metric: Metric) -> None:
    """Curves through the histograms that lie 0.12, 0.24, … from the query in its first bin."""
    side = np.linspace(0.004, 0.992, 60)
    first, second = (part.ravel() for part in np.meshgrid(side, side))
    inside = first + second < 0.997
    histograms = np.stack([first, second, 1 - first - second], axis=1)[inside]
    through = QUERY + np.outer([0.12, 0.24, 0.36, 0.48], [-1, 0.2, 0.8])
    levels = metric.pairwise(QUERY, through)[0]
    points = histograms @ CORNERS
    axes.tricontour(*points.T, metric.pairwise(QUERY, histograms)[0], levels, colors=GREEN, linewidths=1.4)
    axes.fill(*CORNERS.T, facecolor="none", edgecolor=FAINT, linewidth=1.2)
    axes.plot(*(QUERY @ CORNERS)[0], marker="*", color=INK, markersize=10)
    for corner, name, where in zip(CORNERS, "123", ((-8, -4), (8, -4), (0, 6)), strict=True):
        axes.annotate(name, corner, where, textcoords="offset points", color=MUTED, ha="center", va="center")
    without_axes(axes).set(aspect="equal", xlim=(-0.1, 1.1), ylim=(-0.06, 0.98))
