"""Training goes on from a model of one's own: with more classes or other pictures."""

from pathlib import Path

import numpy as np
import pytest
from tests.deep.test_train import shapes

import semelha
from semelha import Model
from semelha.deep import Network, Recipe, TrainingSettings
from semelha.errors import UsageError

SMALL = Network(channels=1, size=24, dim=16)
SHORT = Recipe(steps=6, minutes=float("inf"), batch=16, per_class=2, warmup=0.2)
NOT_MOVED = TrainingSettings(steps=1, batch=16, learning_rate=0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapes(tmp_path_factory.mktemp("data") / "shapes", classes=9, pictures=3)


@pytest.fixture(scope="module")
def first(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Trained on six of the nine classes."""
    dataset = semelha.read_folder(data)
    six = dataset.select([n for n, picture in enumerate(dataset) if picture.label in dataset.classes[:6]])
    return semelha.train(six, out=tmp_path_factory.mktemp("models") / "first", network=SMALL, recipe=SHORT, seed=3)


def head_of(model: Model) -> np.ndarray:
    """The weights of its head, a part of a network whose layers are read."""
    return {name.removeprefix("network."): array for name, array in model.contents()[1].items()}["head.1.weight"]


def test_it_begins_with_the_weights_and_learns_more_classes(first: Model, data: Path, tmp_path: Path) -> None:
    same = semelha.train(data, out=tmp_path / "same", from_model=first, settings=NOT_MOVED)
    pictures = semelha.read_folder(data)
    assert np.array_equal(head_of(first), head_of(same))
    assert same.card.input == first.card.input
    assert same.card.classes == sorted(pictures.classes)
    assert set(first.card.content_hashes) <= set(same.card.content_hashes)
    assert same.card.training["from_model"] == {"name": "first", "fingerprint": first.fingerprint}
    further = semelha.train(data, out=tmp_path / "further", from_model=first.folder, recipe=SHORT)
    assert not np.array_equal(head_of(first), head_of(further))
    layers = TrainingSettings(steps=1, batch=16, learning_rate=0.0, readout="layers")
    for out in ("layers", "again"):  # the head is a part of such a network
        same = semelha.train(data, out=tmp_path / out, from_model=same, settings=layers)
        assert np.array_equal(head_of(first), head_of(same))


def test_the_plan_says_so(first: Model, data: Path) -> None:
    plan = semelha.plan_training(data, from_model=first)
    assert plan.network is not None
    assert (plan.network.size, plan.network.dim, plan.network.channels) == (24, 16, 1)
    assert plan.reasons[0] == "Network, input and first weights are those of first."
    assert plan.recipe is not None


@pytest.mark.parametrize(
    ("arguments", "conflict"),
    [
        ({"network": SMALL}, "leave out network"),
        ({"settings": TrainingSettings(size=32, backbone="medium")}, "leave out backbone, size"),
        ({"settings": TrainingSettings(dim=8)}, "leave out dim"),
        ({"method": "gmml"}, "method gmml trains no network: leave out from_model"),
        ({"method": "none"}, "method none trains no network: leave out from_model"),
    ],
)
def test_what_does_not_go_together(first: Model, data: Path, arguments: dict[str, object], conflict: str) -> None:
    with pytest.raises(UsageError, match=conflict):
        semelha.plan_training(data, from_model=first, **arguments)


@pytest.mark.filterwarnings("ignore::semelha.linear.subspace.RankDeficiencyWarning")
def test_a_model_without_a_network(first: Model, data: Path, tmp_path: Path) -> None:
    linear = semelha.train(data, out=tmp_path / "linear", method="lda")
    derived = semelha.derive([first], out=tmp_path / "derived", views=2)
    for model in (linear, derived):
        with pytest.raises(UsageError, match=f"from_model is {model.card.name}, which has no network"):
            semelha.plan_training(data, from_model=model)
