"""What every process of `test_distributed` does: `python -m tests.deep.in_processes FOLDER`, told its rank by the
environment. Each writes what it found as `FOLDER/<rank>.pt`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from semelha.deep import fsdp
from semelha.deep.augment import Augmentation
from semelha.deep.cache import PictureSubset
from semelha.deep.distributed import SINGLE_PROCESS, ProcessGroup, process_group
from semelha.deep.gradcache import GradCache
from semelha.deep.loop import LoopSettings, Trained, TrainingProgress, fit
from semelha.deep.losses import (
    ArcFace,
    Contrastive,
    CrossBatchMemory,
    MarginLoss,
    MarginSoftmax,
    NoMargin,
    ProxyAnchor,
    SupCon,
    Triplet,
    WeightedSum,
)
from semelha.deep.machines import check_equal, copy_to_each, find_disk
from semelha.deep.metric_layer import MetricLayer
from semelha.deep.objective import StepContext
from semelha.deep.recipe import Recipe, Strategy
from semelha.deep.shards import PixelsWithGaps
from semelha.deep.ssl import METHODS
from semelha.errors import TrainingError
from semelha.metrics import Mahalanobis

BATCH, CLASSES, DIM, STEPS = 23, 5, 6, 3
SHARDS = 3
VIEWED = 24  # pictures of a batch without labels, of two views each

LOSSES: dict[str, Callable[[], nn.Module]] = {
    "supcon": SupCon,
    "triplet": Triplet,
    "contrastive": Contrastive,
    "proxies": lambda: ProxyAnchor(CLASSES, DIM),
    "margin": lambda: MarginSoftmax(CLASSES, DIM, margin=ArcFace(0.3)),
    "together": lambda: WeightedSum(SupCon(), MarginSoftmax(CLASSES, DIM, margin=NoMargin())),
    "metric": lambda: Contrastive(metric=MetricLayer(Mahalanobis(M=np.eye(DIM)))),
    "memory": lambda: CrossBatchMemory(SupCon(), DIM, size=50),
}
CHUNKS = [5, 12, 100]


def batch(step: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(step)
    pixels = torch.randn(BATCH, 1, 8, 8, generator=random, dtype=torch.float64)
    return pixels, (torch.arange(BATCH) * (step + 1)) % CLASSES


def network(*extra: nn.Module) -> nn.Module:
    """Without statistics of a batch, unless told."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), *extra, nn.Flatten(), nn.Linear(144, DIM)).double()


def learned(name: str, chunk: int, group: ProcessGroup = SINGLE_PROCESS) -> list[Tensor]:
    """Value, embeddings and every gradient of each of three steps, and the weights after them."""
    net = network(nn.GroupNorm(2, 4))
    loss = LOSSES[name]().double()
    parameters = [*net.parameters(), *loss.parameters()]
    optimizer, found = torch.optim.SGD(parameters, lr=0.1), []
    for step in range(STEPS):
        x, labels = batch(step)
        own = group.share(BATCH)
        optimizer.zero_grad()
        value, embeddings = GradCache(chunk, group).backward(net, x[own], labels[own], loss, Tensor.backward)
        group.sum_gradients(net, loss)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        found += [value, embeddings, *(gradient.clone() for gradient in gradients)]
        optimizer.step()
    return [*found, *(parameter.detach() for parameter in parameters), *loss.buffers()]


