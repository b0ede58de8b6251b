"""Words about pretrained weights, layers and teachers become networks and recipes, or are refused."""

import pytest
from tests.tiny_model import noise

from semelha.cli.choices import Asked, plan, plan_frozen
from semelha.cli.losses import Loss
from semelha.cli.names import Pooling
from semelha.errors import UsageError
from semelha.images import Dataset, Picture


@pytest.fixture
def dataset() -> Dataset:
    return Dataset("made", tuple(Picture(source=noise(n), label=f"{n % 4}", name=f"{n}") for n in range(12)))


def test_layers_rates_and_teachers_are_of_the_recipe(dataset: Dataset) -> None:
    asked = Asked(backbone="resnet10t", learning_rate=1e-3, layer_decay=0.8, freeze=0.5, teaching=2.0)
    recipe = plan(dataset, 0, asked)[1]
    assert (recipe.learning_rate, recipe.layer_decay, recipe.freeze, recipe.teaching) == (1e-3, 0.8, 0.5, 2.0)


def test_pretrained_weights_bring_their_size_unless_another_is_named(dataset: Dataset) -> None:
    asked = Asked(backbone="resnet10t", pretrained="yes")
    network, recipe = plan(dataset, 0, asked)
    assert (network.pretrained, network.size, network.channels) == (True, 176, 3)
    assert recipe.learning_rate == 3e-4
    smaller = plan(dataset, 0, Asked(backbone="resnet10t", pretrained="file.pth", size=64, channels=1))[0]
    assert (smaller.pretrained, smaller.size, smaller.channels) == ("file.pth", 64, 1)


def test_a_network_that_nothing_is_learned_on(dataset: Dataset) -> None:
    asked = Asked(backbone="resnet10t", pretrained="yes", pooling=Pooling.gem)
    network = plan_frozen(dataset, 0, asked)
    assert (network.backbone, network.pretrained, network.pooling) == ("resnet10t", True, "gem")
    for more in ({"loss": Loss.triplet}, {"dim": 8}, {"freeze": 1.0}, {"steps": 3}):
        with pytest.raises(UsageError, match="--method none learns nothing: beside it are"):
            plan_frozen(dataset, 0, Asked(**more))  # type: ignore[arg-type]
