"""A checkpoint: comes back as it was, is refused when it is not ours, and never stands half written."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from semelha.deep import Augmentation, Network, Recipe
from semelha.deep.checkpoint import Checkpoint, describe
from semelha.deep.recipe import pairs_and_proxies
from semelha.errors import TrainingError


def checkpoint(**changes: object) -> Checkpoint:
    state = {"w": torch.arange(6.0).view(2, 3)}
    values: dict[str, object] = {
        "plan": "a plan",
        "step": 7,
        "elapsed": 1.5,
        "uniform": 3,
        "network": state,
        "average": state,
        "objective": {},
        "optimizer": {
            "state": {0: {"step": torch.tensor(7.0)}},
            "param_groups": [{"lr": 0.1, "params": [0]}],
        },
        "means": torch.eye(2),
        "best": state,
        "best_score": 0.5,
    }
    return Checkpoint(**{**values, **changes})  # type: ignore[arg-type]


def test_comes_back_as_it_was(tmp_path: Path) -> None:
    checkpoint().save(tmp_path / "c.pt")
    back = Checkpoint.load(tmp_path / "c.pt", plan="a plan")
    assert (back.step, back.elapsed, back.uniform, back.best_score) == (7, 1.5, 3, 0.5)
    assert torch.equal(back.network["w"], torch.arange(6.0).view(2, 3))
    assert back.optimizer["param_groups"][0]["lr"] == 0.1


def test_another_plan_is_refused(tmp_path: Path) -> None:
    checkpoint().save(tmp_path / "c.pt")
    with pytest.raises(TrainingError, match="other pictures or settings"):
        Checkpoint.load(tmp_path / "c.pt", plan="another")


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 half a zip"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.pt").write_bytes(content)
    with pytest.raises(TrainingError, match="is no checkpoint"):
        Checkpoint.load(tmp_path / "c.pt", plan="a plan")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    torch.save({"plan": Path("evil")}, tmp_path / "c.pt")
    with pytest.raises(TrainingError, match="is no checkpoint"):
        Checkpoint.load(tmp_path / "c.pt", plan="a plan")


def test_the_old_one_stays_when_the_new_one_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint().save(tmp_path / "c.pt")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match="No space left"):
        checkpoint(step=8).save(tmp_path / "c.pt")
    assert Checkpoint.load(tmp_path / "c.pt", plan="a plan").step == 7


PLAN = """
from functools import partial
from semelha.deep import Network, Recipe
from semelha.deep.checkpoint import describe
from semelha.deep.losses import SupCon
def own(classes, dim): ...
print(describe(Network(), Recipe(), 3, "hash"), describe(Recipe(loss=own)), describe(Recipe(loss=partial(own, dim=3))))
"""


def test_a_plan_reads_the_same_in_every_process() -> None:
    """A function's repr has its address: with that in the plan, no killed training could ever go on."""
    first, second = (subprocess.run([sys.executable, "-c", PLAN], check=True, capture_output=True).stdout for _ in "12")
    assert first == second
    assert b" at 0x" not in first


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
