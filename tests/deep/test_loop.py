"""The training loop: its steps, its schedule, its moving average, and a compiled network."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric
from tests.deep.in_processes import RECIPE, Plain, pictures
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

import semelha
from semelha.deep import Network, build, train_network
from semelha.deep.export import export_onnx
from semelha.deep.loop import LoopSettings, Trained, TrainingProgress, fit, moving_average
from semelha.deep.losses import SupCon
from semelha.deep.sampler import MPerClass, Pool
from semelha.errors import TrainingError, UsageError

ONE = replace(RECIPE, lookalikes=0.0, accumulate=1, loss=lambda classes, dim: SupCon())


def as_it_is(pixels: Tensor, generator: torch.Generator) -> Tensor:
    return pixels.float()


def trained(
    folder: Path,
    network: nn.Module,
    loop: LoopSettings = LoopSettings(),
    callback: Callable[[TrainingProgress], None] = lambda progress: None,
    **changes: Any,
) -> Trained:
    return fit(
        network,
        pictures(0, 12),
        None,
        replace(ONE, **{"augmentation": as_it_is, **changes}),
        fabric=Fabric(accelerator="cpu", devices=1),
        folder=folder,
        plan="test",
        seed=0,
        resume=False,
        callback=callback,
        loop=loop,
    )


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[dict[tuple[int, ...], Tensor]]:
    """The gradients that the optimizer has seen, by their shapes, step by step."""
    seen: list[dict[tuple[int, ...], Tensor]] = []
    whole = torch.optim.AdamW.step

    def step(self: torch.optim.AdamW, closure: Any = None) -> Any:
        parameters = [p for group in self.param_groups for p in group["params"]]
        seen.append({tuple(p.shape): p.grad.clone() for p in parameters if p.grad is not None})
        return whole(self, closure)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    return seen


def mean_gradients(number: int) -> dict[tuple[int, ...], Tensor]:
    """Of the first batches, each by itself, by a plain loop. No two weights of one shape but scale and shift."""
    part = pictures(0, 12)
    sampler = MPerClass(Pool(part.classes, part.labels), batch=ONE.batch, per_class=ONE.per_class, seed=0)
    each = []
    for place in range(number):
        batch, network = sampler.batch(place), Plain()
        pixels = torch.from_numpy(part.read(batch.pictures)).float()
        SupCon()(network(pixels), torch.from_numpy(batch.targets)).backward()
        each.append({tuple(p.shape): p.grad for p in network.parameters() if p.grad is not None})
    return {shape: torch.stack([gradients[shape] for gradients in each]).mean(dim=0) for shape in each[0]}


def test_a_step_of_several_batches_has_the_mean_of_their_gradients(tmp_path: Path, steps: list[Any]) -> None:
    trained(tmp_path, Plain(), accumulate=3, steps=1, clip=1e9)
    torch.testing.assert_close(steps[0], mean_gradients(3), rtol=1e-4, atol=1e-6)


def test_a_large_gradient_is_made_smaller_and_a_small_one_left(tmp_path: Path, steps: list[Any]) -> None:
    for clip in (1e9, 1e-3):
        (tmp_path / str(clip)).mkdir()
        trained(tmp_path / str(clip), Plain(), steps=1, clip=clip)
    kept, clipped = steps
    norm = torch.cat([gradient.flatten() for gradient in clipped.values()]).norm()
    # Scale and shift of the normalization have one shape, and of those the dictionary keeps the last.
    assert 5e-4 < float(norm) <= 1e-3
    ratios = [float((clipped[shape] / kept[shape]).median()) for shape in kept]
    assert max(ratios) == pytest.approx(min(ratios), rel=1e-3)


def test_a_gradient_that_is_not_finite_is_said(tmp_path: Path) -> None:
    class Endless(nn.Module):
        def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
            return embeddings.sum() * float("inf")

    with pytest.raises(TrainingError, match="the gradient became nan at step 1: try a lower learning rate"):
        trained(tmp_path, Plain(), loss=lambda classes, dim: Endless())


def test_the_moving_average_is_that_of_torch() -> None:
    """Parameters, running averages and counts, with a memory that grows up to its decay."""

    def grown(averaged: Tensor, current: Tensor, count: Tensor) -> Tensor:
        decay = min(0.9, int(count) / (9 + int(count)))
        return decay * averaged + (1 - decay) * current

    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    ours, theirs = moving_average(network, 0.9), AveragedModel(network, avg_fn=grown, use_buffers=True)
    for step in range(200):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.sin(torch.tensor(float(step))))
        network(torch.randn(8, 3, generator=torch.Generator().manual_seed(step)))
        ours.update(network, step=step + 1)
        theirs.update_parameters(network)
    expected = theirs.module.state_dict()
    for name, found in ours.module.state_dict().items():
        if "num_batches" not in name:  # torch averages what is counted, too
            torch.testing.assert_close(found, expected[name], rtol=1e-5, atol=1e-5, msg=name)


def learning_rates(folder: Path, clock: Callable[[], float], **changes: Any) -> list[float]:
    rates: list[float] = []
    trained(
        folder,
        Plain(),
        LoopSettings(clock=clock),
        lambda progress: rates.append(progress.learning_rate / ONE.learning_rate),
        **changes,
    )
    return rates


def test_a_training_by_the_clock_leaves_its_warmup_and_anneals(tmp_path: Path) -> None:
    """10 minutes are over after 25 of 8,000 steps: the rate rises to its full value all the same, and falls to zero."""
    seconds = [0.0]

    def clock() -> float:
        return seconds[0]

    def ticking(pixels: Tensor, generator: torch.Generator) -> Tensor:
        seconds[0] += 24.0  # a step
        return pixels.float()

    rates = learning_rates(tmp_path, clock, steps=8000, minutes=10.0, warmup=0.1, augmentation=ticking)
    assert len(rates) == 25
    assert max(rates) > 0.9
    assert rates[0] < rates[1] < rates[2]
    assert rates[-1] < 0.01
    assert rates[5:] == sorted(rates[5:], reverse=True)


def test_a_training_by_steps_warms_up_for_a_fraction_of_them(tmp_path: Path) -> None:
    rates = learning_rates(tmp_path, lambda: 0.0, steps=20, warmup=0.25)
    cosine = [0.5 * (1 + math.cos(math.pi * step / 20)) for step in range(20)]
    assert rates == pytest.approx([min(1, (step + 1) / 5) * each for step, each in enumerate(cosine)])


def test_no_batch_is_refused() -> None:
    with pytest.raises(UsageError, match="accumulate is 0"):
        replace(ONE, accumulate=0)


def test_blocks_computed_again_learn_the_same(tmp_path: Path) -> None:
    """Running averages and all, to the last step."""
    runs = []
    for checkpoint in (False, True):
        folder = tmp_path / str(checkpoint)
        folder.mkdir()
        network = build(Network(size=16, dim=8), seed=0)
        runs.append(trained(folder, network, checkpoint=checkpoint, steps=4))
    for name, tensor in runs[0].weights.items():
        torch.testing.assert_close(runs[1].weights[name], tensor, rtol=1e-3, atol=1e-4, msg=name)


def test_the_network_is_one_graph() -> None:
    """No break in the backbone, which is what torch.compile gets."""
    network, x = build(Network(size=16, dim=8), seed=0), torch.zeros(4, 1, 16, 16)
    told = torch._dynamo.explain(network.backbone)(x)
    assert told.graph_count == 1, told.break_reasons


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_has_the_same_gradients_and_is_exported(tmp_path: Path) -> None:
    """In float64: sums of another order, which Adam would enlarge, differ by nothing that matters."""
    gradients = []
    for compiled in (False, True):
        network = build(Network(size=16, dim=8), seed=0).double()
        if compiled:
            network.backbone.compile()
        pixels = torch.randint(0, 256, (8, 1, 16, 16), generator=torch.Generator().manual_seed(0))
        network.backbone(network.normalize(pixels.double())).sin().sum().backward()
        gradients.append({name: weight.grad for name, weight in network.backbone.named_parameters()})
    for name, gradient in gradients[0].items():
        assert gradient is not None
        assert gradient.abs().max() > 0
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-7, atol=1e-9, msg=name)
    made = build(Network(size=16, dim=8), seed=0)
    made.load_state_dict(trained(tmp_path, made, compile=True, steps=2).weights)
    assert export_onnx(made, channels=1, size=16, name="compiled")


def test_settings_reach_the_card(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 16, 16), np.uint8)
    made = tuple(semelha.Picture(source=p, label=f"{i // 4}", name=f"{i}") for i, p in enumerate(pixels))
    recipe = replace(ONE, steps=2, accumulate=2, checkpoint=True, loss=semelha.deep.Recipe.loss)
    network = Network(channels=1, size=16, dim=8)
    model = train_network(semelha.Dataset("noise", made), out=tmp_path / "m", network=network, recipe=recipe)
    assert (model.card.training["accumulate"], model.card.training["checkpoint"]) == (2, True)
