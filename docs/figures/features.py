"""First-order statistics forget where pixels are; a convolution does not."""

import numpy as np
from matplotlib.figure import Figure
from scipy.signal import correlate2d

import semelha
from docs.figures.drawing import BLUE, FAINT, WIDTH, Words, powers_of_ten, without_axes
from semelha.features import FirstOrder

WORDS = {
    "en": {
        "picture": "picture",
        "shuffled": "shuffled pixels",
        "histogram": "histogram of both",
        "edges": "convolution of both with a 3 × 3 kernel",
        "mean": "mean",
        "entropy": "entropy",
        "levels": "intensity",
    },
    "pt-BR": {
        "picture": "imagem",
        "shuffled": "pixels embaralhados",
        "histogram": "histograma das duas",
        "edges": "convolução das duas com um núcleo 3 × 3",
        "mean": "média",
        "entropy": "entropia",
        "levels": "intensidade",
    },
}
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def draw(words: Words) -> Figure:
    picture = next(p for p in semelha.glyphs(["Hebrew"], size=48) if p.label == "Hebrew/U+05D0").source
    shuffled = np.random.default_rng(0).permutation(picture.ravel()).reshape(picture.shape)
    statistics = FirstOrder(statistics=["mean", "entropy"])
    both = statistics.batch(np.repeat(np.stack([picture, shuffled])[..., None], 3, axis=3))  # (2, 2)
    assert (both[0] == both[1]).all()

    figure = Figure((WIDTH, 3.5), layout="constrained")
    axes = figure.subplot_mosaic([["a", "b", "h"], ["c", "d", "h"]], width_ratios=[1, 1, 0.9])
    for name, pixels in (("a", picture), ("b", shuffled)):
        axes[name].imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="none")
    for name, pixels in (("c", picture), ("d", shuffled)):
        found = correlate2d(pixels.astype(float), SOBEL, mode="valid")
        axes[name].imshow(found, cmap="RdBu", vmin=-1020, vmax=1020, interpolation="none")
    for name in "abcd":
        without_axes(axes[name]).spines[:].set(visible=True, color=FAINT)
    axes["a"].set_title(words["picture"])
    axes["b"].set_title(words["shuffled"])
    axes["c"].set_title(words["edges"], loc="left").set_in_layout(False)
    counts, edges = np.histogram(picture, bins=16, range=(0, 256))
    axes["h"].bar(edges[:-1], counts, width=14, align="edge", color=BLUE)
    axes["h"].set(yscale="log", xlabel=words["levels"], ylim=(1, 2e4), xticks=[0, 128, 255], title=words["histogram"])
    powers_of_ten(axes["h"].yaxis)
    axes["h"].text(
        0.1,
        0.99,
        f"{words['mean']} {both[0, 0]:.0f}\n{words['entropy']} {both[0, 1]:.2f}",
        va="top",
        transform=axes["h"].transAxes,
    )
    return figure
