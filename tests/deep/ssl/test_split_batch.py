"""Batch norm by parts of a batch: each part by its own statistics, everything back in its place, no picture alone."""

import pytest
import torch
from torch import nn

from semelha.deep.ssl.moco import SplitBatch


def pixels(batch: int) -> torch.Tensor:
    return torch.randn(batch, 5, generator=torch.Generator().manual_seed(batch))


def test_each_part_is_normalized_by_itself() -> None:
    norm, x = nn.BatchNorm1d(5), pixels(12)
    whole = norm(x)
    made = SplitBatch(norm, 4)(x)
    for part in torch.arange(12).split(4):
        torch.testing.assert_close(made[part], norm(x[part]))
    assert (made - whole).abs().max() > 0.1
    torch.testing.assert_close(SplitBatch(norm, 12)(x), whole)


def test_keys_are_parted_by_another_draw_and_come_back_in_order() -> None:
    x = pixels(12)
    shuffled = SplitBatch(nn.BatchNorm1d(5), 4, shuffle=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = shuffled(x), shuffled(x)
        torch.manual_seed(0)
        again = shuffled(x)
    assert (first - SplitBatch(nn.BatchNorm1d(5), 4)(x)).abs().max() > 0.1
    assert (first - second).abs().max() > 0.1
    assert torch.equal(first, again)
    same = SplitBatch(nn.Identity(), 4, shuffle=True)
    assert torch.equal(same(x), x)


@pytest.mark.parametrize("batch", [2, 3, 4, 7, 31])
def test_no_picture_is_left_alone(batch: int) -> None:
    """Which batch norm refuses."""
    assert SplitBatch(nn.BatchNorm1d(5), 1)(pixels(batch)).shape == (batch, 5)
