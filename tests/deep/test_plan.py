"""The planner: defaults, explicit settings, and what does not go together."""

from functools import partial

import numpy as np
import pytest
import torch
from tests.tiny_model import noise
from timm.optim.lars import Lars
from torch import nn

import semelha
from semelha.deep import Network, Recipe, TrainingSettings, train
from semelha.deep.losses import CrossBatchMemory, NPair, ProxyNCA, SupCon, Triplet
from semelha.deep.metric_layer import MetricLayer
from semelha.deep.plan import NetworkPlan, plan_feature_extractor, plan_network
from semelha.deep.sampler import ClassBalanced, Hierarchical, MPerClass
from semelha.deep.ssl import METHODS, SimCLR
from semelha.errors import UsageError
from semelha.images import Dataset, Picture
from semelha.metrics import Mahalanobis, Matusita


@pytest.fixture
def dataset() -> Dataset:
    pictures = (Picture(source=noise(n), label=f"{'ab'[n % 2]}.{n % 4}", name=f"{n}") for n in range(12))
    return Dataset("made", tuple(pictures))


def planned(dataset: Dataset, **settings: object) -> NetworkPlan:
    return plan_network(dataset, settings=TrainingSettings(**settings))  # type: ignore[arg-type]


def by_matusita(counts: np.ndarray, dim: int) -> nn.Module:
    return SupCon(metric=Matusita())


def by_mahalanobis(counts: np.ndarray, dim: int) -> nn.Module:
    return Triplet(metric=MetricLayer(Mahalanobis(M=np.eye(dim))))


def with_memory(counts: np.ndarray, dim: int, size: int) -> nn.Module:
    return CrossBatchMemory(Triplet(), dim, size=size)


def test_settings_replace_fields_of_what_is_chosen(dataset: Dataset) -> None:
    plan = planned(dataset, backbone="resnet10t", size=32, learning_rate=1e-3, layer_decay=0.8, freeze=0.5, batch=64)
    assert (plan.network.backbone, plan.network.size) == ("resnet10t", 32)
    recipe = plan.recipe
    assert (recipe.learning_rate, recipe.layer_decay, recipe.freeze, recipe.batch) == (1e-3, 0.8, 0.5, 64)
    assert any("backbone resnet10t" in reason for reason in plan.reasons)


def test_settings_replace_fields_of_what_is_given(dataset: Dataset) -> None:
    network, recipe = Network(size=24, dim=8), Recipe(steps=9, batch=8)
    plan = plan_network(dataset, network=network, recipe=recipe, settings=TrainingSettings(size=16, steps=5), minutes=2)
    assert (plan.network.size, plan.network.dim) == (16, 8)
    assert (plan.recipe.steps, plan.recipe.batch, plan.recipe.minutes) == (5, 8, 2)
    assert plan.reasons == ()


def test_warmup_is_a_hundred_steps_or_a_third_of_a_short_training(dataset: Dataset) -> None:
    assert planned(dataset).recipe.warmup == pytest.approx(1 / 3)
    assert planned(dataset, steps=1000).recipe.warmup == pytest.approx(0.1)
    assert planned(dataset, steps=30).recipe.warmup == pytest.approx(1 / 3)


def test_pretrained_weights_bring_their_size_unless_another_is_set(dataset: Dataset) -> None:
    plan = planned(dataset, backbone="resnet10t", pretrained=True)
    assert (plan.network.pretrained, plan.network.size, plan.network.channels) == (True, 176, 3)
    assert plan.recipe.learning_rate == 3e-4
    smaller = planned(dataset, backbone="resnet10t", pretrained="file.pth", size=64, channels=1).network
    assert (smaller.pretrained, smaller.size, smaller.channels) == ("file.pth", 64, 1)


def test_the_head_follows_the_metric_unless_it_is_explicit(dataset: Dataset) -> None:
    """The loss in the settings or in the recipe: the answer is the same."""
    for plan in (planned(dataset, loss=by_matusita), plan_network(dataset, recipe=Recipe(loss=by_matusita))):
        assert (plan.network.head, plan.network.readout) == ("simplex", "head")
        assert any("simplex" in reason for reason in plan.reasons)
    assert planned(dataset, loss=by_mahalanobis).network.readout == "head"
    assert planned(dataset).network.readout == "layers"
    with pytest.raises(UsageError, match="matusita compares histograms: give the network the head 'simplex'"):
        plan_network(dataset, network=Network(), recipe=Recipe(loss=by_matusita))
    with pytest.raises(UsageError, match="mahalanobis compares outputs of the head"):
        planned(dataset, loss=by_mahalanobis, readout="layers")


def test_batches_suit_the_loss_and_the_sampler(dataset: Dataset) -> None:
    assert planned(dataset, loss=lambda counts, dim: NPair()).recipe.per_class == 2 < planned(dataset).recipe.per_class
    assert planned(dataset).recipe.lookalikes > 0
    by_family = partial(Hierarchical, separator=".")
    for sampler, share in ((MPerClass, 0.5), (ClassBalanced, 0.0), (by_family, 0.0)):
        recipe = planned(dataset, sampler=sampler).recipe
        assert (recipe.sampler, recipe.lookalikes) == (sampler, share)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_method_without_labels_takes_the_settings_of_a_network(method: object, dataset: Dataset) -> None:
    settings = TrainingSettings(backbone="resnet10t", size=32, dim=8, batch=4, chunk=3, steps=7)
    plan = plan_network(dataset, method=method, settings=settings)  # type: ignore[arg-type]
    assert (plan.network.backbone, plan.network.dim) == ("resnet10t", 8)
    assert plan.recipe.method == method
    assert (plan.recipe.batch, plan.recipe.chunk, plan.recipe.steps) == (4, 3, 7)
    assert (plan.recipe.lookalikes, plan.recipe.validation, plan.recipe.coarse) == (0, 0, 0)


