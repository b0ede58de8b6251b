"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from semelha.deep.augment import quarter_turns
from semelha.deep.average import MovingAverage
from semelha.deep.checkpoint import Checkpoint, Tensors
from semelha.deep.metric_layer import metric_of
from semelha.deep.network import EmbeddingNet
from semelha.deep.processes import ALONE, Processes
from semelha.deep.recipe import Recipe
from semelha.deep.recompute import keeping_statistics, recompute_blocks
from semelha.deep.sampler import Batch, Pool, Sampler
from semelha.embedders import METRIC
from semelha.errors import TrainingError, UsageError
from semelha.evaluation.measures import retrieval
from semelha.metrics import Metric

CHECKPOINT_SECONDS = 30.0
VALIDATIONS = 20  # in the whole of a training; its first half, which is never the best, goes without
LOG_STEPS = 10


@dataclass(frozen=True)
class Moment:
    """How a training stands: what a progress bar shows and the log keeps."""

    step: int
    done: float  # part of the schedule, 0 to 1
    seconds: float
    loss: float
    learning_rate: float
    images_per_second: float
    validation: float | None  # R@1 on held-out classes, when it was last measured
    best: float | None


Watch = Callable[[Moment], None]


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of a cache.

    Attributes
    ----------
    pixels : (all, channels, size, size) uint8
        Fitted pictures.
    rows, classes : (n,) int64
        Which of them, and the class of each, 0 to C − 1.
    labels : tuple of str
        What each class is called.
    """

    pixels: NDArray[np.uint8]
    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    labels: tuple[str, ...]

    def read(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pictures at `places` of this part: (len(places), channels, size, size)."""
        return np.asarray(self.pixels[self.rows[places]])


@dataclass(frozen=True)
class Trained:
    """The best weights and metric, their R@1 on the held-out classes (None without any), steps and seconds taken."""

    weights: Tensors
    metric: Metric
    score: float | None
    steps: int
    seconds: float


