"""Cross-entropy over the classes of training: plain, and on the sphere with a margin."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semelha.deep.losses.margins import NoMargin, SoftmaxMargin
from semelha.deep.losses.sphere import at_least_float32, cosines, unit
from semelha.errors import UsageError


class CrossEntropy(nn.Module):
    """Softmax cross-entropy of a linear classifier on the embeddings as they are: the baseline.

    Embeddings (batch, dim); labels (batch,) int64 in 0..classes − 1.

    Parameters
    ----------
    classes, dim : int
    """

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(dim, classes)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(embeddings.device.type, enabled=False):
            logits = self.classifier(at_least_float32(embeddings))  # (batch, classes)
        return F.cross_entropy(logits, labels)


class MarginSoftmax(nn.Module):
    """Softmax over scale · cos(embedding, proxy of the class), the right class with a margin.

    Embeddings (batch, dim) of any length, and the proxies, are put on the unit sphere here; labels (batch,)
    int64 in 0..classes − 1.

    Parameters
    ----------
    classes, dim : int
    margin : SoftmaxMargin
        `NoMargin()`, `CosFace(m)`, `ArcFace(m)` or `SphereFace(m)`.
    scale : float
        Inverse temperature; `adacos_scale(classes)` is the fixed one of AdaCos.
    centers : int
        Proxies of each class, of which the nearest counts (sub-center ArcFace: Deng et al., ECCV 2020, equation 3).
    margins : sequence of float, optional
        For each class in place of the margin's own m, such as `dynamic_margins(pictures)`.
    """

    margins: Tensor | None

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        margin: SoftmaxMargin,
        scale: float = 30.0,
        centers: int = 1,
        margins: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if margins is not None and len(margins) != classes:
            raise UsageError(f"there are margins for {len(margins)} classes, and {classes} classes")
        self.proxies = nn.Parameter(torch.randn(classes, centers, dim))
        self.register_buffer("margins", None if margins is None else torch.tensor(margins))
        self.margin = margin
        self.scale = scale

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        classes, centers, dim = self.proxies.shape
        cosine = cosines(unit(embeddings), unit(self.proxies).view(-1, dim))  # (batch, classes · centers)
        if centers > 1:
            cosine = cosine.view(-1, classes, centers).max(dim=2).values  # (batch, classes)
        if isinstance(self.margin, NoMargin) and self.margins is None:  # nothing to take out and put back
            return F.cross_entropy(self.scale * cosine, labels)
        right = cosine.gather(1, labels[:, None])  # (batch, 1)
        m = None if self.margins is None else self.margins[labels][:, None]
        return F.cross_entropy(self.scale * cosine.scatter(1, labels[:, None], self.margin(right, m)), labels)
