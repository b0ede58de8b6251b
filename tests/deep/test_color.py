"""Changes of light and color: what they are, by a plain formula or torchvision, and that they do no more."""

import math

import pytest
import torch
from torchvision.transforms import functional as tv

from semelha.deep.augment import adjust_color, adjust_light, gaussian_blur, remove_color, solarize


def pictures(batch: int = 4) -> torch.Tensor:
    return 255 * torch.rand(batch, 3, 16, 20, generator=torch.Generator().manual_seed(0))


def per_picture(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1)


def test_light_is_added_and_contrast_is_about_the_mean() -> None:
    x = pictures(2)
    y = adjust_light(x, per_picture(0.1, 0), per_picture(1, 0.5))
    torch.testing.assert_close(y[0], x[0] + 25.5)
    torch.testing.assert_close(y[1], x[1].mean() + 0.5 * (x[1] - x[1].mean()))


def test_saturation_moves_from_grey_and_hue_turns_around_it() -> None:
    x = pictures(5)
    y = adjust_color(x, per_picture(0, 2, 1, 1, 1), per_picture(0, 0, 1 / 3, 1, 0.1))
    grey = x.mean(dim=1, keepdim=True)
    torch.testing.assert_close(y[0], grey[0].expand(3, -1, -1))
    torch.testing.assert_close(y[1], 2 * x[1] - grey[1])
    torch.testing.assert_close(y[2], x[2].roll(1, dims=0), atol=1e-3, rtol=0)  # a third of the circle: red to green
    torch.testing.assert_close(y[3], x[3], atol=1e-3, rtol=0)  # and once around
    torch.testing.assert_close(y.mean(dim=1), x.mean(dim=1))
    torch.testing.assert_close((y - grey).norm(dim=1)[4], (x - grey).norm(dim=1)[4])


def test_grey_stays_grey_at_any_hue() -> None:
    x = pictures(1).mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    torch.testing.assert_close(adjust_color(x, per_picture(1.5), per_picture(0.3)), x)


def test_some_lose_their_color_and_some_their_lights() -> None:
    x, which = pictures(2), torch.tensor([True, False])
    assert (remove_color(x, which)[0].std(dim=0) < 1e-4).all()
    assert torch.equal(remove_color(x, which)[1], x[1])
    whole = x.round()
    torch.testing.assert_close(solarize(whole, which)[0], tv.solarize(whole[0].byte(), 128).float())
    assert torch.equal(solarize(whole, which)[1], whole[1])


@pytest.mark.parametrize("sigma", [0.4, 0.8, 1.5])
def test_a_blur_is_torchvisions_away_from_the_border(sigma: float) -> None:
    x = pictures(1)
    ours = gaussian_blur(x, torch.tensor([sigma]))
    theirs = tv.gaussian_blur(x, [11, 11], [sigma, sigma])
    torch.testing.assert_close(ours[:, :, 6:-6, 6:-6], theirs[:, :, 6:-6, 6:-6], atol=0.1, rtol=0)


def test_each_picture_has_a_blur_of_its_own_and_0_is_none() -> None:
    x = pictures(1).expand(3, -1, -1, -1)
    y = gaussian_blur(x, torch.tensor([0.0, 1.0, 3.0]))
    torch.testing.assert_close(y[0], x[0])
    assert y[0].std() > y[1].std() > y[2].std()
    even = torch.full((1, 1, 9, 9), 77.0)
    torch.testing.assert_close(gaussian_blur(even, torch.tensor([2.0])), even)
    assert math.isfinite(gaussian_blur(x, torch.zeros(3)).sum())