def fit(
    network: nn.Module,
    training: Part,
    validation: Part | None,
    recipe: Recipe,
    *,
    fabric: Fabric,
    folder: Path,
    plan: str,
    seed: int,
    resume: bool,
    watch: Watch,
    processes: Processes = ALONE,
) -> Trained:
    """Train a copy of `network` and return the weights that named the held-out classes best.

    Of several processes all return the same; the first alone writes files, and calls `watch`.

    Raises
    ------
    TrainingError
        The loss is no longer finite, or a checkpoint cannot be written or read.
    """
    pool = Pool(training.classes, training.labels, recipe.quarter_turns)
    sampler = recipe.sampler(pool, batch=recipe.batch, per_class=recipe.per_class, seed=seed)
    network = processes.synchronized(copy.deepcopy(network).to(fabric.device)).to(memory_format=torch.channels_last)
    if recipe.checkpoint:
        recompute_blocks(network)
    dim = network(torch.zeros(2, *training.pixels.shape[1:], device=fabric.device)).shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # which the proxies of a loss are drawn from
        loss_function = recipe.loss(sampler.counts, dim).to(fabric.device)
    average = MovingAverage(network, recipe.averaging)
    optimizer = _optimizer(network, loss_function, recipe)
    means = torch.zeros(sampler.targets, dim)
    step, uniform, elapsed, best, best_score = 0, 0, 0.0, {}, -1.0

    checkpoint_file = folder / "checkpoint.pt"
    if resume and checkpoint_file.exists():
        saved = Checkpoint.load(checkpoint_file, plan=plan)
        network.load_state_dict(saved.network)
        average.load_state_dict(saved.average)
        loss_function.load_state_dict(saved.loss)
        optimizer.load_state_dict(saved.optimizer)
        step, uniform, elapsed, means = saved.step, saved.uniform, saved.elapsed, saved.means
        best, best_score = saved.best, saved.best_score

    if processes.agreed(step) != step:
        raise TrainingError(f"process {processes.rank} does not find {checkpoint_file}: let all have the same folder")
    processes.equal(network, average, loss_function)
    if recipe.compile:
        (network.backbone if isinstance(network, EmbeddingNet) else network).compile()
    forward, optimizer = fabric.setup(network, optimizer)
    backward = keeping_statistics(network, fabric.backward) if recipe.checkpoint else fabric.backward
    cached = replace(recipe.cached(), processes=processes)
    score = best_score if best_score >= 0 else None
    started, last_saved = time.monotonic() - elapsed, time.monotonic()
    done = _done(step, elapsed, recipe)
    with (folder / "log.jsonl" if processes.first else Path(os.devnull)).open("a", encoding="utf-8") as log:
        while done < 1:
            before = time.monotonic()
            for group in optimizer.param_groups:
                group["lr"] = group["pace"] * _schedule(step, done, recipe)

            optimizer.zero_grad(set_to_none=True)
            loss, seen = torch.zeros((), device=fabric.device), []
            for number in range(step * recipe.accumulate, (step + 1) * recipe.accumulate):
                batch, uniform = _next_batch(sampler, number, uniform, means.numpy(), recipe, seed)
                own = _own(batch, processes)
                changes = [seed, number, *processes.apart]
                pixels, targets = _load(own, training, recipe, fabric.device, changes, coarse=done < recipe.coarse)
                with _drawing_from([seed, 5, number], fabric.device):
                    part, embeddings = cached.backward(forward, pixels, targets, loss_function, backward)
                loss = loss + part / recipe.accumulate
                seen.append((embeddings, batch.targets))
            if recipe.accumulate > 1:
                torch._foreach_div_(_gradients(optimizer), recipe.accumulate)
            processes.sum_gradients(network, loss_function)
            _clip(optimizer, recipe.clip, step)
            optimizer.step()
            average.update()
            for embeddings, known in seen:
                _remember(means, embeddings.float().cpu(), torch.from_numpy(known))

            step += 1
            elapsed, was = processes.agreed(time.monotonic() - started), done
            done = _done(step, elapsed, recipe)
            value = float(loss)
            if not math.isfinite(value):
                raise TrainingError(f"the loss became {value} at step {step}: try a lower learning rate")
            if validation is not None and _due(was, done):
                score = _validate(average.module, validation, metric_of(loss_function), fabric.device, processes)
                if score >= best_score:
                    best, best_score = _weights(average.module, loss_function), score
                last_saved = -math.inf
            speed = sum(len(known) for _, known in seen) / (time.monotonic() - before)
            rate = optimizer.param_groups[0]["lr"]
            moment = Moment(step, done, elapsed, value, rate, speed, score, best_score if best else None)
            if step % LOG_STEPS == 0 or done >= 1:
                log.write(json.dumps(moment.__dict__) + "\n")
                log.flush()
            if processes.first and time.monotonic() - last_saved > CHECKPOINT_SECONDS:
                Checkpoint(
                    plan=plan,
                    step=step,
                    elapsed=elapsed,
                    uniform=uniform,
                    network=_copy(network),
                    average=_copy(average),
                    loss=_copy(loss_function),
                    optimizer=optimizer.state_dict(),
                    means=means,
                    best=best,
                    best_score=best_score,
                ).save(checkpoint_file)
                last_saved = time.monotonic()
            if processes.first:
                watch(moment)
    weights = best or _weights(average.module, loss_function)
    arrays = {name: weights.pop(METRIC + name).numpy() for name in metric_of(loss_function).arrays()}
    metric = metric_of(loss_function).with_arrays(arrays)
    return Trained(weights, metric, best_score if best else None, step, elapsed)


def embed(
    network: nn.Module, pixels: NDArray[np.uint8], device: torch.device, *, batch: int = 256
) -> NDArray[np.float32]:
    """(n, dim) embeddings of fitted pictures (n, channels, size, size), the network in evaluation mode."""
    was, out = network.training, []
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(pixels), batch):
            block = torch.from_numpy(np.array(pixels[start : start + batch])).to(device).float()
            out.append(network(block.contiguous(memory_format=torch.channels_last)).cpu().numpy())
    network.train(was)
    return np.concatenate(out)


def _next_batch(
    sampler: Sampler, step: int, uniform: int, means: NDArray[np.float32], recipe: Recipe, seed: int
) -> tuple[Batch, int]:
    """A batch of look-alikes by chance once the network knows something, otherwise the next that visits all in turn."""
    if uniform >= recipe.warmup_steps and np.random.default_rng([seed, 4, step]).random() < recipe.lookalikes:
        return sampler.lookalikes(step, means), uniform
    return sampler.batch(uniform), uniform + 1


def _own(batch: Batch, processes: Processes) -> Batch:
    """The share of this process. Raises `UsageError` where somebody would be left with one picture or none."""
    if len(batch) < 2 * processes.number:
        raise UsageError(
            f"a batch has but {len(batch)} pictures, for {processes.number} processes: take fewer processes or larger "
            "batches"
        )
    return batch.part(processes.share(len(batch)))


