"""Words of the command line become losses, distances, minings, memories and samplers, or are refused."""

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tiny_model import noise

from semelha.cli.app import main
from semelha.cli.choices import Asked, plan
from semelha.cli.losses import (
    ChosenLoss,
    Loss,
    MetricName,
    MiningName,
    class_losses,
    minings,
    pair_losses,
    proxy_losses,
)
from semelha.cli.names import SamplerName
from semelha.deep import Recipe
from semelha.deep import losses as L
from semelha.deep.metric_layer import MetricLayer, metric_of
from semelha.deep.sampler import ClassBalanced, Hierarchical, MPerClass
from semelha.errors import UsageError
from semelha.images import Dataset, Picture
from semelha.metrics import METRICS

PICTURES, DIM = np.array([4, 2, 9, 3]), 6


@pytest.fixture
def dataset() -> Dataset:
    pictures = (Picture(source=noise(n), label=f"{'ab'[n % 2]}.{n % 4}", name=f"{n}") for n in range(12))
    return Dataset("made", tuple(pictures))


@pytest.mark.parametrize("loss", Loss)
def test_every_loss_can_be_named(loss: Loss) -> None:
    made = ChosenLoss(loss)(PICTURES, DIM)
    value = made(torch.randn(12, DIM, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 4)
    assert value > 0


def test_every_loss_and_mining_of_the_library_has_a_name() -> None:
    kinds = {getattr(L, name) for name in L.__all__} - {L.adacos_scale, L.dynamic_margins}
    losses = {part for loss in Loss for part in map(type, ChosenLoss(loss)(PICTURES, DIM).modules())}
    assert {kind for kind in kinds if issubclass(kind, torch.nn.Module)} - losses == {L.PairLoss, L.CrossBatchMemory}
    named = {type(make()) for make in minings().values()}
    assert {kind for kind in kinds if issubclass(kind, L.Mining)} == named | {L.Mining}
    assert sorted([*pair_losses(), *proxy_losses(), *class_losses()]) == sorted(Loss)
    margins = {type(getattr(ChosenLoss(loss)(PICTURES, DIM), "margin", None)) for loss in Loss}
    assert {kind for kind in kinds if issubclass(kind, L.SoftmaxMargin)} - {L.SoftmaxMargin} <= margins


def test_every_distance_of_vectors_or_histograms_has_a_name() -> None:
    """But that of thresholds, which are learned otherwise."""
    assert {name.value for name in MetricName} == {
        name for name, kind in METRICS.items() if kind.domain != "gaussians" and name != "agreement"
    }


@pytest.mark.parametrize("mining", MiningName)
@pytest.mark.parametrize("loss", [Loss.contrastive, Loss.triplet])
def test_a_mining_is_that_of_the_loss(mining: MiningName, loss: Loss) -> None:
    made = ChosenLoss(loss, mining=mining)(PICTURES, DIM)
    assert made.mining == minings()[mining]()


@pytest.mark.parametrize("metric", MetricName)
def test_a_distance_is_that_of_the_loss_and_of_the_model(metric: MetricName) -> None:
    chosen = ChosenLoss(Loss.ntxent, metric=metric)
    made = chosen(PICTURES, DIM)
    of_vectors = METRICS[metric].domain == "vectors"
    assert chosen.head == ("sphere" if of_vectors else "simplex")
    assert isinstance(made.metric, MetricLayer) == (metric == "mahalanobis")
    assert metric_of(made).name == ("cosine" if of_vectors and metric != "mahalanobis" else metric)
    x = torch.randn(12, DIM, generator=torch.Generator().manual_seed(0))
    assert made(x if of_vectors else x.softmax(dim=1), torch.arange(12) % 4) > 0


@pytest.mark.parametrize("loss", [Loss.proxynca, Loss.proxyanchor])
def test_proxies_take_any_distance_of_vectors(loss: Loss) -> None:
    x, labels = torch.randn(12, DIM, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 4
    made = ChosenLoss(loss, metric=MetricName.mahalanobis)(PICTURES, DIM)
    assert metric_of(made).name == "mahalanobis"
    made(x, labels).backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in made.parameters())
    assert type(ChosenLoss(loss, metric=MetricName.euclidean)(PICTURES, DIM).metric).__name__ == "Euclidean"


def test_a_memory_is_around_the_loss() -> None:
    chosen = ChosenLoss(Loss.circle, mining=MiningName.hard, memory=50)
    made = chosen(PICTURES, DIM)
    assert isinstance(made, L.CrossBatchMemory)
    assert (made.size, type(made.loss)) == (50, L.Circle)
    assert str(chosen) == "circle (mining hard, memory 50)"
    assert str(ChosenLoss(Loss.arcface)) == "arcface"


def test_a_plan_has_what_was_asked_for(dataset: Dataset) -> None:
    asked = Asked(loss=Loss.supcon, metric=MetricName.matusita, batch=64, chunk=16, sampler=SamplerName.hierarchical)
    network, recipe = plan(dataset, 0, asked)
    assert (network.head, recipe.batch, recipe.chunk, recipe.lookalikes) == ("simplex", 64, 16, 0)
    assert recipe.loss == ChosenLoss(Loss.supcon, metric=MetricName.matusita)
    assert isinstance(recipe.sampler, partial)
    assert (recipe.sampler.func, recipe.sampler.keywords) == (Hierarchical, {"separator": "/"})
    kinds = {name: plan(dataset, 0, Asked(sampler=name))[1].sampler for name in SamplerName}
    assert kinds[SamplerName.perclass] is MPerClass
    assert kinds[SamplerName.balanced] is ClassBalanced
    assert plan(dataset, 0)[1].lookalikes > 0
    assert plan(dataset, 0, Asked(loss=Loss.npair))[1].per_class == 2 < plan(dataset, 0)[1].per_class


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"loss": Loss.arcface, "mining": MiningName.hard}, "arcface is none: take one of contrastive, triplet"),
        ({"loss": Loss.centers, "memory": 900}, "center is none"),
        ({"loss": Loss.arcface, "metric": MetricName.euclidean}, "arcface has its own: take one of contrastive"),
        ({"loss": Loss.proxynca, "metric": MetricName.matusita}, "matusita is a distance between histograms"),
        ({"mining": MiningName.hard}, "name one of pairs, such as --loss contrastive"),
        ({"metric": MetricName.matusita}, "name one of pairs, such as --loss contrastive"),
        ({"loss": Loss.triplet, "memory": 255}, "--memory is 255: it must hold a batch, 256, or more"),
        ({"separator": "."}, "add --sampler hierarchical"),
        ({"chunk": 2}, "it must be 3 or more"),
        ({"batch": 3}, "a batch needs two pictures each of two classes"),
    ],
)
def test_what_does_not_go_together_is_refused(asked: dict[str, object], said: str, dataset: Dataset) -> None:
    with pytest.raises(UsageError, match=said):
        plan(dataset, 0, Asked(**asked))  # type: ignore[arg-type]


