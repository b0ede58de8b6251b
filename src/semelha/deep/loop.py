"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import json
import math
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
from torch.optim.swa_utils import AveragedModel

from semelha.deep.augment import quarter_turns
from semelha.deep.checkpoint import Checkpoint, Tensors
from semelha.deep.metric_layer import metric_of
from semelha.deep.network import EmbeddingNet
from semelha.deep.objective import Objective, Passes
from semelha.deep.optimizer import optimizer_for
from semelha.deep.part import Part
from semelha.deep.recipe import Recipe
from semelha.deep.sampler import Batch, Sampler
from semelha.embedders import METRIC
from semelha.errors import TrainingError
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


@dataclass(frozen=True)
class Trained:
    """The best weights and metric, their R@1 on the held-out classes (None without any), steps and seconds taken."""

    weights: Tensors
    metric: Metric
    score: float | None
    steps: int
    seconds: float


def fit(
    network: EmbeddingNet,
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
) -> Trained:
    """Train `network` and return the weights that named the held-out classes best; without such classes, the last.

    Raises
    ------
    TrainingError
        The loss is no longer finite, or a checkpoint cannot be written or read.
    """
    sampler = recipe.batches(training.pool(recipe), seed=seed)
    network = network.to(fabric.device).to(memory_format=torch.channels_last)
    dim = network(torch.zeros(2, *training.pixels.shape[1:], device=fabric.device)).shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # which proxies or a projector are drawn from
        objective = recipe.objective(network, sampler, dim).to(fabric.device)
    average = AveragedModel(network, multi_avg_fn=_moving_average(recipe.averaging), use_buffers=True)
    optimizer = optimizer_for(network, objective, recipe)
    means = torch.zeros(sampler.targets if recipe.lookalikes else 0, dim)
    step, uniform, elapsed, best, best_score = 0, 0, 0.0, {}, -1.0

    checkpoint_file = folder / "checkpoint.pt"
    if resume and checkpoint_file.exists():
        saved = Checkpoint.load(checkpoint_file, plan=plan)
        network.load_state_dict(saved.network)
        average.load_state_dict(saved.average)
        objective.load_state_dict(saved.objective)
        optimizer.load_state_dict(saved.optimizer)
        step, uniform, elapsed, means = saved.step, saved.uniform, saved.elapsed, saved.means
        best, best_score = saved.best, saved.best_score

    forward, optimizer = fabric.setup(objective.trained(network), optimizer)
    passes = Passes(forward, recipe.cached(), fabric.backward, fabric.autocast, teaching=recipe.teaching)
    score = best_score if best_score >= 0 else None
    started, last_saved = time.monotonic() - elapsed, time.monotonic()
    done = _done(step, elapsed, recipe)
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        while done < 1:
            before = time.monotonic()
            for group in optimizer.param_groups:
                group["lr"] = group["pace"] * _schedule(step, done, recipe)

            batch, uniform = _next_batch(sampler, step, uniform, means.numpy(), recipe, seed)
            coarse = done < recipe.coarse
            pixels = _views(batch, training, objective.views, recipe, fabric.device, [seed, step], coarse=coarse)
            targets = torch.from_numpy(batch.targets).to(fabric.device)
            optimizer.zero_grad(set_to_none=True)
            taught = training.taught(batch, fabric.device)
            with _drawing_from([seed, 5, step], fabric.device):
                loss, embeddings = objective.backward(replace(passes, taught=taught), pixels, targets)
            fabric.clip_gradients(forward, optimizer, max_norm=recipe.clip)
            optimizer.step()
            average.update_parameters(network)
            if recipe.lookalikes:
                _remember(means, embeddings.float().cpu(), torch.from_numpy(batch.targets))

            step += 1
            elapsed, was = time.monotonic() - started, done
            done = _done(step, elapsed, recipe)
            objective.after_step(network, done)
            value = float(loss)
            if not math.isfinite(value):
                raise TrainingError(f"the loss became {value} at step {step}: try a lower learning rate")
            if validation is not None and _due(was, done):
                score = _validate(average.module, validation, metric_of(objective), fabric.device)
                if score >= best_score:
                    best, best_score = _weights(average.module, objective), score
                last_saved = -math.inf
            speed = len(batch.pictures) / (time.monotonic() - before)
            rate = optimizer.param_groups[0]["lr"]
            moment = Moment(step, done, elapsed, value, rate, speed, score, best_score if best else None)
            if step % LOG_STEPS == 0 or done >= 1:
                log.write(json.dumps(moment.__dict__) + "\n")
                log.flush()
            if time.monotonic() - last_saved > CHECKPOINT_SECONDS:
                Checkpoint(
                    plan=plan,
                    step=step,
                    elapsed=elapsed,
                    uniform=uniform,
                    network=_copy(network),
                    average=_copy(average),
                    objective=_copy(objective),
                    optimizer=optimizer.state_dict(),
                    means=means,
                    best=best,
                    best_score=best_score,
                ).save(checkpoint_file)
                last_saved = time.monotonic()
            watch(moment)
    weights = best or _weights(average.module, objective)
    arrays = {name: weights.pop(METRIC + name).numpy() for name in metric_of(objective).arrays()}
    metric = metric_of(objective).with_arrays(arrays)
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