def test_optimizers_come_with_their_rates(dataset: Dataset) -> None:
    found = {
        name: plan_network(dataset, method=SimCLR(), settings=TrainingSettings(optimizer=name)).recipe  # type: ignore[arg-type]
        for name in ("adamw", "sgd", "lars")
    }
    parameters = [torch.nn.Parameter(torch.ones(2, 2))]
    kinds = {name: type(recipe.optimizer(parameters, lr=0.1)) for name, recipe in found.items()}
    assert kinds == {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD, "lars": Lars}
    assert found["lars"].learning_rate == pytest.approx(0.3 * found["lars"].batch / 256)
    assert found["adamw"] == plan_network(dataset, method=SimCLR()).recipe
    own = TrainingSettings(optimizer="sgd", learning_rate=0.5)
    assert plan_network(dataset, method=SimCLR(), settings=own).recipe.learning_rate == 0.5


def test_a_network_that_is_not_trained_takes_its_own_settings_alone(dataset: Dataset) -> None:
    settings = TrainingSettings(backbone="resnet10t", pretrained=True, pooling="gem")
    network, reasons = plan_feature_extractor(dataset, settings=settings)
    assert (network.backbone, network.pretrained, network.pooling, network.dim) == ("resnet10t", True, "gem", None)
    assert "photos" in reasons[0]
    for more in ({"loss": by_matusita}, {"dim": 8}, {"freeze": 1.0}, {"steps": 3}):
        with pytest.raises(UsageError, match=f"pooling alone: leave out {next(iter(more))}"):
            plan_feature_extractor(dataset, settings=TrainingSettings(**more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"loss": lambda counts, dim: ProxyNCA(len(counts), dim, metric=Matusita())},
            "matusita takes histograms",
        ),
        ({"loss": partial(with_memory, size=255)}, "the memory holds 255 embeddings: it must hold a batch, 256"),
        ({"chunk": 2}, "it must be 3 or more"),
        ({"batch": 3}, "a batch needs two pictures each of two classes"),
        ({"optimizer": "lars"}, "for a method without labels alone"),
        ({"teaching": 0.5}, "give a teacher too"),
        ({"stem": "small"}, "a small stem is for a ResNet of timm"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, object], said: str, dataset: Dataset) -> None:
    with pytest.raises(UsageError, match=said):
        planned(dataset, **settings)


@pytest.mark.parametrize("settings", [{"loss": by_matusita}, {"sampler": ClassBalanced}])
def test_a_method_without_labels_takes_no_settings_of_labels(settings: dict[str, object], dataset: Dataset) -> None:
    with pytest.raises(UsageError, match=f"simclr learns without labels: leave out {next(iter(settings))}"):
        plan_network(dataset, method=SimCLR(), settings=TrainingSettings(**settings))  # type: ignore[arg-type]


def test_the_plan_is_what_train_uses(dataset: Dataset, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TrainingSettings(size=24, dim=8, steps=3)
    plan = semelha.plan_training(dataset, settings=settings, minutes=5)
    seen = {}

    def fit(network: object, training: object, validation: object, recipe: Recipe, **rest: object) -> None:
        seen["recipe"] = recipe
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "fit", fit)
    with pytest.raises(KeyboardInterrupt):
        semelha.train(dataset, out=f"{tmp_path}/m", settings=settings, minutes=5)
    assert seen["recipe"] == plan.recipe


def test_a_plan_says_what_for_how_long_and_why(dataset: Dataset) -> None:
    plan = semelha.plan_training(dataset, settings=TrainingSettings(steps=30))
    text = str(plan)
    assert "made: 12 pictures of 4 classes" in text
    assert "at most 30 steps of 256 pictures or 18 minutes" in text
    assert "of the pixels of a typical picture are black or white, and 0% of 12 inspected pictures are grey" in text
    assert "Set explicitly: steps 30." in text
    assert plan.to_json()["recipe"]["steps"] == 30  # type: ignore[index]


def test_plans_of_methods_without_a_training_of_a_network(dataset: Dataset) -> None:
    plan = semelha.plan_training(dataset, method="gmml")
    assert (plan.method, plan.features, plan.network, plan.recipe) == ("gmml", "HOG features", None, None)
    frozen = semelha.plan_training(dataset, method="none")
    assert frozen.network is not None
    assert (frozen.network.dim, frozen.recipe) == (None, None)
    with pytest.raises(UsageError, match="method gmml trains no network: leave out minutes, steps"):
        semelha.plan_training(dataset, method="gmml", minutes=3, settings=TrainingSettings(steps=3))
    with pytest.raises(UsageError, match="no method is called 'magic'"):
        semelha.plan_training(dataset, method="magic")
