"""From a map to a vector."""

import pytest
import torch

from semelha.deep.pooling import Average, GeM


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