def _views(
    batch: Batch, training: Part, views: int, recipe: Recipe, device: torch.device, seed: list[int], *, coarse: bool
) -> Tensor:
    """The batch on the device, turned, and augmented as often as asked: (views · batch, channels, side, side)."""
    raw = torch.from_numpy(training.read(batch.pictures)).to(device)
    turned = quarter_turns(raw, torch.from_numpy(batch.turns).to(device)).repeat(views, 1, 1, 1)
    pixels = recipe.augmentation(turned, torch.Generator(device).manual_seed(_number(seed)))
    if coarse:
        pixels = F.interpolate(pixels, scale_factor=2 / 3, mode="bilinear", antialias=True)
    return pixels.contiguous(memory_format=torch.channels_last)


@contextmanager
def _drawing_from(seed: list[int], device: torch.device) -> Iterator[None]:
    """What network and loss draw by torch's own generator (dropout, a mining) comes from the seed, in here alone."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(_number(seed))
        yield


def _number(seed: list[int]) -> int:
    return int(np.random.SeedSequence(seed).generate_state(1)[0])


def _remember(means: Tensor, embeddings: Tensor, targets: Tensor) -> None:
    """Move the mean of each class of the batch half of the way to its new one, and back onto the sphere."""
    classes, where = torch.unique(targets, return_inverse=True)
    new = torch.zeros(len(classes), means.shape[1]).index_add_(0, where, embeddings)
    means[classes] = F.normalize(means[classes] + F.normalize(new, dim=1), dim=1)


def _validate(network: nn.Module, validation: Part, metric: Metric, device: torch.device) -> float:
    embeddings = embed(network, validation.read(np.arange(len(validation.rows))), device)
    return float(retrieval(embeddings, validation.classes, metric=metric, ks=(1,)).r_at[1])


def _due(was: float, done: float) -> bool:
    """Is it time for a validation?"""
    return done >= 1 or (done >= 0.5 and int(done * VALIDATIONS) > int(was * VALIDATIONS))


def _done(step: int, elapsed: float, recipe: Recipe) -> float:
    return min(1.0, max(step / recipe.steps, elapsed / (60 * recipe.minutes)))


def _schedule(step: int, done: float, recipe: Recipe) -> float:
    """Linear warm-up by steps, then half a cosine by what is done."""
    return min(1.0, (step + 1) / max(1.0, recipe.warmup_steps)) * 0.5 * (1 + math.cos(math.pi * done))


def _moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Exponential moving average whose memory grows with what there is to remember."""

    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        weight = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, weight)
        else:
            for old, new in zip(averaged, current, strict=True):
                old.copy_(new)

    return update


def _weights(network: nn.Module, objective: Objective) -> Tensors:
    """What a model is made of: its network, and what was learned of its metric."""
    arrays = metric_of(objective).arrays().items()
    return _copy(network) | {METRIC + name: torch.from_numpy(array) for name, array in arrays}


def _copy(module: nn.Module) -> Tensors:
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}
