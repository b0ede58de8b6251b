"""A checkpoint: it holds the whole state, is refused if it is not of this plan, and is never half written."""

from dataclasses import fields
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from semelha.deep import Augmentation, Network, Recipe
from semelha.deep.checkpoint import TrainingState, describe
from semelha.deep.loop import moving_average
from semelha.deep.losses import ProxyAnchor
from semelha.deep.objective import Supervised
from semelha.deep.recipe import pairs_and_proxies
from semelha.errors import TrainingError


def state(seed: int = 0, *, trained: bool = False) -> TrainingState:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    objective = Supervised(ProxyAnchor(2, 3))
    optimizer = torch.optim.AdamW([*network.parameters(), *objective.parameters()], lr=0.1)
    made = TrainingState(network, moving_average(network, 0.9), objective, optimizer, torch.zeros(2, 3), {})
    if trained:
        objective.loss(network(torch.randn(8, 3)), torch.arange(8) % 2).backward()
        optimizer.step()
        made.average.update(network, step=1)
        made.class_means, made.best, made.best_score = torch.ones(2, 3), {"w": torch.arange(6.0).view(2, 3)}, 0.5
        made.step, made.regular_batches, made.elapsed = 7, 3, 1.5
    return made


def test_every_field_comes_back_as_it_was(tmp_path: Path) -> None:
    before, after = state(trained=True), state(seed=1)
    before.save(tmp_path / "c.pt", plan="a plan")
    after.load(tmp_path / "c.pt", plan="a plan")
    for field in fields(TrainingState):
        ours, theirs = (getattr(each, field.name) for each in (before, after))
        if hasattr(ours, "state_dict"):
            ours, theirs = ours.state_dict(), theirs.state_dict()
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, msg=field.name)
    assert after.optimizer.state_dict()["state"][0]["step"] == 1


def test_another_plan_is_refused(tmp_path: Path) -> None:
    state().save(tmp_path / "c.pt", plan="a plan")
    with pytest.raises(TrainingError, match="other pictures or settings"):
        state().load(tmp_path / "c.pt", plan="another")


def test_a_checkpoint_of_an_older_version_is_refused(tmp_path: Path) -> None:
    """Its warm-up was counted in steps."""
    torch.save({"plan": "a plan", "step": 3, "uniform": 3}, tmp_path / "c.pt")
    with pytest.raises(TrainingError, match="was written by another version of semelha"):
        state().load(tmp_path / "c.pt", plan="a plan")


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 half a zip"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.pt").write_bytes(content)
    with pytest.raises(TrainingError, match="is no checkpoint"):
        state().load(tmp_path / "c.pt", plan="a plan")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    torch.save({"plan": Path("evil")}, tmp_path / "c.pt")
    with pytest.raises(TrainingError, match="is no checkpoint"):
        state().load(tmp_path / "c.pt", plan="a plan")


def test_the_old_one_stays_when_the_new_one_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = state(trained=True)
    saved.save(tmp_path / "c.pt", plan="a plan")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match="No space left"):
        state().save(tmp_path / "c.pt", plan="a plan")
    back = state()
    back.load(tmp_path / "c.pt", plan="a plan")
    assert back.step == 7


def test_plans_that_differ_read_differently() -> None:
    plans = [
        describe(Network(), Recipe()),
        describe(Network(), Recipe(batch=64)),
        describe(Network(), Recipe(loss=lambda classes, dim: torch.nn.Identity())),
        describe(Network(), Recipe(augmentation=Augmentation(flip=True))),
        describe(Network(dim=64), Recipe()),
        describe(Network(), Recipe(loss=partial(pairs_and_proxies, dim=3))),
    ]
    assert len(set(plans)) == len(plans)
