"""A teacher's similarities: the loss by a plain loop, its embeddings by hand, and a student that resembles it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.tiny_model import noise, tiny_model
from torch import Tensor

import semelha
from semelha.deep import LoopSettings, Network, Recipe, train_network
from semelha.deep.teacher import distillation_loss, embed_turns, with_distillation
from semelha.embedders import Model
from semelha.errors import TrainingError, UsageError

OFTEN = LoopSettings(checkpoint_seconds=0.0)
SMALL = Network(channels=1, size=16, dim=16)
SHORT = Recipe(steps=60, minutes=float("inf"), batch=32, warmup=0.08, coarse=0.0)


def things(classes: int = 12, each: int = 3) -> semelha.Dataset:
    pictures = [
        semelha.Picture(noise(label) // (1 + turn), f"{label:02}", f"{label}-{turn}")
        for label in range(classes)
        for turn in range(each)
    ]
    return semelha.Dataset("things", tuple(pictures))


def unit(*shape: int, seed: int = 0) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x / x.norm(dim=1, keepdim=True)


def test_the_loss_is_that_of_a_plain_loop() -> None:
    mine, theirs = unit(7, 4).requires_grad_(), unit(7, 9, seed=1)
    total = 0.0
    for i in range(7):
        others = [j for j in range(7) if j != i]
        p = torch.stack([torch.exp(theirs[i] @ theirs[j] / 0.05) for j in others])
        q = torch.stack([torch.exp(mine[i] @ mine[j] / 0.05) for j in others])
        p, q = p / p.sum(), q / q.sum()
        total = total + (p * (p / q).log()).sum() / 7
    value = distillation_loss(mine, theirs)
    torch.testing.assert_close(value, total)
    expected, found = (torch.autograd.grad(each, mine, retain_graph=True)[0] for each in (total, value))
    torch.testing.assert_close(found, expected)


def test_nothing_is_unlike_itself() -> None:
    x = unit(7, 4).requires_grad_()
    turned = x @ torch.linalg.qr(unit(4, 4, seed=2)).Q  # similarities do not know
    value = distillation_loss(x, turned.detach())
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert float(x.grad.abs().max()) < 1e-12  # type: ignore[union-attr]


def test_beside_a_loss() -> None:
    x, taught, labels = unit(7, 4), unit(7, 5, seed=1), torch.arange(7)

    def loss(embeddings: Tensor, labels: Tensor) -> Tensor:
        return embeddings.sum() + labels.sum()

    assert with_distillation(loss, None, 2.0) is loss
    torch.testing.assert_close(
        with_distillation(loss, taught, 2.0)(x, labels), loss(x, labels) + 2 * distillation_loss(x, taught)
    )


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("teacher")
    parts = [tiny_model(folder / "a", classes=("old",), content_hashes=("1",)), tiny_model(folder / "b", seed=1, dim=5)]
    return semelha.derive(parts, out=folder / "joined")


def test_embeddings_are_of_every_turn(teacher: Model) -> None:
    data = things()
    told: list[int] = []
    found = embed_turns(teacher, data, 4, batch_size=5, progress=lambda done, total: told.append(done))
    assert found.shape == (4, 36, 13)
    assert told[-1] == 36
    for turn in range(4):
        expected = teacher.embed([np.rot90(picture.pixels(), turn).copy() for picture in data])
        np.testing.assert_allclose(found[turn], expected, atol=1e-6)
    np.testing.assert_array_equal(embed_turns(teacher, data, 1)[0], found[0])


def test_a_student_comes_to_resemble_its_teacher(teacher: Model, tmp_path: Path) -> None:
    """On the pictures that it learned from its similarities are nearer to the teacher's than without one."""
    data = things()
    apart = {}
    for name, one in {"taught": teacher, "alone": None}.items():
        recipe = replace(SHORT, steps=160, batch=24, teaching=5.0, validation=0.0)
        model = train_network(data, out=tmp_path / name, network=SMALL, recipe=recipe, teacher=one)
        mine, theirs = (torch.from_numpy(each.embed(data.pictures)) for each in (model, teacher))
        apart[name] = float(distillation_loss(mine, theirs))
    assert apart["taught"] < 0.2 * apart["alone"]
    card = semelha.load_embedder(tmp_path / "taught").card
    assert card.training["teacher"] == {"name": "joined", "fingerprint": teacher.fingerprint}
    assert "old" in card.classes
    assert "1" in card.content_hashes


def test_a_training_goes_on_with_the_same_teacher_alone(teacher: Model, tmp_path: Path) -> None:
    def pause(progress: semelha.deep.TrainingProgress) -> None:  # type: ignore[name-defined]
        if progress.step == 3:
            raise KeyboardInterrupt

    recipe = replace(SHORT, steps=6, quarter_turns=True)
    settings = {"network": SMALL, "recipe": recipe}
    whole = train_network(things(), out=tmp_path / "whole", teacher=teacher, **settings)
    with pytest.raises(KeyboardInterrupt):
        train_network(things(), out=tmp_path / "m", teacher=teacher, callback=pause, loop=OFTEN, **settings)
    with pytest.raises(TrainingError, match="other pictures or settings"):
        train_network(things(), out=tmp_path / "m", resume=True, **settings)
    model = train_network(things(), out=tmp_path / "m", teacher=teacher, resume=True, **settings)
    np.testing.assert_allclose(model.embed([noise(0)]), whole.embed([noise(0)]), atol=1e-3)


def test_who_cannot_teach(teacher: Model, tmp_path: Path) -> None:
    linear = semelha.train(things(), out=tmp_path / "linear", method="gmml", on=teacher)
    with pytest.raises(UsageError, match=r"are compared by cosine, and those of .* by mahalanobis"):
        semelha.train(things(), out=tmp_path / "m", teacher=linear, network=SMALL, recipe=SHORT)
    simplex = replace(SMALL, head="simplex")
    with pytest.raises(UsageError, match="'simplex' gives histograms"):
        semelha.train(things(), out=tmp_path / "m", teacher=teacher.folder, network=simplex, recipe=SHORT)
    with pytest.raises(UsageError, match="teaching is -1"):
        Recipe(teaching=-1)
    assert not (tmp_path / "m.training").exists()
