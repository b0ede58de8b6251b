"""Two views of each picture, and which other pictures count at a temperature."""

import numpy as np
import torch
from matplotlib.figure import Figure

import semelha
from docs.figures.drawing import BLUE, FAINT, GREEN, ORANGE, WIDTH, Words, without_axes
from semelha.deep import Augmentation

WORDS = {
    "en": {
        "picture": "picture",
        "first": "view 1",
        "second": "view 2",
        "similarity": "cosine similarity of a negative to the query",
        "weight": "weight in the gradient",
    },
    "pt-BR": {
        "picture": "imagem",
        "first": "vista 1",
        "second": "vista 2",
        "similarity": "similaridade de cosseno entre negativo e consulta",
        "weight": "peso no gradiente",
    },
}
SHOWN = 6


def draw(words: Words) -> Figure:
    figure = Figure((WIDTH, 5.0), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1.15, 1])
    pictures = [picture.source for picture in semelha.glyphs(["Georgian"], size=64)][::95][:SHOWN]
    batch = torch.tensor(np.stack(pictures))[:, None]
    change = Augmentation(rotate=25, shear=0.3, stretch=0.25, elastic=0.03, translate=0.1)
    views = [change(batch, torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    rows = above.subplots(3, SHOWN)
    for axes, name, images in zip(rows, ("picture", "first", "second"), (batch, *views), strict=True):
        axes[0].set_ylabel(words[name], rotation=0, ha="right", va="center")
        for one, image in zip(axes, images, strict=True):
            one.imshow(image[0].float().numpy(), cmap="gray", vmin=0, vmax=255, interpolation="none")
            without_axes(one).spines[:].set(visible=True, color=FAINT)

    axes = below.subplots()
    similarities = torch.linspace(-1, 1, 201)
    for temperature, color in ((1.0, GREEN), (0.2, BLUE), (0.07, ORANGE)):
        weights = torch.softmax(similarities / temperature, dim=0)
        axes.plot(similarities, weights / weights.max(), color=color, linewidth=2, label=f"τ = {temperature:g}")
    axes.set(xlabel=words["similarity"], ylabel=words["weight"], xlim=(-1, 1), ylim=(0, 1.03))
    axes.legend(loc="upper left")
    return figure
