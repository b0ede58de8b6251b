"""Decoding: the right pixels from every kind of file. Errors are in `test_decode_errors.py`."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.images.files import FORMATS, STORED_AS, file_of, noise, quarters, smooth

from semelha.errors import PictureError, PictureTooLarge
from semelha.images import Limits, decode
from semelha.images.decode import OpenPicture

EXACT = {"PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}}


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_gives_rgb(format: str, tmp_path: Path) -> None:
    data = file_of(Image.fromarray(quarters()), format)
    (tmp_path / "picture").write_bytes(data)
    pixels = decode(data)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - quarters()).mean() < 3
    assert np.array_equal(pixels, decode(tmp_path / "picture"))
    assert np.array_equal(pixels, decode(str(tmp_path / "picture")))


@pytest.mark.parametrize("format", EXACT)
@pytest.mark.parametrize("orientation", STORED_AS)
def test_all_orientations_give_the_same_pixels(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](noise())))
    assert np.array_equal(decode(file_of(stored, format, exif=exif, **EXACT[format])), noise())


@pytest.mark.parametrize("orientation", STORED_AS)
def test_a_jpeg_is_turned_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](quarters())))
    pixels = decode(file_of(stored, "JPEG", exif=exif, quality=100, subsampling=0))
    assert np.abs(pixels.astype(int) - quarters()).max() <= 4


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_the_size_before_decoding_is_that_of_the_upright_picture(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](quarters())))
    with OpenPicture(file_of(stored, format, exif=exif)) as opened:
        assert opened.size == (48, 32)


def test_a_box_is_in_pixels_of_the_upright_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[6](noise())))
    pixels = decode(file_of(stored, "PNG", exif=exif), box=(3, 5, 20, 11))
    assert np.array_equal(pixels, noise()[5:11, 3:20])


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_is_not_inverted(format: str) -> None:
    """JPEG files with four channels hold them inverted, as Adobe began to; TIFF files do not."""
    cmyk = Image.fromarray(quarters()).convert("CMYK")
    options = {"quality": 100, "subsampling": 0} if format == "JPEG" else {}
    pixels = decode(file_of(cmyk, format, **options))
    assert np.abs(pixels.astype(int) - quarters()).max() <= 4


@pytest.mark.parametrize("format", ["PNG", "GIF", "BMP", "TIFF"])
def test_a_palette_is_looked_up(format: str) -> None:
    palette = Image.fromarray(quarters()).quantize(4)
    assert np.array_equal(decode(file_of(palette, format)), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_a_transparent_palette_entry_is_white(format: str) -> None:
    palette = Image.fromarray(quarters()).quantize(4)
    transparent = palette.getpixel((0, 0))
    pixels = decode(file_of(palette, format, transparency=transparent))
    assert (pixels[:16, :24] == 255).all()
    assert np.array_equal(pixels[16:], np.asarray(palette.convert("RGB"))[16:])


def test_half_transparent_palette_entries_are_mixed_with_white() -> None:
    palette = Image.new("P", (4, 4))
    palette.putpalette([0, 0, 0])
    assert np.abs(decode(file_of(palette, "PNG", transparency=bytes([128]))).astype(int) - 127).max() <= 1


@pytest.mark.parametrize(("mode", "color"), [("RGBA", (10, 20, 30)), ("LA", (10, 10, 10))])
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_alpha_lies_on_white(mode: str, color: tuple[int, int, int], format: str) -> None:
    if (mode, format) == ("LA", "WEBP"):
        pytest.skip("WebP has no grey")
    image = Image.new("RGBA", (6, 4), (*color, 0))
    image.paste((*color, 255), (2, 0, 4, 4))
    image.paste((*color, 128), (4, 0, 6, 4))
    pixels = decode(file_of(image.convert(mode), format, **EXACT[format])).astype(int)
    assert (pixels[:, :2] == 255).all()
    assert (pixels[:, 2:4] == color).all()
    assert np.abs(pixels[:, 4:] - (np.array(color) + 255) / 2).max() <= 1


def test_a_color_named_transparent_is_white() -> None:
    image = Image.new("RGB", (2, 1), (1, 2, 3))
    image.putpixel((1, 0), (9, 9, 9))
    assert decode(file_of(image, "PNG", transparency=(1, 2, 3))).tolist() == [[[255] * 3, [9] * 3]]


@pytest.mark.parametrize(("format", "mode"), [("PNG", "I;16"), ("TIFF", "I;16"), ("TIFF", "I;16B")])
def test_grey_of_16_bits_is_scaled_not_clipped(format: str, mode: str) -> None:
    values = np.array([[0, 257 * 7, 257 * 128, 65535]], "<u2" if mode == "I;16" else ">u2")
    image = Image.frombytes(mode, (4, 1), values.tobytes())
    assert decode(file_of(image, format))[0, :, 0].tolist() == [0, 7, 128, 255]


@pytest.mark.parametrize(
    "values", [np.array([[0, 65535]], np.uint16), np.array([[0, 1]], np.float32), np.array([[0, 255]], np.uint8)]
)
@pytest.mark.parametrize("turned", [1, 3])
def test_a_tiff_file_may_count_from_white(values: np.ndarray, turned: int) -> None:
    image = Image.fromarray(values)
    black, white = (
        decode(file_of(image, "TIFF", tiffinfo={262: photometric, 274: turned}))[0, :, 0] for photometric in (1, 0)
    )
    assert black.tolist() == ([0, 255] if turned == 1 else [255, 0])
    # Pillow inverts when it writes 8 bits, and neither way when it writes more.
    assert white.tolist() == (black if values.dtype == np.uint8 else 255 - black).tolist()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 65535, 257 * 5], [0, 255, 5]),  # the range of 16 bits, as some writers store it
        ([-100, 0, 100], [0, 128, 255]),  # no usual range: from least to most
        ([0, 2**20, 2**21], [0, 128, 255]),
    ],
)
def test_grey_of_32_bits(values: list[int], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], np.int32))
    assert decode(file_of(image, "TIFF"))[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 0.2, 0.4], [0, 51, 102]),  # dark stays dark
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0.0, np.nan, 1.0], [0, 0, 255]),
        ([7.0, 7.0, 7.0], [7, 7, 7]),
    ],
)
def test_floating_point_grey(values: list[float], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], np.float32))
    assert decode(file_of(image, "TIFF"))[0, :, 0].tolist() == expected


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_one_bit_is_black_and_white(format: str) -> None:
    image = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1")
    assert decode(file_of(image, format))[..., 1].tolist() == [[0, 255], [255, 0]]


@pytest.mark.parametrize("format", ["GIF", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame(format: str) -> None:
    first, second = (Image.new("RGB", (8, 8), color) for color in ((255, 0, 0), (0, 0, 255)))
    options = {"lossless": True} if format == "WEBP" else {}
    pixels = decode(file_of(first, format, save_all=True, append_images=[second], **options))
    assert (pixels == (255, 0, 0)).all()


@pytest.mark.parametrize(
    ("at_least", "scale"), [(None, 1), (301, 1), (300, 2), (151, 2), (150, 4), (76, 4), (75, 8), (1, 8)]
)
def test_a_jpeg_keeps_twice_the_side_that_is_needed(at_least: int | None, scale: int) -> None:
    data = file_of(Image.fromarray(smooth(1200, 1600)), "JPEG", quality=95)
    pixels = decode(data, at_least=at_least)
    assert pixels.shape == (1200 // scale, 1600 // scale, 3)
    expected = np.asarray(Image.fromarray(smooth(1200, 1600)).reduce(scale))
    assert np.abs(pixels.astype(int) - expected).mean() < 2


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("at_least", [None, 100, 40, 10])
def test_a_box_is_the_same_part_at_every_scale(orientation: int, at_least: int | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](smooth(1001, 1403))))
    data = file_of(stored, "JPEG", exif=exif, quality=95)
    pixels = decode(data, box=(300, 100, 1100, 950), at_least=at_least)
    scale = round(800 / pixels.shape[1])
    assert (scale > 1) == (at_least is not None)
    assert min(pixels.shape[:2]) >= 2 * (at_least or 0)
    small = [np.asarray(Image.fromarray(part).resize((40, 40), Image.Resampling.BOX), int)
             for part in (pixels, smooth(1001, 1403)[100:950, 300:1100])]  # fmt: skip
    assert np.abs(small[0] - small[1]).mean() < 3


def test_a_box_outside_is_refused_at_every_scale() -> None:
    data = file_of(Image.fromarray(smooth(300, 400)), "JPEG")
    for at_least in (None, 8):
        with pytest.raises(PictureError, match="400 × 300 pixels"):
            decode(data, box=(0, 0, 400, 301), at_least=at_least)
        assert decode(data, box=(0, 0, 400, 300), at_least=at_least).shape[2] == 3


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_other_formats_are_decoded_in_full(format: str) -> None:
    assert decode(file_of(Image.fromarray(smooth(300, 400)), format), at_least=8).shape == (300, 400, 3)


@pytest.mark.parametrize("size", [(12_000, 9_000), (16_320, 12_240)])
def test_photos_of_108_and_200_megapixels_are_read_at_a_part_of_their_size(size: tuple[int, int]) -> None:
    """Above the number of pixels from which Pillow calls a file an attack."""
    data = file_of(Image.new("L", size, 90), "JPEG")
    assert decode(data, at_least=64).shape == (size[1] // 8, size[0] // 8, 3)
    with OpenPicture(data, at_least=64) as opened:
        assert opened.decoding_bytes < 20e6
    with pytest.raises(PictureTooLarge, match="max_pixels is 100,000,000 in all"):
        decode(data, at_least=64, limits=Limits(max_pixels=100_000_000))
