"""The readout of all stages: what it is made of, that it is what is published, and where it is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.deep.test_readout import pictures

import semelha
from semelha.deep import Network, Recipe, TrainingSettings, build, train_network
from semelha.deep.backbones import timm_backbone
from semelha.deep.stages import BothFeatures, StageFeatures, StageNet, projected, relevant_axes, whitened_axes
from semelha.deep.without_training import network_of
from semelha.errors import BackboneError, UsageError, VectorsError

TINY = Network(backbone="test_resnet", channels=3, size=64, dim=None)


def images(number: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (number, 3, 64, 64), np.uint8))


@pytest.mark.parametrize(
    ("name", "size"),
    [("test_efficientnet", 64), ("test_resnet", 64), ("test_vit", 160), ("test_convnext", 64), ("test_mambaout", 64)],
)
def test_features_are_means_of_the_maps_of_timm(name: str, size: int) -> None:
    network = build(Network(backbone=name, channels=3, size=size, dim=None), seed=0).eval()
    pixels = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (2, 3, size, size), np.uint8))
    with torch.inference_mode():
        both = BothFeatures(network)(pixels)
        embedding, found = both[:, : network.dim], both[:, network.dim :]
        x = (pixels.float() - 127.5) / 127.5
        kept = None if network.backbone.mapped else 4
        maps = network.backbone.model.forward_intermediates(x, indices=kept, intermediates_only=True)
        expected = []
        for each in maps:
            values = each.double().numpy()
            expected += [values.mean(axis=(2, 3)), np.cbrt((np.abs(values) ** 3).mean(axis=(2, 3)))]
        np.testing.assert_allclose(found.numpy(), np.concatenate(expected, axis=1), rtol=2e-4, atol=2e-5)
        torch.testing.assert_close(embedding, network(pixels), rtol=1e-4, atol=1e-5)


def test_relevant_axes_whiten_the_shrunk_covariance_within_classes() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 6)
    x = (random.normal(size=(40, 5))[labels] + 0.3 * random.normal(size=(240, 5))).astype(np.float32)
    mean, axes = relevant_axes(x, labels)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    inside = scaled - np.stack([scaled[labels == c].mean(axis=0) for c in range(40)])[labels]
    within = inside.T @ inside / len(x)
    within += 0.2 * np.trace(within) / 5 * np.eye(5)
    learned = axes.T.astype(np.float64) * x.std(axis=0)
    np.testing.assert_allclose(learned.T @ learned, np.linalg.inv(within), rtol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(projected(x, (mean, axes)), axis=1), 1, rtol=1e-5)


def test_whitened_axes_need_no_labels_and_few_pictures() -> None:
    x = np.random.default_rng(0).normal(size=(7, 50)).astype(np.float32)
    x[:, 3] = 2  # a feature that never differs
    mean, axes = whitened_axes(x)
    assert axes.shape == (50, 6)
    assert not axes[3].any()
    np.testing.assert_allclose(np.cov(((x - mean) @ axes).T), np.eye(6), atol=1e-3)
    with pytest.raises(VectorsError):
        relevant_axes(x[:1], np.zeros(1, int))


def test_what_is_published_is_what_was_fitted(tmp_path: Path) -> None:
    """A training whose readout is of stages; its model gives the same vectors from ONNX as in torch, and goes on."""
    network = Network(backbone="test_resnet", channels=3, size=32, dim=8, readout="stages")
    recipe = Recipe(steps=3, minutes=float("inf"), batch=16, warmup=1 / 3)
    model = train_network(pictures(), out=tmp_path / "m", network=network, recipe=recipe)
    assert model.card.network["readout"] == "stages"
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in model.contents()[1].items()}
    net = StageNet(network_of(model), (tensors["mean"].numpy(), tensors["axes"].numpy())).eval()
    prepared = np.stack([_prepared(model, picture) for picture in pictures(3)])
    with torch.inference_mode():
        np.testing.assert_allclose(model.extractor.vectors(prepared), net(torch.from_numpy(prepared)), atol=1e-4)
    settings = TrainingSettings(steps=2, batch=16, readout="stages")
    further = semelha.train(pictures(13), out=tmp_path / "n", from_model=model, settings=settings)
    assert further.card.network["backbone"] == "test_resnet"


def _prepared(model: semelha.Model, picture: semelha.Picture) -> np.ndarray:
    from PIL import Image

    return np.asarray(model.extractor.prepare(Image.fromarray(picture.pixels())))


def test_our_own_networks_have_layers_and_no_stages() -> None:
    with pytest.raises(UsageError, match="for our own it is 'layers'"):
        Network(readout="stages")
    with pytest.raises(UsageError, match="for our own it is 'layers'"):
        StageFeatures(build(Network(), seed=0))(images(1)[:, :1])


def test_a_model_without_maps_is_refused() -> None:
    backbone = timm_backbone("test_resnet", channels=3, size=64)
    backbone.model = torch.nn.Flatten()
    with pytest.raises(BackboneError, match="no feature maps of Flatten"):
        backbone.stages(images(1).float())