class Unlabelled(nn.Module):
    """A network without statistics of a batch, and with a last step that a method without labels leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = network(nn.GroupNorm(2, 4))

    def vectors(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels)


def unlabelled(name: str, group: ProcessGroup = SINGLE_PROCESS) -> list[Tensor]:
    """Value, vectors, and all that is learned and remembered after three steps of a method without labels."""
    net = Unlabelled()
    method = METHODS[name].resolve(batch=VIEWED, instances=5 * VIEWED)
    objective = method.objective(net, dim=DIM, batch=VIEWED, instances=5 * VIEWED).double()  # type: ignore[arg-type]
    optimizer, found = torch.optim.SGD([*net.parameters(), *objective.parameters()], lr=0.1), []
    cached = GradCache(2 * VIEWED, group)
    context = StepContext(objective.training_module(net), cached, Tensor.backward, nullcontext)  # type: ignore[arg-type]
    for step in range(STEPS):
        random = torch.Generator().manual_seed(step)
        first, second = torch.randn(2, VIEWED, 1, 8, 8, generator=random, dtype=torch.float64)
        own = group.share(VIEWED)
        optimizer.zero_grad()
        torch.manual_seed(step)
        value, _ = objective.backward(context, torch.cat([first[own], second[own]]), torch.arange(VIEWED)[own])
        group.sum_gradients(net, objective)
        optimizer.step()
        objective.after_step(net, step / STEPS)  # type: ignore[arg-type]
        found.append(value)
    return [*found, *net.state_dict().values(), *objective.state_dict().values()]


def drawn(group: ProcessGroup) -> list[Tensor]:
    """A loss that draws its negatives, a network that drops: what all must draw alike, and what each for itself."""
    net, (x, labels) = network(nn.Dropout(0.5)), batch(0)
    dropped: list[Tensor] = []
    net[2].register_forward_hook(lambda module, given, made: dropped.append((made == 0)[:3].clone()))
    torch.manual_seed(5)
    own = group.share(BATCH)
    same = x[:1].expand(BATCH, -1, -1, -1)[own]
    value, _ = GradCache(100, group).backward(net, same, labels[own], MarginLoss().double(), Tensor.backward)
    return [value, torch.rand(1), dropped[0]]


def statistics(group: ProcessGroup) -> list[Tensor]:
    net, (x, labels) = network(nn.BatchNorm2d(4)), batch(0)
    own = group.share(BATCH)
    GradCache(100, group).backward(net, x[own], labels[own], SupCon(), Tensor.backward)
    group.sum_gradients(net, SupCon())
    return [buffer for buffer in net.buffers() if buffer.is_floating_point()]


class Plain(nn.Module):
    """A network of pixels without statistics of a batch, with vectors of unit length."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.layers = nn.Sequential(
            *(nn.Conv2d(1, 8, 3, 2), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1)),
            *(nn.Flatten(), nn.Linear(72, DIM)),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        return nn.functional.normalize(self.layers(pixels / 255))


STILL = Augmentation(rotate=0, scale=0, stretch=0, shear=0, translate=0)
RECIPE = Recipe(steps=12, minutes=float("inf"), batch=21, warmup=0.25, augmentation=STILL, accumulate=2)


def pictures(seed: int, classes: int) -> PictureSubset:
    random = np.random.default_rng(seed)
    kinds = np.repeat(random.integers(0, 256, (classes, 1, 8, 8), np.uint8), 4, axis=0)
    pixels = kinds // 2 + random.integers(0, 100, kinds.shape, np.uint8)
    labels = np.repeat(np.arange(classes), 4)
    return PictureSubset(pixels, np.arange(len(pixels)), labels, tuple(map(str, range(classes))))


def trained(
    folder: Path,
    group: ProcessGroup = SINGLE_PROCESS,
    *,
    stop: int | None = None,
    resume: bool = False,
    loop: LoopSettings = LoopSettings(),
) -> Trained:
    """A whole training. `stop`: an interruption after so many steps."""

    def callback(progress: object) -> None:
        if progress.step == stop:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    return fit(
        Plain(),
        pictures(0, 12),
        pictures(1, 3),
        replace(RECIPE, chunk=8),
        fabric=Fabric(accelerator="cpu", devices=1),
        folder=folder,
        plan="test",
        seed=0,
        resume=resume,
        callback=callback,
        processes=group,
        loop=loop,
    )


def proxies_and_metric(counts: NDArray[np.int64], dim: int) -> nn.Module:
    """A loss with proxies, and a metric that is learned."""
    return ProxyAnchor(len(counts), dim, metric=MetricLayer(Mahalanobis(M=np.eye(dim))))


def sharded(
    folder: Path, group: ProcessGroup = SINGLE_PROCESS, *, strategy: Strategy = "fsdp", resume: bool = False
) -> Trained:
    """A whole training in which each process has a part of every layer. A checkpoint of step 6 or before is kept."""

    def callback(progress: TrainingProgress) -> None:
        if progress.step == 6 and group.size > 1:
            shutil.copy(folder / "checkpoint.pt", folder / "early.pt")

    recipe = replace(RECIPE, chunk=8, strategy=strategy, loss=proxies_and_metric)
    return fit(
        Plain(),
        pictures(0, 12),
        pictures(1, 3),
        recipe,
        fabric=Fabric(accelerator="cpu", devices=1),
        folder=folder,
        plan="test",
        seed=0,
        resume=resume,
        callback=callback,
        processes=group,
        loop=LoopSettings(checkpoint_seconds=0.0),
    )


