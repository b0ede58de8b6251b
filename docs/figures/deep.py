"""Which points are near, by what was learned: nothing, weights of features, thresholds, or a network."""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from docs.figures.drawing import BLUE, GREEN, INK, ORANGE, WIDTH, Words, without_axes
from semelha.deep import MetricLayer
from semelha.deep.losses import InfoNCE
from semelha.linear import BoostedSimilarity, RankSVM
from semelha.metrics import Cosine, Euclidean

WORDS = {
    "en": {
        "nothing": "Euclidean",
        "ranksvm": "RankSVM",
        "boosting": "AdaBoost",
        "network": "network and metric layer",
    },
    "pt-BR": {
        "nothing": "euclidiana",
        "ranksvm": "RankSVM",
        "boosting": "AdaBoost",
        "network": "rede e camada de métrica",
    },
}
NEAREST = (20, 60)  # a curve encloses so many points


def draw(words: Words) -> Figure:
    x, y = points()
    maps = {
        "nothing": lambda rows: rows,
        "ranksvm": RankSVM().fit(x, y).transform,
        "boosting": BoostedSimilarity(n_rounds=60).fit(x, y).transform,
        "network": network(x, y),
    }
    query = np.array([[-0.48, 0.05]])
    across, up = np.meshgrid(np.linspace(-2.1, 2.1, 85), np.linspace(-1.5, 1.5, 61))
    grid = np.stack([across.ravel(), up.ravel()], axis=1)
    figure = Figure((WIDTH, 4.2), layout="constrained")
    for axes, (name, transform) in zip(figure.subplots(2, 2).ravel(), maps.items(), strict=True):
        of_points, of_grid = (Euclidean().pairwise(transform(query), transform(rows))[0] for rows in (x, grid))
        for label, color in ((0, BLUE), (1, ORANGE)):
            axes.scatter(*x[y == label].T, s=7, color=color)
        levels = np.sort(of_points)[list(NEAREST)] + 1e-6
        axes.contour(across, up, of_grid.reshape(across.shape), levels, colors=GREEN, linewidths=1.5)
        axes.plot(*query[0], marker="*", color=INK, markersize=11)
        without_axes(axes).set(aspect="equal", title=words[name], xlim=(-2.1, 2.1), ylim=(-1.5, 1.5))
    return figure


def points() -> tuple[np.ndarray, np.ndarray]:
    """Two bent classes, one around the other: (n, 2), (n,)."""
    random = np.random.default_rng(0)
    y = np.repeat([0, 1], 80)
    angle = random.uniform(0, np.pi, 160) + np.pi * y
    x = np.stack([np.cos(angle) - 0.5 + y, 1.1 * np.sin(angle) - 0.25 + 0.5 * y], axis=1)
    return x + random.normal(scale=0.1, size=x.shape), y


def network(x: np.ndarray, y: np.ndarray):
    """A function from points to unit vectors, learned with InfoNCE."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 8), MetricLayer(Cosine()))
    loss, optimizer = InfoNCE(temperature=0.3), torch.optim.Adam(net.parameters(), lr=0.02)
    rows, labels = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    for _ in range(150):
        optimizer.zero_grad()
        loss(net(rows), labels).backward()
        optimizer.step()
    return lambda points: net(torch.tensor(points, dtype=torch.float32)).detach().numpy()
