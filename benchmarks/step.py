"""What a training step costs beside the bare network, and beside a plain PyTorch loop of the same network.

    python benchmarks/step.py [--steps 100] [--compile] [--device cuda]

The default network and recipe on grey 48-pixel pictures, 256 a batch. One process, a step of each after another, so
that whatever else the machine does meets all alike: (a) forward and backward alone of the very batches that our loop
has made, (b) our whole loop with cache, sampler, augmentation, loss, optimizer, moving average and log, (c) a plain
loop that reads the same pictures through `torch.utils.data.DataLoader`, augments with kornia and has the same loss.
With `--compile`, what `torch.compile` makes of (a), too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import kornia.augmentation as K
import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import semelha
from _results import table, write_section
from semelha.deep import Augmentation, EmbeddingNet, Network, Recipe, TrainingProgress, build
from semelha.deep.cache import PictureSubset
from semelha.deep.loop import fit
from semelha.deep.recipe import pairs_and_proxies
from semelha.deep.train import default_fabric
from semelha.images import fit as fit_picture

BATCH, SIDE, UNCOUNTED = 256, 48, 8
ALONE, OURS, PLAIN, COMPILED = "network alone", "semelha", "plain loop", "network alone, compiled"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    arguments = parser.parse_args()
    part, fabric = pictures(), default_fabric(arguments.device)
    seconds = side_by_side(part, arguments.steps, fabric, compiled=arguments.compile)
    per_picture = {name: np.array(times)[UNCOUNTED:] for name, times in seconds.items()}
    median = {name: float(np.median(values)) for name, values in per_picture.items()}
    rows = [[name, 1 / median[name], 1000 * BATCH * median[name], median[ALONE] / median[name]] for name in median]
    ratio = per_picture[ALONE] / per_picture[OURS]
    low, high = np.quantile(ratio, [0.25, 0.75])
    body = (
        f"Default network and recipe, {BATCH} grey pictures of {SIDE} × {SIDE} a step; median of {arguments.steps} "
        "steps, one of each loop after another. The network alone is forward and backward of the batches that our loop "
        "had made.\n\n"
        + table(["loop", "images/s", "ms for 256", "of the bare network's throughput"], rows)
        + f"\n\nsemelha beside the bare network, step by step: median {np.median(ratio):.3f}, half of them between "
        f"{low:.3f} and {high:.3f}. semelha : plain loop = {median[PLAIN] / median[OURS]:.2f} in images/s. "
        f"Augmentation of one batch: {augmentations(part)}."
    )
    write_section("Training step", body)


def side_by_side(part: PictureSubset, steps: int, fabric: Fabric, *, compiled: bool) -> dict[str, list[float]]:
    """Seconds a picture of each step: of our loop, and of the others, which take theirs while it waits."""
    seconds: dict[str, list[float]] = {ALONE: [], OURS: [], PLAIN: []}
    last: list[Tensor] = []
    network = fresh()
    network.register_forward_pre_hook(lambda module, given: last.__setitem__(slice(None), given))
    alone, plain = network_alone(fresh(), fabric), plain_loop(part, fabric)
    fast: Callable[[Tensor], None] | None = None
    if compiled:
        seconds[COMPILED] = []
        fused = fresh()
        fused.backbone.compile()
        fast = network_alone(fused, fabric)
    resumed = 0.0

    def callback(progress: TrainingProgress) -> None:
        nonlocal resumed
        (pixels,) = last
        seconds[OURS].append((time.perf_counter() - resumed) / len(pixels))
        seconds[ALONE].append(timed(lambda: alone(pixels)) / len(pixels))
        seconds[PLAIN].append(timed(plain) / BATCH)
        if fast is not None:
            seconds[COMPILED].append(timed(lambda: fast(pixels)) / len(pixels))
        resumed = time.perf_counter()

    recipe = replace(
        Recipe(quarter_turns=True, augmentation=Augmentation(elastic=0.02)),
        steps=steps + UNCOUNTED,
        minutes=float("inf"),
        warmup=UNCOUNTED / (steps + UNCOUNTED),  # look-alikes come after it
    )
    with tempfile.TemporaryDirectory() as folder:
        fit(
            network,
            part,
            None,
            recipe,
            fabric=fabric,
            folder=Path(folder),
            plan="benchmark",
            seed=0,
            resume=False,
            callback=callback,
        )
    return seconds


def pictures() -> PictureSubset:
    glyphs = semelha.glyphs(["Greek", "Cyrillic"], size=64)
    pixels = np.stack([fit_picture(p.pixels(), (SIDE, SIDE), channels=1).transpose(2, 0, 1) for p in glyphs])
    labels, classes = np.unique(glyphs.labels, return_inverse=True)
    return PictureSubset(pixels, np.arange(len(pixels)), classes, tuple(map(str, labels)))


def fresh() -> EmbeddingNet:
    network = build(Network(channels=1, size=SIDE, pooling="grid"), seed=0)
    network.to(memory_format=torch.channels_last)
    return network


def network_alone(network: nn.Module, fabric: Fabric) -> Callable[[Tensor], None]:
    """Forward and backward of a batch."""
    network = fabric.setup(network)
    toward = torch.randn(256, generator=torch.Generator().manual_seed(0)).to(fabric.device)

    def step(pixels: Tensor) -> None:
        network.zero_grad(set_to_none=True)
        fabric.backward((network(pixels) @ toward).sum())

    return step


def plain_loop(part: PictureSubset, fabric: Fabric) -> Callable[[], None]:
    """A step as it is written everywhere."""
    network = fresh().to(fabric.device)
    augment = nn.Sequential(
        K.RandomAffine(15, translate=(0.08, 0.08), scale=(0.85, 1.15), shear=10, p=1.0, padding_mode="border"),
        K.RandomElasticTransform(p=1.0),
    )
    loss_function = pairs_and_proxies(np.bincount(part.classes), 256).to(fabric.device)
    parameters = [*network.parameters(), *loss_function.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    pixels, classes = torch.from_numpy(np.asarray(part.pixels)), torch.from_numpy(part.classes)
    loader = DataLoader(TensorDataset(pixels, classes), batch_size=BATCH, shuffle=True, drop_last=True)
    batches = iter(loader)

    def step() -> None:
        nonlocal batches
        try:
            x, y = next(batches)
        except StopIteration:
            batches = iter(loader)
            x, y = next(batches)
        x, y = x.to(fabric.device), y.to(fabric.device)
        x = augment(x.float() / 255) * 255
        with fabric.autocast():
            embeddings = network(x.contiguous(memory_format=torch.channels_last))
        loss = loss_function(embeddings, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()

    return step


def augmentations(part: PictureSubset) -> str:
    """Milliseconds for the same changes: ours, and kornia's."""
    x = torch.from_numpy(part.pixels[:BATCH].copy())
    generator, own = torch.Generator().manual_seed(0), Augmentation(elastic=0.02)
    theirs = nn.Sequential(
        K.RandomAffine(10, translate=(0.08, 0.08), scale=(0.85, 1.15), shear=8, p=1.0, padding_mode="border"),
        K.RandomElasticTransform(p=1.0),
    )
    first = np.median([timed(lambda: own(x, generator)) for _ in range(25)][5:])
    second = np.median([timed(lambda: theirs(x.float() / 255)) for _ in range(25)][5:])
    return f"ours {1000 * first:.1f} ms, kornia {1000 * second:.1f} ms"


def timed(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