def divided(pictures: PictureSubset, group: ProcessGroup) -> PictureSubset:
    """The same pictures in shards of classes, of which a process has the pixels of its own alone."""
    shards = pictures.classes % SHARDS
    own = [np.flatnonzero(shards == shard) for shard in range(SHARDS)[group.share(SHARDS)]]
    some = PixelsWithGaps(
        len(pictures.pixels), pictures.pixels.shape[1:], [(rows, pictures.pixels[rows]) for rows in own]
    )
    return replace(pictures, pixels=some, shards=shards)


def by_shards(folder: Path, group: ProcessGroup = SINGLE_PROCESS) -> Trained:
    """A whole training on classes in shards."""
    return fit(
        Plain(),
        divided(pictures(0, 12), group),
        divided(pictures(1, 6), group),
        replace(RECIPE, chunk=8, shards=SHARDS),
        fabric=Fabric(accelerator="cpu", devices=1),
        folder=folder,
        plan="test",
        seed=0,
        resume=False,
        callback=lambda progress: None,
        processes=group,
    )


def on_disks(folder: Path, group: ProcessGroup) -> list[object]:
    """What each process finds of a common folder, and of folders that each has for itself, as on machines without a
    common disk. The last process alone has the checkpoint of a training."""
    common, own = find_disk(folder, group), folder / f"training {group.rank}"
    before = os.environ.get("LOCAL_RANK", "0")
    os.environ["LOCAL_RANK"] = "0"
    try:
        disk = find_disk(own, group)
        found: list[object] = [common.is_of_rank_zero, common.is_only_one, disk.is_of_rank_zero, disk.is_only_one]
        found.append(disk.on_each(lambda: group.rank))
        if group.is_rank_zero:
            (own / "model" / "inner").mkdir(parents=True)
            (own / "model" / "inner" / "weights").write_bytes(b"w" * 1000)
            (own / "model" / "empty").write_bytes(b"")
            shutil.move(own / "checkpoint.pt", folder / f"training {group.size - 1}" / "checkpoint.pt")
        copy_to_each(own / "model", disk)
        copied = (own / "model" / "inner" / "weights").read_text(), (own / "model" / "empty").read_text()
        return [*found, *copied, trained(own, group, resume=True).seconds]
    finally:
        os.environ["LOCAL_RANK"] = before


def failing(group: ProcessGroup) -> list[str]:
    """What each process says where the first fails."""
    said = []
    for message in ("the disk is full: é", ""):

        def fail(message: str = message) -> None:
            raise OSError(message)

        try:
            group.on_rank_zero(fail)
        except (TrainingError, OSError) as error:
            said.append(f"{type(error).__name__}: {error}")
    said.append(str(group.on_rank_zero(lambda: group.rank)))
    try:
        check_equal(f"{group.rank == 1}", group, "pictures")
    except TrainingError as error:
        said.append(str(error))
    said += group.all_texts("é" * group.rank)
    return said


PLAN = """
from functools import partial
from semelha.deep import Network, Recipe
from semelha.deep.checkpoint import describe
def own(classes, dim): ...
plan = describe(Network(), Recipe(), 3, "hash", Recipe(loss=own), Recipe(loss=partial(own, dim=3)))
"""


def plan() -> str:
    """The description of a plan with functions of the user, whose names do not depend on the module that runs this."""
    names = {"__name__": "of the user"}
    exec(PLAN, names)
    return names["plan"]


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    with process_group(torch.device("cpu")) as group:
        torch.manual_seed(group.rank)
        weights = nn.Linear(3, 3)
        group.broadcast_modules(weights)
        (folder / f"training {group.rank}").mkdir()
        run = trained(folder / f"training {group.rank}", group)
        (folder / f"sharded {group.rank}").mkdir()
        fsdp.MIN_PARAMETERS = 30
        of_parts = sharded(folder / f"sharded {group.rank}", group)
        found = {
            "learned": {(name, chunk): learned(name, chunk, group) for name in LOSSES for chunk in CHUNKS},
            "unlabelled": {name: unlabelled(name, group) for name in METHODS},
            "drawn": drawn(group),
            "statistics": statistics(group),
            "equal": [weights.weight.detach()],
            "plan": plan(),
            "agreed": group.broadcast(0.1 + group.rank),
            "failing": failing(group),
            "trained": run.weights,
            "by shards": [by_shards(folder / f"sharded {group.rank}", group).weights],
            "sharded": [*of_parts.weights.values(), *map(torch.from_numpy, of_parts.metric.arrays().values())],
            "score": run.score,
            "files": sorted(file.name for file in (folder / f"training {group.rank}").iterdir()),
            "disks": on_disks(folder, group),
            "seconds": run.seconds,
        }
    torch.save(found, folder / f"{group.rank}.pt")


if __name__ == "__main__":
    main()
