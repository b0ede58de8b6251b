"""Distillation: a network learns the similarities that a teacher model gives between the pictures of a batch.

One network then replaces a teacher that is too slow to use, such as an ensemble of several views.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from semelha.embedders import Extractor, Model, embed_pictures
from semelha.errors import PictureError, TrainingError
from semelha.images import Dataset, Progress


def embed_turns(
    teacher: Model, dataset: Dataset, turns: int, *, batch_size: int = 256, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Embeddings by the teacher of each picture in `turns` counter-clockwise quarter turns: (turns, pictures, d).

    They have norm 1. Raises `TrainingError` for a picture that cannot be read.
    """
    out = np.empty((turns, len(dataset), teacher.dim), np.float32)
    turned = _QuarterTurns(teacher.extractor, turns)
    for number, each in enumerate(embed_pictures(turned, dataset, batch_size=batch_size, progress=progress)):
        if isinstance(each, PictureError):
            raise TrainingError(f"{dataset.pictures[number].name} can no longer be read: {each}")
        out[:, number] = each.vector.reshape(turns, teacher.dim)
    out /= np.maximum(np.linalg.norm(out, axis=2, keepdims=True), np.finfo(np.float32).tiny)
    return out


class _QuarterTurns:
    """An extractor whose vector of a picture is made of those of its quarter turns: (turns · dim,)."""

    def __init__(self, extractor: Extractor, turns: int) -> None:
        self.side = extractor.side
        self._extractor, self._turns = extractor, turns

    def prepare(self, image: Image.Image) -> NDArray[Any]:
        return np.stack([self._extractor.prepare(image.rotate(90 * turn, expand=True)) for turn in range(self._turns)])

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """(n, turns, …) → (n, turns · dim)."""
        return np.concatenate([self._extractor.vectors(prepared[:, turn]) for turn in range(self._turns)], axis=1)


def with_distillation(
    loss: Callable[[Tensor, Tensor], Tensor], by_teacher: Tensor | None, weight: float
) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss plus the weighted distillation loss; `by_teacher` is (batch, d), or None without a teacher."""
    if by_teacher is None:
        return loss
    return lambda embeddings, labels: loss(embeddings, labels) + weight * distillation_loss(embeddings, by_teacher)


def distillation_loss(embeddings: Tensor, by_teacher: Tensor, temperature: float = 0.05) -> Tensor:
    """Difference of the similarities in a batch from the teacher's: (batch, dim), (batch, d), of norm 1 → scalar.

    For each picture, the similarities to all others become a distribution by a softmax. The loss is the mean
    Kullback–Leibler divergence from the teacher's (Fang et al., SEED, ICLR 2021, equation 4, within a batch).
    """
    mine, theirs = (_off_diagonal(x @ x.T) / temperature for x in (embeddings, by_teacher))
    return F.kl_div(mine.log_softmax(dim=1), theirs.log_softmax(dim=1), reduction="batchmean", log_target=True)


def _off_diagonal(square: Tensor) -> Tensor:
    """(n, n) → (n, n − 1): each row without its diagonal element."""
    n = len(square)
    return square.flatten()[1:].view(n - 1, n + 1)[:, :-1].reshape(n, n - 1)
