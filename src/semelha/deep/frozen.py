"""Training what stands behind a frozen backbone: the features of several views of each picture are computed once.

A step then takes milliseconds, where one through the backbone takes a second.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from semelha.deep.cache import PictureSubset
from semelha.deep.domains import with_photo_like
from semelha.deep.export import in_onnx_runtime
from semelha.deep.network import EmbeddingNet
from semelha.deep.recipe import Recipe
from semelha.deep.sampler import Batch
from semelha.embedders import InputSpec
from semelha.errors import BackboneError, TrainingError
from semelha.files import atomic_write, write_file

logger = logging.getLogger(__name__)

MAX_VIEWS = 4
SHARE = 1 / 3
"""Of the minutes, for the features; the picture itself and one view more are computed in any case."""
BATCH = 16

Features = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""(n, channels, size, size) → (n, features)."""
Views = tuple[NDArray[np.float16], ...]
"""Features of all pictures, (pictures, features) for each view, memory-mapped; the first is of them as they are."""
TrainedParts = tuple[EmbeddingNet, PictureSubset, PictureSubset | None, Recipe]
"""Network, pictures to learn from, those for validation, and recipe."""


@dataclass(frozen=True, eq=False)
class FeatureSubset(PictureSubset):
    """Some pictures with the features of several views of each. In place of `pixels` are those of the first view."""

    views: Views = ()

    def drawn(self, batch: Batch, number: int, seed: list[int]) -> Tensor:
        """Features of `number` views of each picture of a batch, drawn at random: (number · batch, features)."""
        chosen = np.random.default_rng(seed).integers(len(self.views), size=number * len(batch))
        rows = np.tile(self.rows[batch.pictures], number)
        return torch.from_numpy(
            np.stack([self.views[view][row] for view, row in zip(chosen, rows, strict=True)])
        ).float()


def is_fixed_before_head(network: EmbeddingNet, recipe: Recipe) -> bool:
    """Whether a training changes nothing before the head, and has all pictures as they are in each process."""
    before = (*network.backbone.parameters(), *network.pooling.parameters())
    is_frozen = not any(weight.requires_grad for weight in before)
    return is_frozen and recipe.method is None and recipe.shards == 1 and not recipe.quarter_turns


def on_features(
    network: EmbeddingNet,
    training: PictureSubset,
    validation: PictureSubset | None,
    recipe: Recipe,
    views: Views,
    *,
    spent: float = 0.0,
) -> TrainedParts:
    """The head of a network, which shares its weights, and all else that is needed to train it on features.

    `spent` seconds of the minutes were for the features; a third of the minutes is left for the head in any case.
    """
    head = copy.copy(network)
    head._modules = {**network._modules, **{name: nn.Identity() for name in ("normalize", "backbone", "pooling")}}
    head.frozen = ()
    validated = None if validation is None else replace(validation, pixels=views[0])
    minutes = max(SHARE * recipe.minutes, recipe.minutes - spent / 60)
    changed = replace(recipe, minutes=minutes, layer_decay=1.0, coarse=0.0, checkpoint=False, compile=False)
    return head, FeatureSubset(**{**vars(training), "pixels": views[0]}, views=views), validated, changed


def feature_views(
    network: EmbeddingNet,
    spec: InputSpec,
    pixels: NDArray[np.uint8],
    recipe: Recipe,
    *,
    folder: Path,
    key: str,
    device: torch.device,
    seed: int,
    clean: NDArray[np.bool_],
) -> Views:
    """The features of as many views of the pictures as the minutes allow: computed, or opened if they are in `folder`.

    `pixels` are all pictures, fitted; those that are `clean` may look like photos in a view (`with_photo_like`). `key`
    is all that their features depend on. Raises `TrainingError` if they cannot be written.
    """
    digest = hashlib.sha256(key.encode() + clean.tobytes()).hexdigest()[:16]
    finished = folder / f"views-{digest}"
    if not finished.exists():
        features = _features(network, spec, device)
        start = time.monotonic()
        for number in range(MAX_VIEWS):
            file = folder / f"view-{digest}-{number}.f16"
            if not file.exists():
                _write(file, features, pixels, recipe if number else None, device, clean, [seed, 13, number])
            spent = time.monotonic() - start
            if number and spent + spent / (number + 1) > 60 * SHARE * recipe.minutes:
                break
        write_file(finished, [], error=TrainingError)
    files = sorted(folder.glob(f"view-{digest}-*.f16"))
    return tuple(np.memmap(file, np.float16, "r").reshape(len(pixels), -1) for file in files)


class _BeforeHead(nn.Module):
    def __init__(self, network: EmbeddingNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network.features(pixels.float())


def _features(network: EmbeddingNet, spec: InputSpec, device: torch.device) -> Features:
    """What computes the features of a batch; on a processor by ONNX Runtime, which takes half of the time of torch."""
    fixed = _BeforeHead(copy.deepcopy(network)).to(device).eval()
    if device.type == "cpu":
        try:
            return in_onnx_runtime(fixed, spec, name="the frozen part").vectors
        except BackboneError as error:
            logger.info("%s: torch computes the features", error)

    def by_torch(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        batch = torch.from_numpy(pixels).to(device).contiguous(memory_format=torch.channels_last)
        found: NDArray[np.float32] = fixed(batch).float().cpu().numpy()
        return found

    return by_torch


def _write(
    file: Path,
    features: Features,
    pixels: NDArray[np.uint8],
    changed: Recipe | None,
    device: torch.device,
    clean: NDArray[np.bool_],
    seed: list[int],
) -> None:
    """Features of one view of all pictures: as they are, or augmented by a recipe."""
    generator = torch.Generator(device).manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
    with atomic_write(file, private=True, error=TrainingError) as out, torch.inference_mode():
        for first in range(0, len(pixels), BATCH):
            view = np.array(pixels[first : first + BATCH])
            if changed is not None:
                block = with_photo_like(view, clean[first : first + BATCH], [*seed, first])
                augmented = changed.augmentation(torch.from_numpy(block).to(device), generator)
                view = augmented.round().clamp(0, 255).to(torch.uint8).cpu().numpy()
            out.write(features(view).astype(np.float16).tobytes())
