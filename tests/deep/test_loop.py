"""The loop's step: several batches a step, a compiled network, its graph."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric
from tests.deep.in_processes import RECIPE, Plain, pictures
from torch import Tensor, nn

import semelha
from semelha.deep import Network, build, train_network
from semelha.deep.export import export_onnx
from semelha.deep.loop import Trained, fit
from semelha.deep.losses import SupCon
from semelha.deep.sampler import MPerClass, Pool
from semelha.errors import UsageError

ONE = replace(RECIPE, lookalikes=0.0, accumulate=1, loss=lambda classes, dim: SupCon())


class Recording(Fabric):
    """Keeps the gradient of every step."""

    def __init__(self) -> None:
        super().__init__(accelerator="cpu", devices=1)
        self.gradients: list[list[Tensor]] = []

    def clip_gradients(self, module: nn.Module, *_: Any, **__: Any) -> None:
        self.gradients.append([p.grad.clone() for p in module.parameters() if p.grad is not None])


def as_it_is(pixels: Tensor, generator: torch.Generator) -> Tensor:
    return pixels.float()


def trained(folder: Path, fabric: Fabric, network: nn.Module, **changes: Any) -> Trained:
    return fit(
        network,
        pictures(0, 12),
        None,
        replace(ONE, augmentation=as_it_is, **changes),
        fabric=fabric,
        folder=folder,
        plan="test",
        seed=0,
        resume=False,
        watch=lambda moment: None,
    )


def test_a_step_of_several_batches_has_the_mean_of_their_gradients(tmp_path: Path) -> None:
    fabric, part = Recording(), pictures(0, 12)
    trained(tmp_path, fabric, Plain(), accumulate=3, steps=1)
    (found,) = fabric.gradients
    sampler = MPerClass(Pool(part.classes, part.labels), batch=ONE.batch, per_class=ONE.per_class, seed=0)
    each = []
    for number in range(3):
        batch, network = sampler.batch(number), Plain()
        pixels = torch.from_numpy(part.read(batch.pictures)).float()
        SupCon()(network(pixels), torch.from_numpy(batch.targets)).backward()
        each.append([p.grad for p in network.parameters() if p.grad is not None])
    expected = [torch.stack(gradients).mean(dim=0) for gradients in zip(*each, strict=True)]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


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
        runs.append(trained(folder, Fabric(accelerator="cpu", devices=1), network, checkpoint=checkpoint, steps=4))
    for name, tensor in runs[0].weights.items():
        torch.testing.assert_close(runs[1].weights[name], tensor, rtol=1e-3, atol=1e-4, msg=name)


def test_the_network_is_one_graph() -> None:
    """No break in the backbone, which is what torch.compile gets."""
    network, x = build(Network(size=16, dim=8), seed=0), torch.zeros(4, 1, 16, 16)
    told = torch._dynamo.explain(network.backbone)(x)
    assert told.graph_count == 1, told.break_reasons


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_learns_the_same_and_is_exported(tmp_path: Path) -> None:
    runs, networks = [], []
    for compiled in (False, True):
        folder = tmp_path / str(compiled)
        folder.mkdir()
        networks.append(build(Network(size=16, dim=8), seed=0))
        runs.append(trained(folder, Fabric(accelerator="cpu", devices=1), networks[-1], compile=compiled, steps=4))
    for name, tensor in runs[0].weights.items():
        torch.testing.assert_close(runs[1].weights[name], tensor, rtol=1e-2, atol=1e-3, msg=name)
    networks[1].load_state_dict(runs[1].weights)
    assert export_onnx(networks[1], channels=1, size=16, name="compiled")


def test_settings_reach_the_card(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 16, 16), np.uint8)
    made = tuple(semelha.Picture(source=p, label=f"{i // 4}", name=f"{i}") for i, p in enumerate(pixels))
    recipe = replace(ONE, steps=2, accumulate=2, checkpoint=True, loss=semelha.deep.Recipe.loss)
    network = Network(channels=1, size=16, dim=8)
    model = train_network(semelha.Dataset("noise", made), out=tmp_path / "m", network=network, recipe=recipe)
    assert (model.card.training["accumulate"], model.card.training["checkpoint"]) == (2, True)
