"""How many pictures a second a network learns from on this machine, measured before a training."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import numpy as np
import torch
from lightning.fabric import Fabric

from semelha.deep.network import EmbeddingNet
from semelha.deep.optimizer import freeze

PASSES = 10
"""Over the pictures, that a training within a pretrained network should have at least."""
FROZEN = (0.6, 0.8)
"""Parts of the layers that may stay as they are."""
BATCH = 32
STEPS = 3


def least_frozen(
    network: EmbeddingNet, shape: tuple[int, ...], *, pictures: int, seconds: float, fabric: Fabric
) -> tuple[float | None, float]:
    """The smallest part of the layers to freeze with which `PASSES` over so many pictures fit into the seconds.

    None if none does. And the pictures a second that were measured with it, or with the largest part. Raises
    `BackboneError` if timm does not know the layers.
    """
    rate = 0.0
    for part in FROZEN:
        partly = copy.deepcopy(network)
        freeze(partly, part)
        rate, _ = measure_throughput(partly, shape, fabric)
        if rate * seconds >= PASSES * pictures:
            return part, rate
    return None, rate


def describe_rate(rate: float, pictures: int, seconds: float) -> str:
    """Such as "this machine learns from 25 pictures a second, which is 4.1 passes over the pictures in 3.0 minutes"."""
    return (
        f"this machine learns from {rate:.0f} pictures a second, which is {rate * seconds / pictures:.1f} passes over "
        f"the pictures in {seconds / 60:.1f} minutes"
    )


def measure_throughput(network: EmbeddingNet, shape: tuple[int, ...], fabric: Fabric) -> tuple[float, float]:
    """Pictures a second, of learning and of embedding, by a few batches of random pixels of a shape.

    The network itself does not change. What is frozen stays so.
    """
    trained = copy.deepcopy(network).to(fabric.device).to(memory_format=torch.channels_last)
    random = np.random.default_rng(0)
    pixels = torch.from_numpy(random.integers(0, 256, (BATCH, *shape), np.uint8)).to(fabric.device).float()
    pixels = pixels.contiguous(memory_format=torch.channels_last)

    def learn() -> None:
        with fabric.autocast():
            loss = trained.train()(pixels).square().sum()
        if loss.requires_grad:
            loss.backward()

    def embed() -> None:
        with torch.inference_mode(), fabric.autocast():
            trained.eval()(pixels)

    return _rate(learn, fabric.device), _rate(embed, fabric.device)


def _rate(step: Callable[[], None], device: torch.device) -> float:
    """Pictures a second; the first step is not counted."""
    times = []
    for _ in range(1 + STEPS):
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return BATCH / float(np.median(times[1:]))
