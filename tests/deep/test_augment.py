"""Augmentation: what it may change, and that each picture's changes are its own and repeatable."""

import pytest
import torch
import torch.nn.functional as F

from semelha.deep.augment import Augmentation, quarter_turns
from semelha.errors import UsageError

NOTHING = Augmentation(rotate=0, scale=0, stretch=0, shear=0, translate=0)


def pictures(batch: int = 6, channels: int = 3, side: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (batch, channels, side, side), generator=generator, dtype=torch.uint8)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_no_change_is_no_change() -> None:
    x = pictures()
    torch.testing.assert_close(NOTHING(x, seeded()), x.float(), atol=1e-2, rtol=0)


@pytest.mark.parametrize("sides", [(24, 24), (17, 30)])
def test_the_field_is_the_affine_grid_of_torch_with_smooth_displacements_on_top(sides: tuple[int, int]) -> None:
    change, x = torch.randn(5, 2, 3, generator=seeded()), torch.zeros(5, 1, *sides)
    expected = F.affine_grid(change, [5, 1, *sides], align_corners=False)
    torch.testing.assert_close(Augmentation()._warped(change, x, seeded()), expected)
    noise = torch.randn(2, 5, 6, 6, generator=seeded(1)).transpose(0, 1)
    smooth = F.interpolate(noise, sides, mode="bicubic", align_corners=False).movedim(1, -1)
    found = Augmentation(elastic=0.02)._warped(change, x, seeded(1))
    torch.testing.assert_close(found, expected + 0.04 * smooth, rtol=1e-4, atol=1e-5)


def test_flip_mirrors_some_and_leaves_the_others() -> None:
    x = pictures(32)
    y = Augmentation(rotate=0, scale=0, stretch=0, shear=0, translate=0, flip=True)(x, seeded())
    same = (y - x.float()).abs().amax(dim=(1, 2, 3)) < 0.1
    mirrored = (y - x.flip(3).float()).abs().amax(dim=(1, 2, 3)) < 0.1
    assert (same | mirrored).all()
    assert same.any()
    assert mirrored.any()


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_at_once_keeps_shape_range_and_repeats(channels: int) -> None:
    light = {"brightness": 0.3, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "jitter": 0.8}
    dulled = {"grey": 0.2, "blur": 0.5, "solarize": 0.2, "erase": 0.5}
    everything = Augmentation(elastic=0.03, crop=0.2, flip=True, **light, **dulled)
    x = pictures(channels=channels)
    y = everything(x, seeded(1))
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    assert y.min() >= 0
    assert y.max() <= 255
    assert torch.equal(y, everything(x, seeded(1)))
    assert not torch.equal(y, everything(x, seeded(2)))


def test_each_picture_has_changes_of_its_own() -> None:
    x = pictures(1).expand(8, -1, -1, -1)
    y = Augmentation(elastic=0.02)(x, seeded())
    assert torch.pdist(y.flatten(1)).min() > 1


def test_translation_moves_by_what_it_says() -> None:
    x = torch.zeros(64, 1, 40, 40)
    x[:, :, 20, 20] = 255
    y = Augmentation(rotate=0, scale=0, stretch=0, shear=0, translate=0.1)(x, seeded())
    where = torch.stack([torch.unravel_index(row.argmax(), (40, 40))[0] for row in y])
    assert (where - 20).abs().max() in (3, 4)


def test_quarter_turns_turn_each_picture_by_its_own_number() -> None:
    x = pictures(4)
    y = quarter_turns(x, torch.arange(4))
    for turn in range(4):
        assert torch.equal(y[turn], torch.rot90(x[turn], turn, dims=(1, 2)))


def test_crops_are_parts_of_the_frame_as_large_as_they_say() -> None:
    """Read back from a picture whose values are its coordinates."""
    side = 64
    ramp = torch.linspace(0, 255, side).expand(400, 1, side, side)
    y = Augmentation(rotate=0, scale=0, stretch=0, shear=0, translate=0, crop=0.25)
    wide = y(ramp.clone(), seeded())
    high = y(ramp.transpose(2, 3).contiguous(), seeded())
    widths = (wide[:, 0, 0, -1] - wide[:, 0, 0, 0]) / 255  # (400,) part of the frame
    heights = (high[:, 0, -1, 0] - high[:, 0, 0, 0]) / 255
    area = widths * heights
    assert area.min() > 0.2
    assert area.max() > 0.9
    assert (widths / heights).max() < 4 / 3 + 0.05
    assert (widths / heights).min() > 3 / 4 - 0.05
    assert widths.max() <= 1.01
    left = wide[:, 0, 0, 0] / 255
    assert left.min() < 0.05
    assert left.max() > 0.3


def test_what_happens_to_some_happens_to_as_many_as_it_says() -> None:
    x = pictures(400, side=12)
    still = {"rotate": 0.0, "scale": 0.0, "stretch": 0.0, "shear": 0.0, "translate": 0.0}
    for setting in (
        {"grey": 0.2},
        {"solarize": 0.2},
        {"brightness": 0.3, "hue": 0.2, "jitter": 0.2},
    ):
        y = Augmentation(**still, **setting)(x, seeded())  # type: ignore[arg-type]
        changed = (y - x.float()).abs().amax(dim=(1, 2, 3)) > 0.5
        assert 0.12 < changed.float().mean() < 0.28, setting
    some = Augmentation(**still, blur=0.5)(large := pictures(40, side=200), seeded()) - large.float()
    assert 0.3 < (some.abs().amax(dim=(1, 2, 3)) > 1).float().mean() < 0.7


def test_an_impossible_crop_is_refused() -> None:
    with pytest.raises(UsageError, match="crop is 0"):
        Augmentation(crop=0)
