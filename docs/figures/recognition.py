"""Probes and their nearest enrolled pictures: right, wrong, and not enrolled."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import semelha
from docs.figures.drawing import FAINT, GREEN, RED, WIDTH, Words, without_axes
from semelha.features import RawPixels
from semelha.metrics import Euclidean

WORDS = {
    "en": {
        "probe": "probe",
        "nearest": "nearest pictures, with distances",
        "right": "right",
        "wrong": "wrong",
        "unknown": "not\nenrolled",
    },
    "pt-BR": {
        "probe": "consulta",
        "nearest": "as mais próximas e suas distâncias",
        "right": "certa",
        "wrong": "errada",
        "unknown": "não\ncadastrada",
    },
}
SHOWN = 4


def draw(words: Words) -> Figure:
    dataset = semelha.glyphs(["Armenian"], size=32)
    pictures = np.stack([picture.source for picture in dataset])
    vectors = RawPixels((32, 32)).batch(np.repeat(pictures[..., None], 3, axis=3))
    labels = dataset.labels
    reference = np.array([picture.name.startswith("DejaVu Sans/") for picture in dataset])
    gallery, probes = np.flatnonzero(reference), np.flatnonzero(~reference)
    found = Euclidean().nearest(vectors[probes], vectors[gallery], SHOWN)
    names = labels[gallery[found.positions]]  # (probes, SHOWN)
    is_right = names[:, 0] == labels[probes]
    right = np.flatnonzero(is_right)[40]
    second = np.flatnonzero(~is_right & (names[:, 1] == labels[probes]))[12]
    left_out = np.flatnonzero(is_right)[200]  # its subject is removed from the gallery

    figure = Figure((WIDTH, 3.2))
    axes = figure.subplots(3, SHOWN + 2, width_ratios=[1.45] + [1] * (SHOWN + 1))
    figure.subplots_adjust(left=0, right=0.995, top=0.92, bottom=0.07, hspace=0.35)
    for row, (probe, answer, color) in enumerate(
        ((right, "right", GREEN), (second, "wrong", RED), (left_out, "unknown", RED))
    ):
        rows = gallery[labels[gallery] != labels[probes[probe]]] if answer == "unknown" else gallery
        near = Euclidean().nearest(vectors[probes[probe]][None], vectors[rows], SHOWN)
        without_axes(axes[row, 0]).text(0.95, 0.5, words[answer], ha="right", va="center")
        _show(axes[row, 1], pictures[probes[probe]], "", FAINT)
        for place, (position, distance) in enumerate(zip(near.positions[0], near.distances[0], strict=True)):
            _show(axes[row, place + 2], pictures[rows[position]], f"{distance:.1f}", FAINT if place else color)
    axes[0, 1].set_title(words["probe"])
    axes[0, 2].set_title(words["nearest"], loc="left")
    return figure


def _show(axes: Axes, picture: NDArray[np.uint8], below: str, color: str) -> None:
    without_axes(axes).imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.spines[:].set(visible=True, color=color, linewidth=1.8)
    axes.set_xlabel(below, labelpad=2)
