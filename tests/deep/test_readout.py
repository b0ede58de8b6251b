"""The embedding read from the layers: what it is made of, that it is what is published, and where it is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.tiny_model import noise

import semelha
from semelha.deep import Augmentation, Network, Recipe, build, train, train_network
from semelha.deep.losses import Contrastive
from semelha.deep.metric_layer import MetricLayer
from semelha.deep.readout import HEAD, WHITENING, MultiLayerNet, Places, fit_layer_readout, sample_places
from semelha.deep.small import SmallBackbone
from semelha.errors import TrainingError, UsageError
from semelha.images import Dataset, Picture, split_classes
from semelha.measures import retrieval
from semelha.metrics import Mahalanobis

NETWORK = Network(size=32, dim=12, readout="layers")
RECIPE = Recipe(steps=6, minutes=float("inf"), batch=16, warmup=1 / 3)


def pixels(number: int) -> np.ndarray:
    return np.stack([noise(n, 32)[:, :, :1].transpose(2, 0, 1) for n in range(number)])


def pictures(classes: int = 12, each: int = 4) -> Dataset:
    def drawn(label: int, number: int) -> np.ndarray:
        return (noise(label).astype(np.int16) + noise(100 + each * label + number) // 8).clip(0, 255).astype(np.uint8)

    made = (Picture(source=drawn(c, n), label=f"c{c}", name=f"{c}-{n}") for c in range(classes) for n in range(each))
    return Dataset("made", tuple(made))


def by_hand(x: np.ndarray) -> np.ndarray:
    """In float64, place by place: the similarities of a network without training."""
    network = build(NETWORK, seed=0).eval().double()
    assert isinstance(network.backbone, SmallBackbone)
    with torch.no_grad():
        given = torch.from_numpy(x).double()
        maps = network.backbone.maps((given - network.normalize.shift) * network.normalize.factor)
        parts = [HEAD**0.5 * F.normalize(network.head(network.pooling(maps[-1])), dim=1).numpy()]
    for each in maps[-2:]:
        grid = F.adaptive_avg_pool2d(each, 3).numpy()  # (n, channels, 3, 3)
        deviation = grid.std(axis=(0, 2, 3), ddof=1, keepdims=True)
        speaks = deviation > 1e-3 * deviation.max()
        grid = np.where(speaks, grid - grid.mean(axis=(0, 2, 3), keepdims=True), 0) / np.where(speaks, deviation, 1)
        places = grid / np.linalg.norm(grid, axis=1, keepdims=True)
        flat = places.reshape(len(x), -1)
        parts.append(flat / np.linalg.norm(flat, axis=1, keepdims=True))
    joined = np.concatenate(parts, axis=1)
    centered = joined - joined.mean(axis=0)
    axes = np.linalg.svd(centered, full_matrices=False)[2][:39]
    along = centered @ axes.T
    even = along * along.var(axis=0) ** (-WHITENING / 2)
    return np.asarray(even / np.linalg.norm(even, axis=1, keepdims=True))


def test_it_is_the_layers_joined_along_their_axes_and_evened_out() -> None:
    """As many axes as 40 pictures have, each seen twice and unchanged."""
    x = pixels(40)
    still = Augmentation(rotate=0, scale=0, stretch=0, shear=0, translate=0)
    read = fit_layer_readout(build(NETWORK, seed=0), x, 39, augmentation=still, seed=0)
    with torch.no_grad():
        found = read(torch.from_numpy(x)).numpy()
    assert read.dim == 39
    expected = by_hand(x)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=2e-3)


def test_few_pictures_are_seen_several_times_and_many_in_part() -> None:
    read = fit_layer_readout(build(NETWORK, seed=0), pixels(3), 12, augmentation=Augmentation(), seed=0)
    assert read.dim == 12
    assert torch.isfinite(read(torch.from_numpy(pixels(3)))).all()
    assert sample_places(5, seed=0).tolist() == [0, 1, 2, 3, 4]
    many = sample_places(10_000, seed=1)
    assert len(many) == len(set(many)) == 2048
    assert many.max() > 9000


def test_a_channel_that_says_nothing_counts_nothing() -> None:
    places = Places(3)
    grid = torch.randn(20, 27, generator=torch.Generator().manual_seed(0))
    grid[:, 9:18] = 7.0
    places.fit(grid)
    grid[:, 9:18] = 8.0  # in a new picture it speaks
    found = places(grid).unflatten(1, (3, 9))
    assert torch.isfinite(found).all()
    assert not found[:, 1].any()
    torch.testing.assert_close(found.flatten(1).norm(dim=1), torch.ones(20))


def test_pictures_that_are_all_one_are_an_error() -> None:
    same = np.repeat(pixels(1), 30, axis=0)
    with pytest.raises(TrainingError, match="the same features for all pictures"):
        fit_layer_readout(build(NETWORK, seed=0), same, 12, augmentation=Augmentation(), seed=0)


def test_a_training_publishes_what_is_read_and_says_how_good_that_is(tmp_path: Path) -> None:
    dataset = pictures()
    model = train_network(dataset, out=tmp_path / "m", network=NETWORK, recipe=RECIPE)
    card = json.loads((tmp_path / "m" / "model.json").read_text(encoding="utf-8"))
    assert (card["network"]["readout"], model.dim, card["metric"]["name"]) == ("layers", 12, "cosine")
    vectors = model.embed(dataset.pictures)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    headed = train_network(dataset, out=tmp_path / "h", network=replace(NETWORK, readout="head"), recipe=RECIPE)
    assert np.abs(headed.embed(dataset.pictures) @ headed.embed(dataset.pictures).T - vectors @ vectors.T).max() > 0.01
    again = train_network(dataset, out=tmp_path / "again", network=NETWORK, recipe=RECIPE)
    np.testing.assert_array_equal(again.embed(dataset.pictures), vectors)
    baseline = semelha.deep.untrained_embedder(model.card)
    assert baseline is not None
    assert baseline.embed(dataset.pictures[:2]).shape == (2, 12)


def test_the_figure_of_the_card_is_of_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R@1 on the classes held out, of the vectors that the model gives: along two axes far less than of the head."""

    def along_two(*given: Any, **named: Any) -> MultiLayerNet:
        read = fit_layer_readout(*given, **named)
        read.axes, read.dim = read.axes[:, :2].contiguous(), 2
        return read

    monkeypatch.setattr(train, "fit_layer_readout", along_two)
    dataset, recipe = pictures(24, 3), replace(RECIPE, validation=0.5)
    measured = {}
    for readout in ("layers", "head"):
        network = replace(NETWORK, readout=readout)
        model = train_network(dataset, out=tmp_path / readout, network=network, recipe=recipe)
        held_out = split_classes(dataset, 0.5, seed=0)[1]
        labels = np.unique(held_out.labels, return_inverse=True)[1]
        found = retrieval(model.embed(held_out.pictures), labels, metric=model.metric, ks=(1,))
        measured[readout] = model.card.results["r_at_1_on_held_out_classes"]
        assert measured[readout] == pytest.approx(found.r_at[1], abs=1e-4)
    assert measured["layers"] < measured["head"] - 0.2


