"""From a map to a vector."""

import pytest
import torch

from semelha.deep.network import POOLINGS, Average, GeM, Grid


def test_average_is_the_mean_over_places() -> None:
    x = torch.rand(2, 3, 4, 5)
    torch.testing.assert_close(Average()(x), x.flatten(2).mean(2))


@pytest.mark.parametrize("p", [1.0, 3.0, 6.0])
def test_gem_is_the_generalized_mean(p: float) -> None:
    x = torch.rand(2, 3, 4, 5) + 0.1
    expected = (x.flatten(2) ** p).mean(2) ** (1 / p)
    torch.testing.assert_close(GeM(p)(x), expected)


def test_gem_goes_from_mean_to_maximum() -> None:
    x = torch.rand(2, 3, 4, 5) + 0.1
    torch.testing.assert_close(GeM(1.0)(x), Average()(x))
    torch.testing.assert_close(GeM(200.0)(x), x.amax((2, 3)), rtol=0.02, atol=0)


def test_exponent_of_gem_learns() -> None:
    pooling = GeM()
    pooling(torch.rand(2, 3, 4, 5)).sum().backward()
    assert pooling.p.grad is not None
    assert pooling.p.grad != 0


@pytest.mark.parametrize("fill", [0.0, -1.0, 1e4])
def test_gem_is_finite_where_nothing_is_positive_or_much_is(fill: float) -> None:
    pooling = GeM()
    x = torch.full((2, 3, 4, 5), fill, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        value = pooling(x.bfloat16())
    value.sum().backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(value).all()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(pooling.p.grad)


@pytest.mark.parametrize(("h", "w"), [(3, 3), (6, 9), (4, 7), (2, 5), (1, 1)])
def test_grid_is_the_mean_of_each_region_in_the_order_of_the_map(h: int, w: int) -> None:
    """Regions meet, or overlap where the sides are no multiples of three; of a small map they are places of it."""
    x = torch.rand(2, 5, h, w)
    found = Grid()(x).reshape(2, 5, 3, 3)
    for row in range(3):
        for column in range(3):
            rows = slice(row * h // 3, -(-(row + 1) * h // 3))
            columns = slice(column * w // 3, -(-(column + 1) * w // 3))
            torch.testing.assert_close(found[:, :, row, column], x[:, :, rows, columns].mean(dim=(2, 3)))


def test_grid_tells_where_something_is_and_the_mean_does_not() -> None:
    x = torch.rand(1, 4, 6, 6)
    moved = x.roll(2, dims=3)
    torch.testing.assert_close(Average()(x), Average()(moved))
    assert not torch.allclose(Grid()(x), Grid()(moved))


@pytest.mark.parametrize("name", POOLINGS)
def test_every_pooling_makes_as_many_vectors_as_it_says(name: str) -> None:
    pooling = POOLINGS[name]()
    assert pooling(torch.rand(2, 5, 4, 4)).shape == (2, 5 * pooling.vectors)
