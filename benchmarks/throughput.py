"""Pictures a second that backbones learn from and embed on this machine, with none or some of their layers frozen.

    python benchmarks/throughput.py

Batches of random pixels with random weights: neither changes the time. The backbones are those that are named in
docs/pretrained.md and our own. On a graphics card they are measured there too.
"""

from __future__ import annotations

import torch
from lightning.fabric import Fabric

from _results import table, write_section
from semelha.deep import Network, build
from semelha.deep.memory import freed_memory_kept
from semelha.deep.optimizer import freeze
from semelha.deep.throughput import measure_throughput
from semelha.deep.train import default_fabric

BACKBONES = (
    ("small", 64),
    ("tf_efficientnet_lite0", 224),
    ("tf_efficientnet_lite0", 128),
    ("mobilenetv3_large_100", 224),
    ("resnet18", 224),
    ("resnet34", 224),
    ("resnet50", 224),
    ("regnetx_004", 224),
    ("convnext_atto", 224),
    ("vit_small_patch14_dinov2", 224),
)
FROZEN = (0.0, 0.6, 0.8)


@freed_memory_kept()
def main() -> None:
    kinds = ["cpu"] + ["cuda"] * torch.cuda.is_available()
    rows = [row for kind in kinds for name, size in BACKBONES for row in [measured(name, size, default_fabric(kind))]]
    columns = [
        "device",
        "backbone",
        "side",
        "weights, millions",
        "embeds",
        "learns, all layers",
        "last 2/5",
        "last 1/5",
    ]
    body = "Pictures a second, in batches of 32; the median of three steps."
    write_section("Throughput of training", f"{body}\n\n{table(columns, rows)}")


def measured(name: str, size: int, fabric: Fabric) -> list[str]:
    network = Network(backbone=name, channels=3, size=size, dim=128)
    learning = []
    for part in FROZEN:
        built = build(network, seed=0)
        freeze(built, part)
        rate, embedding = measure_throughput(built, (3, size, size), fabric)
        learning.append(f"{rate:.0f}")
    weights = sum(weight.numel() for weight in built.backbone.parameters()) / 1e6
    row = [fabric.device.type, name, str(size), f"{weights:.1f}", f"{embedding:.0f}", *learning]
    print(*row, sep=" | ", flush=True)
    return row


if __name__ == "__main__":
    main()
