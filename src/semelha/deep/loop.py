"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from semelha.deep.batches import augmented_views, next_batch, process_share, seeded, update_class_means
from semelha.deep.cache import PictureSubset
from semelha.deep.checkpoint import Tensors, TrainingState
from semelha.deep.distributed import SINGLE_PROCESS, ProcessGroup
from semelha.deep.domains import with_clean_pictures
from semelha.deep.fsdp import by_kind, shard, whole
from semelha.deep.gradcache import enable_gradient_checkpointing, preserve_running_stats
from semelha.deep.machines import load_latest
from semelha.deep.metric_layer import metric_of
from semelha.deep.network import EmbeddingNet
from semelha.deep.objective import Objective, StepContext
from semelha.deep.optimizer import clip, gradients, optimizer_for
from semelha.deep.recipe import Recipe
from semelha.deep.sampler import Sampler
from semelha.deep.shards import in_order, own_places
from semelha.embedders import METRIC
from semelha.errors import TrainingError
from semelha.measures import retrieval
from semelha.metrics import Metric


@dataclass(frozen=True)
class LoopSettings:
    """How often the loop saves, validates and logs, and the clock that it reads.

    Parameters
    ----------
    checkpoint_seconds : float
        Between two checkpoints, or as many times longer as one takes seconds, if more than one; a validation is
        followed by one in any case.
    validations : int
        In a whole training. The first half of it, which is never the best, has none.
    log_steps : int
        Between two lines of the log.
    clock : callable
        Returns seconds.
    """

    checkpoint_seconds: float = 30.0
    validations: int = 20
    log_steps: int = 10
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class TrainingProgress:
    """The progress of a training after a step, as a progress bar shows it and the log keeps it.

    Attributes
    ----------
    step : int
        Steps done.
    done : float
        Fraction of the training that is done, 0 to 1: of its steps or of its minutes, whichever is more.
    seconds : float
        Of training.
    loss, learning_rate, images_per_second : float
        Of this step.
    validation, best : float, optional
        The last and the best R@1 on the held-out classes.
    """

    step: int
    done: float
    seconds: float
    loss: float
    learning_rate: float
    images_per_second: float
    validation: float | None
    best: float | None


Callback = Callable[[TrainingProgress], None]


