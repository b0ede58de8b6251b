"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from semelha.deep.average import MovingAverage
from semelha.deep.batches import drawing_from, next_batch, own_share, remember, views_of
from semelha.deep.checkpoint import Checkpoint, Tensors
from semelha.deep.distributed import SINGLE_PROCESS, ProcessGroup
from semelha.deep.gradient_checkpointing import enable_gradient_checkpointing, preserve_running_stats
from semelha.deep.metric_layer import metric_of
from semelha.deep.network import EmbeddingNet
from semelha.deep.objective import Objective, StepContext
from semelha.deep.optimizer import clip, gradients, optimizer_for
from semelha.deep.recipe import Recipe
from semelha.deep.subsets import PictureSubset
from semelha.embedders import METRIC
from semelha.errors import TrainingError
from semelha.measures import retrieval
from semelha.metrics import Metric

CHECKPOINT_SECONDS = 30.0
VALIDATIONS = 20  # in the whole of a training; its first half, which is never the best, goes without
LOG_STEPS = 10


@dataclass(frozen=True)
class TrainingProgress:
    """How a training stands: what a progress bar shows and the log keeps."""

    step: int
    done: float  # part of the schedule, 0 to 1
    seconds: float
    loss: float
    learning_rate: float
    images_per_second: float
    validation: float | None  # R@1 on held-out classes, when it was last measured
    best: float | None


Watch = Callable[[TrainingProgress], None]


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
    training: PictureSubset,
    validation: PictureSubset | None,
    recipe: Recipe,
    *,
    fabric: Fabric,
    folder: Path,
    plan: str,
    seed: int,
    resume: bool,
    callback: Watch,
    processes: ProcessGroup = SINGLE_PROCESS,
) -> Trained:
    """Train a copy of `network`: the weights that named the held-out classes best; without such classes, the last.

    Of several processes all return the same; the first alone writes files, and calls `callback`.

    Raises
    ------
    TrainingError
        The loss is no longer finite, or a checkpoint cannot be written or read.
    """
    sampler = recipe.batches(training.pool(recipe), seed=seed)
    network = processes.with_sync_batchnorm(copy.deepcopy(network).to(fabric.device)).to(
        memory_format=torch.channels_last
    )
    if recipe.checkpoint:
        enable_gradient_checkpointing(network)
    dim = network(torch.zeros(2, *training.pixels.shape[1:], device=fabric.device)).shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # which proxies or a projector are drawn from
        objective = recipe.objective(network, sampler, dim).to(fabric.device)
    average = MovingAverage(network, recipe.averaging)
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

    if processes.broadcast(step) != step:
        raise TrainingError(f"process {processes.rank} does not find {checkpoint_file}: let all have the same folder")
    processes.broadcast_modules(network, average, objective)
    if recipe.compile:
        network.backbone.compile()
    forward, optimizer = fabric.setup(objective.training_module(network), optimizer)
    backward = preserve_running_stats(network, fabric.backward) if recipe.checkpoint else fabric.backward
    cached = replace(recipe.cached(), processes=processes)
    context = StepContext(forward, cached, backward, fabric.autocast, teaching=recipe.teaching)
    score = best_score if best_score >= 0 else None
    started, last_saved = time.monotonic() - elapsed, time.monotonic()
    done = _done(step, elapsed, recipe)
    with (folder / "log.jsonl" if processes.is_rank_zero else Path(os.devnull)).open("a", encoding="utf-8") as log:
        while done < 1:
            before = time.monotonic()
            for group in optimizer.param_groups:
                group["lr"] = group["lr_scale"] * _schedule(step, done, recipe)

            optimizer.zero_grad(set_to_none=True)
            loss, seen, coarse = torch.zeros((), device=fabric.device), [], done < recipe.coarse
            for number in range(step * recipe.accumulate, (step + 1) * recipe.accumulate):
                batch, uniform = next_batch(sampler, number, uniform, means.numpy(), recipe, seed)
                own, changes = own_share(batch, processes), [seed, number, *processes.seed_suffix]
                pixels = views_of(own, training, objective.views, recipe, fabric.device, changes, coarse=coarse)
                targets = torch.from_numpy(own.targets).to(fabric.device)
                taught = replace(context, taught=training.taught(batch, fabric.device))
                with drawing_from([seed, 5, number], fabric.device):
                    part, embeddings = objective.backward(taught, pixels, targets)
                loss = loss + part / recipe.accumulate
                seen.append((embeddings, batch.targets))
            if recipe.accumulate > 1:
                torch._foreach_div_(gradients(optimizer), recipe.accumulate)
            processes.sum_gradients(network, objective)
            clip(optimizer, recipe.clip, step)
            optimizer.step()
            average.update()
            for embeddings, known in seen if recipe.lookalikes else ():
                remember(means, embeddings.float().cpu(), torch.from_numpy(known))

            step += 1
            elapsed, was = processes.broadcast(time.monotonic() - started), done
            done = _done(step, elapsed, recipe)
            objective.after_step(network, done)
            value = float(loss)
            if not math.isfinite(value):
                raise TrainingError(f"the loss became {value} at step {step}: try a lower learning rate")
            if validation is not None and _due(was, done):
                score = validate(average.module, validation, metric_of(objective), fabric.device, processes)
                if score >= best_score:
                    best, best_score = _weights(average.module, objective), score
                last_saved = -math.inf
            speed = sum(len(known) for _, known in seen) / (time.monotonic() - before)
            rate = optimizer.param_groups[0]["lr"]
            progress = TrainingProgress(step, done, elapsed, value, rate, speed, score, best_score if best else None)
            if step % LOG_STEPS == 0 or done >= 1:
                log.write(json.dumps(progress.__dict__) + "\n")
                log.flush()
            if processes.is_rank_zero and time.monotonic() - last_saved > CHECKPOINT_SECONDS:
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
            if processes.is_rank_zero:
                callback(progress)
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


