"""A backbone as it is becomes a model, used as any other; weights are made here, no file is fetched."""

from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from tests.tiny_model import noise

import semelha
from semelha.deep import Network, Recipe, train_network
from semelha.deep.network import with_statistics
from semelha.errors import DatasetError, PretrainedUnavailable, TrainingError, UsageError

NAME = "resnet10t"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    torch.manual_seed(0)
    save_file(timm.create_model(NAME, num_classes=10).state_dict(), file)
    return str(file)


def things(classes: int = 4, each: int = 3) -> semelha.Dataset:
    pictures = [
        semelha.Picture(noise(label) // (1 + turn), str(label), f"{label}-{turn}")
        for label in range(classes)
        for turn in range(each)
    ]
    return semelha.Dataset("things", tuple(pictures))


@pytest.fixture(scope="module")
def model(weights: str, tmp_path_factory: pytest.TempPathFactory) -> semelha.Model:
    network = Network(backbone=NAME, channels=3, size=64, pretrained=weights)
    return semelha.train(things(), out=tmp_path_factory.mktemp("m") / "model", method="none", network=network)


def test_its_vectors_are_the_pooled_features_of_timm(model: semelha.Model, weights: str) -> None:
    """Normalized as the weights were trained, pooled by timm itself, of length 1."""
    from safetensors.torch import load_file

    peer = timm.create_model(NAME, num_classes=10)
    peer.load_state_dict(load_file(weights))
    peer.reset_classifier(0)
    told = timm.get_pretrained_cfg(NAME)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (told.mean, told.std))
    pixels = np.stack([model.extractor.prepare(noise(seed)) for seed in range(4)])
    with torch.inference_mode():
        expected = peer.eval()((torch.from_numpy(pixels).float() / 255 - mean) / std).numpy()
    assert model.dim == peer.num_features
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(model.extractor.vectors(pixels), expected, atol=1e-4)
    assert model.card.mean == list(told.mean)


def test_nothing_was_learned_from_the_pictures(model: semelha.Model) -> None:
    """So they may be strangers to it, and be evaluated on."""
    assert model.card.classes == model.card.content_hashes == []
    assert model.card.training["method"] == "none"
    again = Network(**model.card.network)
    assert again.dim is None
    assert again.mean == timm.get_pretrained_cfg(NAME).mean


def test_it_serves_a_gallery_and_a_distance_is_learned_on_it(model: semelha.Model, tmp_path: Path) -> None:
    with semelha.Gallery.create(tmp_path / "gallery", model.folder) as gallery:
        gallery.enroll_dataset(things())
        gallery.calibrate(fpir=0.4)
        assert gallery.identify(noise(2)).subject == "2"
    found = semelha.evaluate(model, things(), fpir=0.5, baselines=False)
    vectors, labels = model.embed(list(things())), np.array([picture.label for picture in things()])
    similarity = vectors @ vectors.T - 2 * np.eye(len(vectors))
    assert found.to_json()["r_at_1"] == pytest.approx((labels[similarity.argmax(axis=1)] == labels).mean())
    with pytest.warns():
        assert semelha.train(things(), out=tmp_path / "gmml", method="gmml", on=model).metric.name == "mahalanobis"
    assert semelha.deep.untrained_embedder(model.card).dim == model.dim  # type: ignore[union-attr, attr-defined]


def test_our_small_network_needs_no_weights(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="random weights"):
        model = semelha.train(things(), out=tmp_path / "small", method="none")
    assert model.dim == 256
    pixels = np.stack([model.extractor.prepare(picture.pixels()) for picture in things()]) / 255
    assert model.card.mean[0] == pytest.approx(pixels.mean(), abs=1e-3)
    np.testing.assert_allclose(np.linalg.norm(model.embed([noise(0)]), axis=1), 1, atol=1e-5)


def test_weights_that_cannot_be_had_are_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    published = Network(backbone=NAME, channels=3, size=64, pretrained=True)
    with pytest.raises(
        PretrainedUnavailable,
        match="HF_HUB_OFFLINE is set: go online once, or give a weight file",
    ):
        semelha.train(things(), out=tmp_path / "m", method="none", network=published)
    with pytest.raises(UsageError, match="resnet10t would have random weights"):
        semelha.train(things(), out=tmp_path / "m", method="none", network=replace(published, pretrained=False))
    assert not (tmp_path / "m").exists()


def test_what_is_said_of_a_training_is_refused(model: semelha.Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="method none trains no network: leave out recipe"):
        semelha.train(things(), out=tmp_path / "m", method="none", recipe=Recipe())
    with pytest.raises(UsageError, match="are for a method that learns a distance"):
        semelha.train(things(), out=tmp_path / "m", method="none", on=model)
    with pytest.raises(TrainingError, match="exists already"):
        semelha.train(things(), out=model.folder, method="none")
    with pytest.raises(DatasetError, match="no picture that can be read"):
        semelha.train(semelha.Dataset("nothing", ()), out=tmp_path / "m", method="none", network=Network())


def test_grey_pictures_have_the_mean_of_the_channels() -> None:
    told = timm.get_pretrained_cfg(NAME)
    grey = with_statistics(Network(backbone=NAME, pretrained=True), (0.1, 0.2))
    assert grey.mean == pytest.approx(np.mean(told.mean))
    assert with_statistics(Network(), (0.1, 0.2)).std == 0.2
    assert with_statistics(Network(mean=0.3), (0.1, 0.2)).mean == 0.3


def test_fine_tuned_with_layers_at_their_own_pace(weights: str, tmp_path: Path) -> None:
    """Half of the layers are those of the file, the others are not any more."""
    network = Network(backbone=NAME, channels=3, size=32, dim=8, pretrained=weights)
    recipe = Recipe(steps=3, minutes=float("inf"), batch=8, warmup=1 / 3, freeze=0.5, layer_decay=0.75, averaging=0.0)
    model = train_network(things(), out=tmp_path / "m", network=network, recipe=recipe)
    from safetensors.torch import load_file

    before, after = load_file(weights), load_file(model.folder / "weights.safetensors")
    assert torch.equal(after["backbone.model.conv1.0.weight"], before["conv1.0.weight"])
    assert torch.equal(after["backbone.model.bn1.running_mean"], before["bn1.running_mean"])
    assert not torch.equal(after["backbone.model.layer4.0.conv1.weight"], before["layer4.0.conv1.weight"])
    assert (model.card.training["freeze"], model.card.training["layer_decay"]) == (0.5, 0.75)
    assert model.card.mean == list(timm.get_pretrained_cfg(NAME).mean)
