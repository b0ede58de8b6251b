"""One loss on one batch, in a process of its own: ours, or pytorch-metric-learning's of the same value.

    python _loss_run.py ours|theirs LOSS BATCH DEVICE SECONDS GIGABYTES

Prints a line of JSON: seconds of forward and backward (CPU seconds of one thread; of the clock for a graphics card),
the peak of memory over what was there before in MB, and the value. Ends with OUT_OF_MEMORY or OVER_TIME where it takes
more than it may.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from pytorch_metric_learning import distances, miners, reducers
from pytorch_metric_learning import losses as P
from torch import Tensor

from semelha.deep import losses as L

OUT_OF_MEMORY, OVER_TIME = 3, 4
DIM, PER_CLASS = 512, 4
ENOUGH = 2.0  # seconds to measure, where one step takes less
MEAN = reducers.MeanReducer()
COSINE = distances.CosineSimilarity()
Make = Callable[[int], Any]


@dataclass(frozen=True)
class Both:
    """Makers of a loss from the number of classes, ours and theirs; None where they have none.

    Attributes
    ----------
    cubic : bool
        Theirs takes time or memory that grows with the third power of the batch.
    equal : bool
        Their values are the same: false where a draw is by chance, or theirs is of another batch (as said).
    """

    ours: Make
    theirs: Make | None
    cubic: bool = False
    equal: bool = True


def mined(loss: Any, miner: Any) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda x, labels: loss(x, labels, miner(x, labels))


def softmax(margin: L.SoftmaxMargin, centers: int = 1) -> Make:
    return lambda classes: L.MarginSoftmax(classes, DIM, margin=margin, scale=30.0, centers=centers)


LOSSES: dict[str, Both] = {
    "contrastive": Both(lambda c: L.Contrastive(), lambda c: P.ContrastiveLoss()),
    "triplet, all": Both(lambda c: L.Triplet(mining=L.AllPairs()), lambda c: P.TripletMarginLoss(0.2), cubic=True),
    "triplet, semi-hard": Both(
        lambda c: L.Triplet(),
        lambda c: mined(P.TripletMarginLoss(0.2), miners.TripletMarginMiner(0.2, "semihard")),
        cubic=True,
    ),
    "triplet, batch-hard": Both(
        lambda c: L.Triplet(mining=L.BatchHard()), lambda c: mined(P.TripletMarginLoss(0.2), miners.BatchHardMiner())
    ),
    "triplet, easy positives": Both(
        lambda c: L.Triplet(mining=L.EasyPositive()),
        lambda c: mined(P.TripletMarginLoss(0.2), miners.BatchEasyHardMiner("easy", "semihard")),
    ),
    "triplet, soft margin": Both(
        lambda c: L.Triplet(margin=None, mining=L.AllPairs()),
        lambda c: P.TripletMarginLoss(0, smooth_loss=True, reducer=MEAN),
        cubic=True,
    ),
    "quadruplet": Both(lambda c: L.Quadruplet(), None),
    "n-pair": Both(lambda c: L.NPair(temperature=1.0), lambda c: P.NPairsLoss()),
    "lifted structure": Both(lambda c: L.LiftedStructure(), lambda c: P.LiftedStructureLoss(reducer=MEAN), cubic=True),
    "generalized lifted": Both(lambda c: L.GeneralizedLifted(), lambda c: P.GeneralizedLiftedStructureLoss()),
    "multi-similarity": Both(lambda c: L.MultiSimilarity(), lambda c: P.MultiSimilarityLoss()),
    "multi-similarity, mined": Both(
        lambda c: L.MultiSimilarity(mining=L.MultiSimilarityMining()),
        lambda c: mined(P.MultiSimilarityLoss(), miners.MultiSimilarityMiner()),
    ),
    "circle": Both(lambda c: L.Circle(), lambda c: P.CircleLoss()),
    "SupCon": Both(lambda c: L.SupCon(), lambda c: P.SupConLoss()),
    "NT-Xent": Both(lambda c: L.NTXent(temperature=0.1), lambda c: P.NTXentLoss(0.1), cubic=True),
    "InfoNCE": Both(lambda c: L.InfoNCE(temperature=0.1), lambda c: P.NCALoss(softmax_scale=10, distance=COSINE)),
    "margin, all": Both(lambda c: L.MarginLoss(mining=L.AllPairs()), lambda c: P.MarginLoss(), cubic=True),
    "margin, distance-weighted": Both(
        lambda c: L.MarginLoss(), lambda c: mined(P.MarginLoss(), miners.DistanceWeightedMiner()), equal=False
    ),
    "FastAP": Both(lambda c: L.FastAP(), lambda c: P.FastAPLoss()),
    # Theirs is right only where there are as many classes as pictures of each (and has the picture itself in its list).
    "Smooth-AP": Both(lambda c: L.SmoothAP(), lambda c: P.SmoothAPLoss(), cubic=True, equal=False),
    "center": Both(lambda c: L.CenterLoss(c, DIM), None),
    "ProxyNCA++": Both(lambda c: L.ProxyNCA(c, DIM), lambda c: P.ProxyNCALoss(c, DIM, softmax_scale=9)),
    "Proxy-Anchor": Both(lambda c: L.ProxyAnchor(c, DIM), lambda c: P.ProxyAnchorLoss(c, DIM)),
    "SoftTriple": Both(lambda c: L.SoftTriple(c, DIM, merging=0.0), lambda c: P.SoftTripleLoss(c, DIM)),
    "normalized softmax": Both(softmax(L.NoMargin()), lambda c: P.NormalizedSoftmaxLoss(c, DIM, temperature=1 / 30)),
    "SphereFace": Both(softmax(L.SphereFace()), lambda c: on_sphere(P.SphereFaceLoss(c, DIM, scale=30))),
    "CosFace": Both(softmax(L.CosFace()), lambda c: P.CosFaceLoss(c, DIM, scale=30)),
    "ArcFace": Both(softmax(L.ArcFace()), lambda c: P.ArcFaceLoss(c, DIM, margin=math.degrees(0.5), scale=30)),
    "sub-center ArcFace": Both(
        softmax(L.ArcFace(), centers=3),
        lambda c: P.SubCenterArcFaceLoss(
            num_classes=c, embedding_size=DIM, margin=math.degrees(0.5), scale=30, sub_centers=3
        ),
    ),
}


class on_sphere(torch.nn.Module):
    """Theirs multiplies by the length of an embedding, ours does not."""

    def __init__(self, loss: torch.nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        value: Tensor = self.loss(torch.nn.functional.normalize(x), labels)
        return value


def main() -> None:
    side, name, size, device, seconds, gigabytes = sys.argv[1:]
    torch.set_num_threads(1)
    both = LOSSES[name]
    make = both.ours if side == "ours" else both.theirs
    assert make is not None
    step(*batch(make, 32, device))  # what is loaded or set up once is in the memory and the time of no other
    limit(float(seconds), float(gigabytes), device)
    loss, x, labels = batch(make, int(size), device)
    try:
        before, clock = start(device), time.perf_counter()
        value = step(loss, x, labels)
        most = peak(device) - before
        times = max(1, min(100, int(ENOUGH / (time.perf_counter() - clock))))
        began = now(device)
        for _ in range(times):
            step(loss, x, labels)
        taken = (now(device) - began) / times
    except (MemoryError, torch.OutOfMemoryError):
        sys.exit(OUT_OF_MEMORY)
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        sys.exit(OUT_OF_MEMORY)
    print(json.dumps({"seconds": taken, "megabytes": most, "value": value}))


def batch(make: Make, size: int, device: str) -> tuple[Callable[[Tensor, Tensor], Tensor], Tensor, Tensor]:
    """The loss, embeddings of classes that overlap, with a place for their gradient, and labels."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(size) // PER_CLASS
    middles = torch.randn(size // PER_CLASS, DIM, generator=generator)
    x = (middles[labels] + 1.5 * torch.randn(size, DIM, generator=generator)).to(device).requires_grad_()
    x.grad = torch.zeros_like(x)
    loss = make(size // PER_CLASS)
    if isinstance(loss, torch.nn.Module):
        loss = alike(loss.to(device))
    return loss, x, labels.to(device)


def step(loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, labels: Tensor) -> float:
    """Forward and backward; the value."""
    value = loss(x, labels)
    value.backward()
    return float(value.detach())


def alike(loss: torch.nn.Module) -> torch.nn.Module:
    """With the same proxies on both sides, which theirs has as columns in some losses."""
    for name, parameter in loss.named_parameters():
        drawn = torch.randn(parameter.numel() // DIM, DIM, generator=torch.Generator().manual_seed(1))
        columns = name.split(".")[-1] in ("W", "fc")
        parameter.data = (drawn.T if columns else drawn).reshape(parameter.shape).contiguous().to(parameter.device)
    return loss


def start(device: str) -> float:
    """The memory in use in MB, from which on the peak counts."""
    if device == "cpu":
        Path("/proc/self/clear_refs").write_text("5")
        return status("VmRSS")
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated() / 2**20


def now(device: str) -> float:
    """CPU seconds of this process; those of the clock, when a graphics card has done what it was told."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def peak(device: str) -> float:
    return status("VmHWM") if device == "cpu" else torch.cuda.max_memory_allocated() / 2**20


def status(name: str) -> float:
    """VmRSS, VmHWM or VmSize of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def limit(seconds: float, gigabytes: float, device: str) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        os._exit(OVER_TIME)

    signal.signal(signal.SIGXCPU, stop)
    most = math.ceil(time.process_time() + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
    if device == "cpu":
        room = int(status("VmSize") * 2**20 + gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
    else:
        torch.cuda.set_per_process_memory_fraction(
            min(1.0, gigabytes * 2**30 / torch.cuda.get_device_properties(0).total_memory)
        )


if __name__ == "__main__":
    main()
