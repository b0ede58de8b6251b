"""Words of the command line become losses, distances, minings, memories and samplers, or are refused."""

import json
import re
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tiny_model import noise

from semelha.arguments import number_arguments
from semelha.cli.app import main
from semelha.cli.training import SamplerName, parsed_settings
from semelha.deep import Recipe
from semelha.deep import losses as L
from semelha.deep.metric_layer import MetricLayer, metric_of
from semelha.deep.sampler import ClassBalanced, Hierarchical, MPerClass
from semelha.errors import UsageError
from semelha.metrics import METRICS
from semelha.named_losses import (
    METRIC_NAMES,
    Loss,
    MiningName,
    NamedLoss,
    class_losses,
    default_loss,
    minings,
    pair_losses,
    proxy_losses,
)

PICTURES, DIM = np.array([4, 2, 9, 3]), 6


@pytest.mark.parametrize("loss", Loss)
def test_every_loss_can_be_named(loss: Loss) -> None:
    made = NamedLoss(loss)(PICTURES, DIM)
    value = made(torch.randn(12, DIM, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 4)
    assert value > 0


def test_every_loss_and_mining_of_the_library_has_a_name() -> None:
    kinds = {getattr(L, name) for name in L.__all__} - {L.adacos_scale, L.dynamic_margins}
    losses = {part for loss in Loss for part in map(type, NamedLoss(loss)(PICTURES, DIM).modules())}
    assert {kind for kind in kinds if issubclass(kind, torch.nn.Module)} - losses == {L.PairLoss, L.CrossBatchMemory}
    named = {type(make()) for make in minings().values()}
    assert {kind for kind in kinds if issubclass(kind, L.Mining)} == named | {L.Mining}
    assert sorted([*pair_losses(), *proxy_losses(), *class_losses()]) == sorted(Loss)
    margins = {type(getattr(NamedLoss(loss)(PICTURES, DIM), "margin", None)) for loss in Loss}
    assert {kind for kind in kinds if issubclass(kind, L.SoftmaxMargin)} - {L.SoftmaxMargin} <= margins


def test_every_distance_of_vectors_or_histograms_has_a_name() -> None:
    """But that of thresholds, which are learned otherwise."""
    assert set(METRIC_NAMES) == {
        name for name, kind in METRICS.items() if kind.domain != "gaussians" and name != "agreement"
    }


@pytest.mark.parametrize("mining", MiningName)
@pytest.mark.parametrize("loss", [Loss.contrastive, Loss.triplet])
def test_a_mining_is_that_of_the_loss(mining: MiningName, loss: Loss) -> None:
    made = NamedLoss(loss, mining=mining)(PICTURES, DIM)
    assert made.mining == minings()[mining]()


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_a_distance_is_that_of_the_loss_and_of_the_model(metric: str) -> None:
    made = NamedLoss(Loss.ntxent, metric=metric)(PICTURES, DIM)
    of_vectors = METRICS[metric].domain == "vectors"
    assert isinstance(made.metric, MetricLayer) == (metric == "mahalanobis")
    assert metric_of(made).name == ("cosine" if of_vectors and metric != "mahalanobis" else metric)
    x = torch.randn(12, DIM, generator=torch.Generator().manual_seed(0))
    assert made(x if of_vectors else x.softmax(dim=1), torch.arange(12) % 4) > 0


@pytest.mark.parametrize("loss", [Loss.proxynca, Loss.proxyanchor])
def test_proxies_take_any_distance_of_vectors(loss: Loss) -> None:
    x, labels = torch.randn(12, DIM, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 4
    made = NamedLoss(loss, metric="mahalanobis")(PICTURES, DIM)
    assert metric_of(made).name == "mahalanobis"
    made(x, labels).backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in made.parameters())
    assert type(NamedLoss(loss, metric="euclidean")(PICTURES, DIM).metric).__name__ == "Euclidean"


def test_a_memory_is_around_the_loss() -> None:
    chosen = NamedLoss(Loss.circle, mining=MiningName.hard, memory=50)
    made = chosen(PICTURES, DIM)
    assert isinstance(made, L.CrossBatchMemory)
    assert (made.size, type(made.loss)) == (50, L.Circle)
    assert str(chosen) == "circle (mining hard, memory 50)"
    assert str(NamedLoss(Loss.arcface)) == "arcface"


def test_samplers_are_parsed() -> None:
    kinds = {}
    for name in get_args(SamplerName):
        settings = parsed_settings(name)
        assert settings is not None
        kinds[name] = settings.sampler
    assert kinds["per-class"] is MPerClass
    assert kinds["class-balanced"] is ClassBalanced
    families = kinds["hierarchical"]
    assert isinstance(families, partial)
    assert (families.func, families.keywords) == (Hierarchical, {"separator": "/"})
    assert parsed_settings() is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--loss", "arcface", "--mining", "hard"], "arcface is none: take one of contrastive, triplet"),
        (["--loss", "center", "--memory", "900"], "center is none"),
        (["--loss", "arcface", "--metric", "euclidean"], "arcface has its own: take one of contrastive"),
        (["--loss", "triplet", "--metric", "taxicab"], "no metric is called 'taxicab': there are bhattacharyya"),
        (["--mining", "hard"], "name one of pairs, such as --loss contrastive"),
        (["--metric", "matusita"], "name one of pairs, such as --loss contrastive"),
        (["--separator", "."], "add --sampler hierarchical"),
        (["--features", "scent"], "no features are called 'scent'"),
        (["--method", "magic"], "no method is called 'magic': there are"),
        (["--set", "margin"], "--set is 'margin': write a name and a number, such as margin=0.3"),
        (["--set", "temperature=cold"], "write a name and a number"),
        (["--set", "margin=1"], "the default loss has no setting 'margin': it has temperature"),
        (["--loss", "arcface", "--set", "margin=0"], "margin is 0.0: it must be a number above 0"),
        (["--method", "lda", "--set", "margin=1"], "lda has no setting 'margin': it has n_components"),
        (["--method", "simclr", "--set", "margin=1"], "simclr has no setting 'margin': it has temperature"),
        (["--method", "none", "--set", "margin=1"], "method none has no settings"),
    ],
)
def test_words_that_do_not_go_together_are_refused(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").mkdir()
    for number in range(2):
        Image.fromarray(noise(number)).save(tmp_path / "a" / f"{number}.png")
    with pytest.raises(SystemExit) as stopped:
        main(["train", str(tmp_path), "--plan", *words])
    assert stopped.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_the_page_on_losses_has_every_name_and_its_python_runs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf-8")
    first_cells = re.findall(r"^\| ([a-z-]+) \|", text, flags=re.MULTILINE)
    assert sorted(first_cells) == sorted([*Loss, *MiningName, *get_args(SamplerName)])
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
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


@pytest.mark.parametrize("loss", Loss)
def test_every_setting_of_a_loss_reaches_it(loss: Loss) -> None:
    """Each changes the value of the loss."""
    factories = {**pair_losses(), **proxy_losses(), **class_losses()}
    generator = torch.Generator().manual_seed(0)
    x, labels = torch.randn(12, DIM, generator=generator), torch.arange(12) % 4

    def value(*settings: tuple[str, float]) -> float:
        torch.manual_seed(0)  # of the proxies
        return float(NamedLoss(loss, settings=settings)(PICTURES, DIM)(x, labels).detach())

    for name, one in number_arguments(factories[loss]).items():
        assert value((name, 2 * one.default + 1)) != value(), name


def test_settings_of_losses_are_checked() -> None:
    assert str(NamedLoss(Loss.arcface, settings=(("margin", 0.3),))) == "arcface (margin 0.3)"
    assert not number_arguments(class_losses()[Loss.crossentropy])
    for loss, setting, said in [
        (Loss.arcface, ("margins", 1), "arcface has no setting 'margins': it has margin, scale, centers"),
        (Loss.crossentropy, ("scale", 1), "it has none"),
        (Loss.margin, ("classes", 3), "has no setting 'classes'"),
        (Loss.supcon, ("temperature", 0), "temperature is 0: it must be a number above 0"),
        (Loss.supcon, ("temperature", float("nan")), "temperature is nan"),
        (Loss.subcenter, ("centers", 1.5), "centers is 1.5: it must be a whole number"),
    ]:
        with pytest.raises(UsageError, match=re.escape(said)):
            NamedLoss(loss, settings=(setting,))


def test_the_default_loss_has_a_temperature() -> None:
    settings = parsed_settings(loss=default_loss({"temperature": 0.1}))
    assert settings is not None
    card = Recipe(**settings.recipe_fields()).as_card()
    assert card["loss"] == "pairs_and_proxies(temperature=0.1)"
    with pytest.raises(UsageError, match="the default loss has no setting 'margin': it has temperature"):
        default_loss({"margin": 1})
