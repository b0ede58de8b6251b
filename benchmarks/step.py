"""What a training step costs beside the network itself, and beside a plain PyTorch loop of the same network.

    python benchmarks/step.py [--steps 40] [--rounds 3]

The default network on grey 48-pixel pictures, 256 a batch. One process, interleaved: (a) forward, backward and
optimizer alone on a batch that lies ready, (b) our whole loop with cache, sampler, augmentation, loss, moving average
and log, (c) a plain loop that reads the same pictures through `torch.utils.data.DataLoader` and augments with kornia.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import kornia.augmentation as K
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import semelha
from _results import table, write_section
from semelha.deep import Augmentation, Network, Recipe, build
from semelha.deep.loop import Part, fit
from semelha.deep.losses import SupCon
from semelha.deep.train import default_fabric
from semelha.images import fit as fit_picture

BATCH, SIDE = 256, 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    part = pictures()
    seconds: dict[str, list[float]] = {"network alone": [], "semelha": [], "plain loop": []}
    for _ in range(arguments.rounds):
        seconds["network alone"].append(network_alone(part, arguments.steps))
        seconds["semelha"].append(ours(part, arguments.steps))
        seconds["plain loop"].append(plain(part, arguments.steps))
    median = {name: float(np.median(values)) for name, values in seconds.items()}
    whole = median["semelha"]
    rows = [
        [name, BATCH / median[name], 1000 * median[name], 100 * (1 - median["network alone"] / median[name])]
        for name in median
    ]
    overhead = sorted(1 - a / b for a, b in zip(seconds["network alone"], seconds["semelha"], strict=True))
    body = (
        f"Default network, {BATCH} grey pictures of {SIDE} × {SIDE} a step; median of {arguments.rounds} interleaved "
        f"rounds of {arguments.steps} steps.\n\n"
        + table(["loop", "images/s", "ms a step", "% of the step beside the network"], rows)
        + f"\n\nBeside the network, by round: {', '.join(f'{100 * value:.1f}%' for value in overhead)}. "
        f"semelha : plain loop = {median['plain loop'] / whole:.2f} in images/s. "
        f"Augmentation of one batch: {augmentations(part)}."
    )
    write_section("Training step", body)


def pictures() -> Part:
    glyphs = semelha.glyphs(["Greek", "Cyrillic"], size=64)
    pixels = np.stack([fit_picture(p.pixels(), (SIDE, SIDE), channels=1).transpose(2, 0, 1) for p in glyphs])
    labels, classes = np.unique(glyphs.labels, return_inverse=True)
    return Part(pixels, np.arange(len(pixels)), classes, tuple(map(str, labels)))


def fresh() -> nn.Module:
    return build(Network(channels=1, size=SIDE), seed=0).to(memory_format=torch.channels_last)


def network_alone(part: Part, steps: int) -> float:
    network, fabric = fresh(), default_fabric("cpu")
    network, optimizer = fabric.setup(network, torch.optim.AdamW(network.parameters(), lr=1e-3))
    pixels = torch.from_numpy(part.pixels[:BATCH].copy()).float().contiguous(memory_format=torch.channels_last)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(network(pixels).square().sum())
        optimizer.step()

    return timed(step, steps)


def ours(part: Part, steps: int) -> float:
    stamps: list[float] = []
    recipe = replace(
        Recipe(quarter_turns=True, augmentation=Augmentation(elastic=0.02)),
        steps=steps + 5,
        minutes=float("inf"),
    )
    with tempfile.TemporaryDirectory() as folder:
        fit(
            fresh(),
            part,
            None,
            recipe,
            fabric=default_fabric("cpu"),
            folder=Path(folder),
            plan="benchmark",
            seed=0,
            resume=False,
            watch=lambda moment: stamps.append(time.perf_counter()),
        )
    return float(np.median(np.diff(stamps[4:])))


def plain(part: Part, steps: int) -> float:
    network = fresh()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    augment = nn.Sequential(
        K.RandomAffine(15, translate=(0.08, 0.08), scale=(0.85, 1.15), shear=10, p=1.0, padding_mode="border"),
        K.RandomElasticTransform(p=1.0),
    )
    loss_function = SupCon(temperature=0.05)
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
        x = augment(x.float() / 255) * 255
        loss = loss_function(network(x.contiguous(memory_format=torch.channels_last)), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return timed(step, steps)


def augmentations(part: Part) -> str:
    """Milliseconds for the same changes: ours, and kornia's."""
    x = torch.from_numpy(part.pixels[:BATCH].copy())
    generator, own = torch.Generator().manual_seed(0), Augmentation(elastic=0.02)
    theirs = nn.Sequential(
        K.RandomAffine(10, translate=(0.08, 0.08), scale=(0.85, 1.15), shear=8, p=1.0, padding_mode="border"),
        K.RandomElasticTransform(p=1.0),
    )
    first = timed(lambda: own(x, generator), 20)
    second = timed(lambda: theirs(x.float() / 255), 20)
    return f"ours {1000 * first:.1f} ms, kornia {1000 * second:.1f} ms"


def timed(step: object, steps: int) -> float:
    """Median seconds of a call, after five to warm up."""
    stamps = []
    for _ in range(steps + 5):
        start = time.perf_counter()
        step()  # type: ignore[operator]
        stamps.append(time.perf_counter() - start)
    return float(np.median(stamps[5:]))


if __name__ == "__main__":
    main()
