"""The batches of a training step: choice of pictures, share of each process, and augmented views."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from semelha.deep.augment import quarter_turns
from semelha.deep.cache import PictureSubset
from semelha.deep.checkpoint import TrainingState
from semelha.deep.distributed import ProcessGroup
from semelha.deep.domains import with_photo_like
from semelha.deep.frozen import FeatureSubset
from semelha.deep.recipe import Recipe
from semelha.deep.sampler import Batch, Sampler
from semelha.errors import UsageError


def next_batch(sampler: Sampler, number: int, state: TrainingState, done: float, recipe: Recipe, seed: int) -> Batch:
    """Batch `number`: after the warm-up at random one of look-alikes, otherwise the next regular one."""
    warm = done >= recipe.warmup and state.regular_batches > 0
    if warm and np.random.default_rng([seed, 4, number]).random() < recipe.lookalikes:
        return sampler.lookalikes(number, state.class_means.numpy())
    state.regular_batches += 1
    return sampler.batch(state.regular_batches - 1)


def process_share(batch: Batch, processes: ProcessGroup, shards: int = 1) -> Batch:
    """The share of this process: an equal number of rows, or those of its shards.

    Raises `UsageError` if a process would have fewer than two pictures.
    """
    if batch.shards is not None:
        own = processes.share(shards)
        return batch.part(slice(*np.searchsorted(batch.shards, [own.start, own.stop])))
    if len(batch) < 2 * processes.size:
        raise UsageError(
            f"a batch has {len(batch)} pictures, too few for {processes.size} processes: take fewer processes or "
            "larger batches"
        )
    return batch.part(processes.share(len(batch)))


def augmented_views(
    batch: Batch,
    training: PictureSubset,
    views: int,
    recipe: Recipe,
    device: torch.device,
    seed: list[int],
    *,
    coarse: bool,
) -> Tensor:
    """`views` augmented copies of the batch, on the device: (views · batch, channels, side, side).

    With `coarse`, at two thirds of the side. Of a `FeatureSubset`, the features of views: (views · batch, features).
    """
    if isinstance(training, FeatureSubset):
        return training.drawn(batch, views, seed).to(device)
    fitted = training.read(batch.pictures)
    if training.clean is not None:
        fitted = with_photo_like(fitted, training.clean[batch.pictures], seed)
    raw = torch.from_numpy(fitted).to(device)
    turned = quarter_turns(raw, torch.from_numpy(batch.turns).to(device)).repeat(views, 1, 1, 1)
    pixels = recipe.augmentation(turned, torch.Generator(device).manual_seed(_as_integer(seed)))
    if coarse:
        pixels = F.interpolate(pixels, scale_factor=2 / 3, mode="bilinear", antialias=True)
    return pixels.contiguous(memory_format=torch.channels_last)


def update_class_means(means: Tensor, embeddings: Tensor, targets: Tensor) -> None:
    """Move the mean of each class halfway to its mean in the batch, and normalize it."""
    classes, where = torch.unique(targets, return_inverse=True)
    new = torch.zeros(len(classes), means.shape[1]).index_add_(0, where, embeddings)
    means[classes] = F.normalize(means[classes] + F.normalize(new, dim=1), dim=1)


@contextmanager
def seeded(seed: list[int], device: torch.device) -> Iterator[None]:
    """Seed torch's default generators inside, for the draws of network and loss, and restore them after it."""
    on_cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_cuda else []):
        # `torch.manual_seed` stores a stack trace for every unused kind of device at every call.
        torch.default_generator.manual_seed(_as_integer(seed))
        if on_cuda:
            torch.cuda.manual_seed(_as_integer(seed))
        yield


def _as_integer(seed: list[int]) -> int:
    return int(np.random.SeedSequence(seed).generate_state(1)[0])