def validate(
    network: nn.Module,
    validation: PictureSubset,
    metric: Metric,
    device: torch.device,
    processes: ProcessGroup = SINGLE_PROCESS,
) -> float:
    """R@1 among the pictures held out. Each process embeds its share; the first measures."""
    places = np.arange(len(validation.rows))[processes.share(len(validation.rows))]
    # Where there are more processes than pictures, some embed one for nothing.
    own = embed(network, validation.read(places if len(places) else np.zeros(1, np.int64)), device)[: len(places)]
    embeddings = processes.all_gather(torch.from_numpy(own), processes.sizes(len(own))).numpy()
    if not processes.is_rank_zero:
        return processes.broadcast(0.0)
    found = retrieval(embeddings, validation.classes, metric=metric, query_groups=validation.groups, ks=(1,))
    return processes.broadcast(float(found.r_at[1]))


def _due(was: float, done: float) -> bool:
    """Is it time for a validation?"""
    return done >= 1 or (done >= 0.5 and int(done * VALIDATIONS) > int(was * VALIDATIONS))


def _done(step: int, elapsed: float, recipe: Recipe) -> float:
    return min(1.0, max(step / recipe.steps, elapsed / (60 * recipe.minutes)))


def _schedule(step: int, done: float, recipe: Recipe) -> float:
    """Linear warm-up by steps, then half a cosine by what is done."""
    return min(1.0, (step + 1) / max(1.0, recipe.warmup_steps)) * 0.5 * (1 + math.cos(math.pi * done))


def _weights(network: nn.Module, objective: Objective) -> Tensors:
    """What a model is made of: its network, and what was learned of its metric."""
    arrays = metric_of(objective).arrays().items()
    return _copy(network) | {METRIC + name: torch.from_numpy(array) for name, array in arrays}


def _copy(module: nn.Module) -> Tensors:
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}