def test_the_page_on_losses_has_every_name_and_its_python_runs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf-8")
    first_cells = re.findall(r"^\| ([a-z-]+) \|", text, flags=re.MULTILINE)
    assert sorted(first_cells) == sorted([*Loss, *MiningName, *SamplerName])
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "docs/losses.md", "exec"), names)
    recipe = names["recipe"]
    assert isinstance(recipe, Recipe)
    assert isinstance(recipe.loss(PICTURES, DIM), L.CrossBatchMemory)


def test_train_with_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label in range(6):
        folder = tmp_path / "photos" / f"{'ab'[label % 2]}.{label}"
        folder.mkdir(parents=True)
        for number in range(3):
            pixels = noise(label).astype(np.int16) + noise(100 + 10 * label + number) // 16
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    words = ["train", str(tmp_path / "photos"), "--out", str(tmp_path / "m"), "--steps", "3", "--size", "24"]
    words += ["--dim", "16", "--loss", "margin", "--metric", "hellinger", "--mining", "easy-positive", "--json"]
    words += ["--memory", "40", "--batch", "8", "--chunk", "4", "--sampler", "hierarchical", "--separator", "."]
    with pytest.raises(SystemExit) as stopped:
        main(words)
    output = capsys.readouterr()
    assert not stopped.value.code, output.err
    told = json.loads(output.out)
    assert told["loss"] == "margin (mining easy-positive, metric hellinger, memory 40)"
    assert told["sampler"] == "Hierarchical(separator='.')"
    assert json.loads((tmp_path / "m" / "model.json").read_text())["metric"] == {"name": "hellinger"}