@dataclass(frozen=True)
class Trained:
    """The result of a training."""

    weights: Tensors  # the best ones of the network
    metric: Metric
    score: float | None  # R@1 on the held-out classes, if there are any
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
    callback: Callback,
    processes: ProcessGroup = SINGLE_PROCESS,
    loop: LoopSettings = LoopSettings(),
) -> Trained:
    """Train a copy of `network`; return its best moving average on the held-out classes, or the last without any.

    All processes return the same; only that of rank 0 writes files and calls `callback`. Raises `TrainingError` if the
    loss is no longer finite, or a checkpoint cannot be written or read.
    """
    sampler = recipe.make_sampler(training.pool(recipe), seed=seed)
    is_sharded = recipe.strategy == "fsdp" and processes.size > 1
    device = torch.device("cpu") if is_sharded else fabric.device
    memory_format = torch.contiguous_format if is_sharded else torch.channels_last  # FSDP takes the first alone
    network = copy.deepcopy(network).to(device).to(memory_format=memory_format)
    if recipe.checkpoint:
        enable_gradient_checkpointing(network)
    dim = network(torch.zeros(2, *training.pixels.shape[1:], device=device)).shape[1]
    network = processes.with_sync_batchnorm(network, fabric.device)
    average = moving_average(network, recipe.averaging)
    if is_sharded:
        processes.broadcast_modules(network, average)
        for each in (network, average.module):
            shard(each, fabric.device)
        average.foreach = False  # parts and whole buffers cannot be updated together
    state = _initial_state(network, average, sampler, recipe, dim, seed, fabric.device)
    objective, checkpoint_file = state.objective, folder / "checkpoint.pt"
    if resume:
        load_latest(state, checkpoint_file, plan=plan, processes=processes)
    processes.broadcast_modules(network, state.average, objective)
    if recipe.compile:
        network.backbone.compile()
    forward, optimizer = fabric.setup(objective.training_module(network), state.optimizer)
    backward = preserve_running_stats(network, fabric.backward) if recipe.checkpoint else fabric.backward
    cached = replace(recipe.grad_cache(), processes=processes)
    context = StepContext(forward, cached, backward, fabric.autocast, teaching=recipe.teaching)
    score = state.best_score if state.best else None
    started, last_saved, seconds_saving = loop.clock() - state.elapsed, state.elapsed, 0.0
    done = _fraction_done(state, recipe)
    with (folder / "log.jsonl" if processes.is_rank_zero else Path(os.devnull)).open("a", encoding="utf-8") as log:
        while done < 1:
            before = loop.clock()
            for group in optimizer.param_groups:
                group["lr"] = group["lr_scale"] * _lr_factor(done, recipe)

            optimizer.zero_grad(set_to_none=True)
            loss, seen, coarse = torch.zeros((), device=fabric.device), [], done < recipe.coarse
            for number in range(state.step * recipe.accumulate, (state.step + 1) * recipe.accumulate):
                batch = next_batch(sampler, number, state, done, recipe, seed)
                if training.clean is not None:
                    batch = with_clean_pictures(batch, training.classes, training.clean, [seed, 8, number])
                own, own_seed = process_share(batch, processes, recipe.shards), [seed, number, *processes.seed_suffix]
                pixels = augmented_views(own, training, objective.views, recipe, fabric.device, own_seed, coarse=coarse)
                targets = torch.from_numpy(own.targets).to(fabric.device)
                with_teacher = replace(context, teacher_vectors=training.vectors_by_teacher(batch, fabric.device))
                with seeded([seed, 5, number], fabric.device):
                    part, embeddings = objective.backward(with_teacher, pixels, targets)
                loss = loss + part / recipe.accumulate
                seen.append((embeddings, batch.targets))
            if recipe.accumulate > 1:
                for kind in by_kind(gradients(optimizer)):
                    torch._foreach_div_(kind, recipe.accumulate)
            processes.sum_gradients(network, objective)
            clip(optimizer, recipe.clip, state.step)
            optimizer.step()
            state.step += 1
            state.average.update(network, step=state.step)
            for embeddings, known in seen if recipe.lookalikes else ():
                update_class_means(state.class_means, embeddings.float().cpu(), torch.from_numpy(known))

            state.elapsed, done_before = processes.broadcast(loop.clock() - started), done
            done = _fraction_done(state, recipe)
            objective.after_step(network, done)
            value = float(loss)
            if not math.isfinite(value):
                raise TrainingError(f"the loss became {value} at step {state.step}: try a lower learning rate")
            if validation is not None and _validates(done_before, done, loop.validations):
                average = state.average.module
                score = validate(
                    average, validation, metric_of(objective), fabric.device, processes, shards=recipe.shards
                )
                if score >= state.best_score:
                    state.best, state.best_score = _weights(average, objective), score
                last_saved = -math.inf
            progress = TrainingProgress(
                step=state.step,
                done=done,
                seconds=state.elapsed,
                loss=value,
                learning_rate=optimizer.param_groups[0]["lr"],
                images_per_second=sum(len(known) for _, known in seen) / max(loop.clock() - before, 1e-9),
                validation=score,
                best=state.best_score if state.best else None,
            )
            if state.step % loop.log_steps == 0 or done >= 1:
                log.write(json.dumps(asdict(progress)) + "\n")
                log.flush()
            if state.elapsed - last_saved > loop.checkpoint_seconds * max(1.0, seconds_saving):
                before = loop.clock()
                if processes.is_rank_zero or state.is_sharded:
                    state.save(checkpoint_file if processes.is_rank_zero else None, plan=plan)
                seconds_saving = processes.broadcast(loop.clock() - before)
                last_saved = state.elapsed
            if processes.is_rank_zero:
                callback(progress)
    weights = state.best or _weights(state.average.module, objective)
    arrays = {name: weights.pop(METRIC + name).numpy() for name in metric_of(objective).arrays()}
    metric = metric_of(objective).with_arrays(arrays)
    return Trained(weights, metric, state.best_score if state.best else None, state.step, state.elapsed)


