"""Axes of an embedding that are learned from features with a loss: a linear head on a frozen network."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from semelha.deep.domains import with_clean_pictures
from semelha.deep.losses import SupCon
from semelha.deep.sampler import MPerClass, Pool
from semelha.deep.stages import Axes

STEPS = 300
BATCH, PER_CLASS = 128, 4
LEARNING_RATE = 3e-3
TEMPERATURE = 0.1
RANK = 64
"""Of the change of the axes (as Hu et al., ICLR 2022)."""
PULL = 5.0
"""Weight of the mean squared change of an axis: few pictures do not determine a thousand axes."""


def trained_axes(
    features: NDArray[np.float32],
    labels: NDArray[Any],
    start: Axes,
    *,
    seed: int,
    clean: NDArray[np.bool_] | None = None,
) -> Axes:
    """Axes, such as `relevant_axes`, learned further by `SupCon` from features (n, width) and labels (n,).

    `clean` (n,) are pictures of a catalogue (`with_clean_pictures`).
    """
    mean, axes = start
    names, classes = np.unique(labels, return_inverse=True)
    x = torch.from_numpy((features - mean) @ axes)
    x = x / x.norm(dim=1).mean()
    width = axes.shape[1]
    random = torch.Generator().manual_seed(seed)
    down = nn.Parameter(torch.randn(width, min(RANK, width), generator=random) / width**0.5)
    up = nn.Parameter(torch.zeros(min(RANK, width), width))
    pool = Pool(classes.astype(np.int64), tuple(map(str, names)))
    sampler = MPerClass(pool, batch=BATCH, per_class=PER_CLASS, seed=seed)
    loss = SupCon(temperature=TEMPERATURE)
    optimizer = torch.optim.AdamW([down, up], lr=LEARNING_RATE, weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for number in range(STEPS):
        batch = sampler.batch(number)
        if clean is not None:
            batch = with_clean_pictures(batch, pool.classes, clean, [seed, number])
        examples = x[torch.from_numpy(batch.pictures)]
        change = (down.T @ down * (up @ up.T)).sum()  # squared Frobenius norm of down @ up
        embeddings = examples + examples @ down @ up
        value = loss(embeddings, torch.from_numpy(batch.targets)) + PULL * change / width
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
    return mean, np.ascontiguousarray(axes + axes @ (down @ up).detach().numpy())