def _load(
    batch: Batch, training: Part, recipe: Recipe, device: torch.device, seed: list[int], *, coarse: bool
) -> tuple[Tensor, Tensor]:
    """The batch on the device, turned and augmented: pixels (batch, channels, side, side), targets (batch,)."""
    raw = torch.from_numpy(training.read(batch.pictures)).to(device)
    generator = torch.Generator(device).manual_seed(_number(seed))
    pixels = recipe.augmentation(quarter_turns(raw, torch.from_numpy(batch.turns).to(device)), generator)
    if coarse:
        pixels = F.interpolate(pixels, scale_factor=2 / 3, mode="bilinear", antialias=True)
    return pixels.contiguous(memory_format=torch.channels_last), torch.from_numpy(batch.targets).to(device)


@contextmanager
def _drawing_from(seed: list[int], device: torch.device) -> Iterator[None]:
    """What network and loss draw by torch's own generator (dropout, a mining) comes from the seed, in here alone."""
    of_card = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if of_card else []):
        # `torch.manual_seed` keeps a stack trace for every kind of device that may yet be used, at every call.
        torch.default_generator.manual_seed(_number(seed))
        if of_card:
            torch.cuda.manual_seed(_number(seed))
        yield


def _number(seed: list[int]) -> int:
    return int(np.random.SeedSequence(seed).generate_state(1)[0])


def _gradients(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]


def _clip(optimizer: torch.optim.Optimizer, most: float, step: int) -> None:
    """Scale all gradients to a norm of `most` if it is larger. Raises `TrainingError` if it is not finite."""
    gradients = _gradients(optimizer)
    norm = float(torch.nn.utils.get_total_norm(gradients))
    if not math.isfinite(norm):
        raise TrainingError(f"the gradient became {norm} at step {step + 1}: try a lower learning rate")
    if norm > most:
        torch._foreach_mul_(gradients, most / (norm + 1e-6))


def _remember(means: Tensor, embeddings: Tensor, targets: Tensor) -> None:
    """Move the mean of each class of the batch half of the way to its new one, and back onto the sphere."""
    classes, where = torch.unique(targets, return_inverse=True)
    new = torch.zeros(len(classes), means.shape[1]).index_add_(0, where, embeddings)
    means[classes] = F.normalize(means[classes] + F.normalize(new, dim=1), dim=1)


def _validate(
    network: nn.Module, validation: Part, metric: Metric, device: torch.device, processes: Processes
) -> float:
    """R@1 among the pictures held out. Each process embeds its share; the first measures."""
    places = np.arange(len(validation.rows))[processes.share(len(validation.rows))]
    # Where there are more processes than pictures, some embed one for nothing.
    own = embed(network, validation.read(places if len(places) else np.zeros(1, np.int64)), device)[: len(places)]
    embeddings = processes.joined(torch.from_numpy(own), processes.sizes(len(own))).numpy()
    if not processes.first:
        return processes.agreed(0.0)
    return processes.agreed(float(retrieval(embeddings, validation.classes, metric=metric, ks=(1,)).r_at[1]))


def _due(was: float, done: float) -> bool:
    """Is it time for a validation?"""
    return done >= 1 or (done >= 0.5 and int(done * VALIDATIONS) > int(was * VALIDATIONS))


def _done(step: int, elapsed: float, recipe: Recipe) -> float:
    return min(1.0, max(step / recipe.steps, elapsed / (60 * recipe.minutes)))


def _schedule(step: int, done: float, recipe: Recipe) -> float:
    """Linear warm-up by steps, then half a cosine by what is done."""
    return min(1.0, (step + 1) / max(1.0, recipe.warmup_steps)) * 0.5 * (1 + math.cos(math.pi * done))


def _optimizer(network: nn.Module, loss: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels only; the proxies of a loss learn ten times faster."""
    trained = [p for p in network.parameters() if p.requires_grad]
    kernels, others = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": kernels, "weight_decay": decay, "pace": rate},
        {"params": others, "weight_decay": 0.0, "pace": rate},
        {"params": list(loss.parameters()), "weight_decay": 0.0, "pace": 10 * rate},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=recipe.learning_rate, fused=True)


def _weights(network: nn.Module, loss: nn.Module) -> Tensors:
    """What a model is made of: its network, and what was learned of its metric."""
    arrays = metric_of(loss).arrays().items()
    return _copy(network) | {METRIC + name: torch.from_numpy(array) for name, array in arrays}


def _copy(module: nn.Module) -> Tensors:
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}
