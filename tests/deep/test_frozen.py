"""What stands behind a frozen backbone is trained on features that are computed once."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric
from tests.deep.in_processes import RECIPE
from torch import Tensor

import semelha
from semelha.deep import Network, Recipe, build, train_network
from semelha.deep import frozen as module
from semelha.deep.cache import labelled
from semelha.deep.frozen import feature_views, is_fixed_before_head, on_features
from semelha.deep.loop import fit
from semelha.deep.losses import SupCon
from semelha.deep.network import EmbeddingNet
from semelha.deep.optimizer import freeze
from semelha.images import Dataset, Picture

NETWORK = Network(backbone="test_resnet", channels=3, size=32, dim=8)
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 3, 4, 4), np.uint8).repeat(8, 2).repeat(8, 3)
LABELS = np.repeat([f"c{n}" for n in range(8)], 3)


def as_it_is(pixels: Tensor, generator: torch.Generator) -> Tensor:
    return pixels.float()


def recipe(**changes: object) -> Recipe:
    fixed = {"augmentation": as_it_is, "freeze": 1.0, "lookalikes": 0.0, "accumulate": 1}
    return replace(RECIPE, loss=lambda classes, dim: SupCon(), **{**fixed, **changes})  # type: ignore[arg-type]


def frozen(pooling: str = "average") -> EmbeddingNet:
    built = build(replace(NETWORK, pooling=pooling), seed=0)  # type: ignore[arg-type]
    freeze(built, 1)
    return built


def views(built: EmbeddingNet, folder: Path, of: Recipe, seed: int = 0) -> tuple[np.ndarray, ...]:
    of_device = partial(feature_views, device=torch.device("cpu"), seed=seed, clean=np.zeros(24, bool))
    return of_device(built, NETWORK.input_spec(), PIXELS, of, folder=folder, key="some")


def test_a_head_learns_the_same_as_through_the_backbone(tmp_path: Path) -> None:
    """The features are rounded to half precision."""
    found = {}
    for through in ("pixels", "features"):
        folder = tmp_path / through
        folder.mkdir()
        # The steps of AdamW depend on the sign of small gradients.
        by_sgd = recipe(optimizer=torch.optim.SGD, learning_rate=0.1)
        parts = frozen(), labelled(PIXELS, np.arange(24), LABELS), None, by_sgd
        if through == "features":
            parts = on_features(*parts, views(parts[0], folder, by_sgd))  # type: ignore[assignment]
        fabric = Fabric(accelerator="cpu", devices=1)
        found[through] = fit(
            *parts, fabric=fabric, folder=folder, plan="", seed=0, resume=False, callback=lambda progress: None
        ).weights
    before = dict(frozen().head.named_parameters())["1.weight"]
    through_pixels, through_features = found["pixels"]["head.1.weight"], found["features"]["head.1.weight"]
    assert not torch.allclose(through_pixels, before, atol=1e-3)
    torch.testing.assert_close(through_features, through_pixels, atol=2e-3, rtol=0)


def test_views_are_computed_once_and_differ_by_the_augmentation(tmp_path: Path) -> None:
    built, augmented = frozen(), recipe(augmentation=Recipe().augmentation)
    first = views(built, tmp_path, augmented)
    with torch.inference_mode():
        plain = built.eval().features(torch.from_numpy(PIXELS).float()).numpy()
    np.testing.assert_allclose(first[0], plain, atol=1e-2)
    assert len(first) == module.MAX_VIEWS
    assert not np.allclose(first[1], plain, atol=1e-2)
    assert not np.allclose(first[1], first[2], atol=1e-2)
    written = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    np.testing.assert_array_equal(views(built, tmp_path, augmented)[1], first[1])
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == written


def test_what_was_interrupted_goes_on_with_the_views_that_are_there(tmp_path: Path) -> None:
    built, augmented = frozen(), recipe(augmentation=Recipe().augmentation)
    first = [np.array(view) for view in views(built, tmp_path, augmented)]
    (finished,) = tmp_path.glob("views-*")
    finished.unlink()
    (last,) = tmp_path.glob("view-*-2.f16")
    last.unlink()
    for one, other in zip(views(built, tmp_path, augmented), first, strict=True):
        np.testing.assert_array_equal(one, other)


def test_few_minutes_have_two_views(tmp_path: Path) -> None:
    assert len(views(frozen(), tmp_path, recipe(minutes=1e-6))) == 2


def test_only_what_stays_the_same_is_computed_once() -> None:
    assert is_fixed_before_head(frozen(), recipe())
    assert not is_fixed_before_head(frozen("gem"), recipe())
    assert not is_fixed_before_head(frozen(), recipe(quarter_turns=True))
    assert not is_fixed_before_head(build(NETWORK, seed=0), recipe(freeze=0.0))


def test_the_model_has_the_backbone_as_it_was_and_a_head_that_knows_the_classes(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    colors = random.integers(0, 256, (12, 3))

    def picture(label: int, number: int) -> Picture:
        noise = random.normal(size=(32, 32, 3)) * 40
        return Picture((colors[label] + noise).clip(0, 255).astype(np.uint8), f"c{label:02}", f"{label}-{number}")

    pictures = Dataset("colors", tuple(picture(c, n) for c in range(12) for n in range(6)))
    network = replace(NETWORK, pretrained=False)
    learned = recipe(steps=60, batch=32, minutes=float("inf"), augmentation=Recipe().augmentation, validation=0.0)
    model = train_network(pictures, out=tmp_path / "m", network=network, recipe=learned)
    stored = semelha.load_embedder(tmp_path / "m").contents()[1]
    for name, weight in build(network, seed=0).backbone.state_dict().items():
        np.testing.assert_array_equal(stored[f"backbone.{name}"], weight.numpy())
    vectors = model.embed(pictures.pictures)
    near = (vectors @ vectors.T - 2 * np.eye(72)).argmax(axis=1)
    assert (pictures.labels[near] == pictures.labels).mean() > 0.8
    assert [file.name for file in (tmp_path / "m.training").iterdir()] == ["log.jsonl"]


@pytest.mark.parametrize("readout", ["head", "stages"])
def test_with_every_readout(readout: str, tmp_path: Path) -> None:
    pictures = Dataset(
        "made",
        tuple(Picture(x.transpose(1, 2, 0), y, str(n)) for n, (x, y) in enumerate(zip(PIXELS, LABELS, strict=True))),
    )
    network = replace(NETWORK, readout=readout)  # type: ignore[arg-type]
    model = train_network(
        pictures, out=tmp_path / "m", network=network, recipe=recipe(steps=3, augmentation=Recipe().augmentation)
    )
    assert np.isfinite(model.embed(pictures.pictures)).all()