def test_the_state_is_that_of_the_network_and_little_more() -> None:
    network = build(NETWORK, seed=0)
    read = MultiLayerNet(network, 12)
    beside = {name for name in read.state_dict() if not name.startswith("network.")}
    assert beside == {"mean", "axes", "places.0.shift", "places.0.factor", "places.1.shift", "places.1.factor"}
    assert len(read.state_dict()) == len(network.state_dict()) + len(beside)


@pytest.mark.parametrize("wrong", [{"backbone": "resnet10t"}, {"dim": None}, {"head": "simplex"}])
def test_layers_are_read_of_our_networks_alone(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="is for our own networks, small and medium"):
        Network(readout="layers", **wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="it must be one of head, layers"):
        Network(readout="tail")  # type: ignore[arg-type]


def test_a_distance_that_is_learned_is_of_the_head(tmp_path: Path) -> None:
    recipe = replace(RECIPE, loss=lambda counts, dim: Contrastive(metric=MetricLayer(Mahalanobis(M=np.eye(dim)))))
    with pytest.raises(UsageError, match="mahalanobis compares outputs of the head"):
        train_network(pictures(), out=tmp_path / "m", network=NETWORK, recipe=recipe)
    assert not (tmp_path / "m.training").exists()
    model = train_network(pictures(), out=tmp_path / "m", recipe=recipe)  # where nothing is said it gives way
    assert model.card.network["readout"] == "head"
    assert model.metric.name == "mahalanobis"
