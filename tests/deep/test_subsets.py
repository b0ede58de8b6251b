"""What is held out of a training to choose the best weights by, and what may match there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.tiny_model import noise
from torch import nn

from semelha.deep import Recipe
from semelha.deep.cache import PictureSubset, PixelCache, open_cache, split
from semelha.deep.distributed import SINGLE_PROCESS
from semelha.deep.loop import validate
from semelha.embedders import InputSpec
from semelha.images import Dataset, Picture
from semelha.metrics import Cosine

HALF = Recipe(validation=0.5)


def cached(groups: list[list[str | None]], folder: Path) -> PixelCache:
    """A class for each list, a picture for each group."""
    pictures = [
        Picture(noise(100 * number + place), f"{number:02}", f"{number:02}/{place}", group=group)
        for number, each in enumerate(groups)
        for place, group in enumerate(each)
    ]
    spec = InputSpec(height=8, width=8, channels=1, fit="stretch")
    return open_cache(Dataset("things", tuple(pictures)), folder, spec)


def test_whole_classes_are_held_out(tmp_path: Path) -> None:
    training, held = split(cached([[None, None]] * 12, tmp_path), HALF, seed=0)
    assert held is not None
    assert held.groups is None
    assert len(held.labels) == len(training.labels) == 6
    assert not set(held.labels) & set(training.labels)


@pytest.mark.parametrize("groups", [["a", "a"], ["a"], [None]])
def test_nothing_is_held_out_where_nothing_could_match(groups: list[str | None], tmp_path: Path) -> None:
    """Pictures of one burst are no test of anything: of 12 such classes, and of 9 others, all are learned from."""
    training, held = split(cached([groups] * 12 + [["a", "b"]] * 9, tmp_path), HALF, seed=0)
    assert held is None
    assert len(training.labels) == 21


class Bursts(nn.Module):
    """All pictures of a burst have one vector, and next to it lies that of another class's other burst."""

    def __init__(self, held: PictureSubset) -> None:
        super().__init__()
        second = np.asarray(held.groups) == "b"
        angles = np.pi / 3 * (held.classes + second) + 0.01 * second
        self.known = torch.from_numpy(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.known


def test_held_out_pictures_of_one_group_do_not_match(tmp_path: Path) -> None:
    """Each has a twin in its own burst, which is found and tells nothing."""
    _, held = split(cached([["a", "a", "b", "b"]] * 12, tmp_path), HALF, seed=0)
    assert held is not None
    network, device = Bursts(held), torch.device("cpu")
    assert validate(network, replace(held, groups=None), Cosine(), device, SINGLE_PROCESS) == 1
    assert validate(network, held, Cosine(), device, SINGLE_PROCESS) == 0