def _initial_state(
    network: EmbeddingNet,
    average: ModelEmaV3,
    sampler: Sampler,
    recipe: Recipe,
    dim: int,
    seed: int,
    device: torch.device,
) -> TrainingState:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # draws the weights of proxies or a projector
        objective = recipe.objective(network, sampler, dim).to(device)
    return TrainingState(
        network=network,
        average=average,
        objective=objective,
        optimizer=optimizer_for(network, objective, recipe),
        class_means=torch.zeros(sampler.targets if recipe.lookalikes else 0, dim),
        best={},
    )


def moving_average(network: nn.Module, decay: float) -> ModelEmaV3:
    """A moving average of weights and buffers. The first update copies them; after n updates the decay is n / (n + 9).

    It grows up to `decay`. `update` takes the number of the step, from 1 on.
    """
    return ModelEmaV3(network, decay=decay, use_warmup=True, warmup_gamma=9.0, warmup_power=1.0)


def embed(
    network: nn.Module, pixels: NDArray[np.uint8 | np.float16], device: torch.device, *, batch: int = 256
) -> NDArray[np.float32]:
    """(n, dim) embeddings of fitted pictures (n, channels, size, size), or of features (n, features).

    The network is in evaluation mode.
    """
    was, out = network.training, []
    network.eval()
    with torch.no_grad():  # FSDP refuses inference mode
        for start in range(0, len(pixels), batch):
            block = torch.from_numpy(np.array(pixels[start : start + batch])).to(device).float()
            block = block.contiguous(memory_format=torch.channels_last) if block.ndim == 4 else block
            out.append(network(block).cpu().numpy())
    network.train(was)
    return np.concatenate(out)


def validate(
    network: nn.Module,
    validation: PictureSubset,
    metric: Metric,
    device: torch.device,
    processes: ProcessGroup = SINGLE_PROCESS,
    *,
    shards: int = 1,
) -> float:
    """R@1 among the validation pictures. Each process embeds its share; that of rank 0 measures."""
    places = own_places(validation.shards, len(validation.rows), shards, processes)
    sizes = processes.sizes(len(places))
    # All embed the same number, because weights may be gathered for each block; the others are dropped.
    pixels = validation.read(places)
    padded = np.concatenate([pixels, np.zeros((max(sizes) - len(pixels), *pixels.shape[1:]), pixels.dtype)])
    own = embed(network, padded, device)[: len(places)]
    embeddings = in_order(torch.from_numpy(own), places, processes).numpy()
    if not processes.is_rank_zero:
        return processes.broadcast(0.0)
    found = retrieval(embeddings, validation.classes, metric=metric, query_groups=validation.groups, ks=(1,))
    return processes.broadcast(float(found.r_at[1]))


def _validates(before: float, done: float, validations: int) -> bool:
    """Whether a validation falls between two fractions of the training: none in its first half, one at its end."""
    return done >= 1 or (done >= 0.5 and int(done * validations) > int(before * validations))


def _fraction_done(state: TrainingState, recipe: Recipe) -> float:
    return min(1.0, max(state.step / recipe.steps, state.elapsed / (60 * recipe.minutes)))


def _lr_factor(done: float, recipe: Recipe) -> float:
    """Factor of the learning rate: a linear warm-up times half a cosine, both by the fraction that is done."""
    warmup = min(1.0, (done + 1 / recipe.steps) / recipe.warmup) if recipe.warmup else 1.0
    return warmup * 0.5 * (1 + math.cos(math.pi * done))


def _weights(network: nn.Module, objective: Objective) -> Tensors:
    """A copy of the weights of the network, and of the learned arrays of its metric."""
    weights = {name: tensor.detach().cpu().clone() for name, tensor in whole(network.state_dict()).items()}
    arrays = metric_of(objective).arrays().items()
    return weights | {METRIC + name: torch.from_numpy(array) for name, array in arrays}
