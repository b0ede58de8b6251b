"""Decoding: the right pixels from every kind of file. Errors are in `test_decode_errors.py`."""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from tests.images.files import FORMATS, file_of, noise

from semelha.errors import NotAPicture, PictureError, PictureTooLarge, UsageError
from semelha.images import Limits, content_hash, decode, tones
from semelha.images.decode import OpenPicture
from semelha.images.formats import _factory

EXACT = {"PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}}
# What the camera did to the upright picture, for each value of the EXIF orientation.
STORED_AS = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}


def quarters() -> np.ndarray:
    """(32, 48, 3): four colors, so that every way to turn it gives another picture."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :24], pixels[:16, 24:], pixels[16:, :24] = (200, 40, 40), (40, 160, 40), (40, 40, 200)
    return pixels


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


def smooth(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


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


def stored_in_16_bits(values: np.ndarray, format: str, **options: object) -> bytes:
    return file_of(Image.fromarray(values.astype(np.uint16)), format, **options)


RAMP = np.array([[0, 1024, 2048, 4095]])
SCALED_FROM_12_BITS = [0, 64, 128, 255]


@pytest.mark.parametrize(
    "data",
    [
        stored_in_16_bits(RAMP, "PNG"),
        stored_in_16_bits(RAMP, "TIFF"),
        stored_in_16_bits(RAMP // 2, "TIFF", tiffinfo={340: 0, 341: 2047}),
        stored_in_16_bits(1000 + RAMP, "TIFF", tiffinfo={340: 1000, 341: 5095}),
        stored_in_16_bits(RAMP // 2, "TIFF", tiffinfo={281: 2047}),
        file_of(Image.fromarray(RAMP.astype(np.int32)), "TIFF"),
        file_of(Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
        b"P5 4 1 4095\n" + RAMP.astype(">u2").tobytes(),
        b"P2 4 1 4095\n0 1024 2048 4095",
        b"P5 4 1 65535\n" + RAMP.astype(">u2").tobytes(),
    ],
    ids=["PNG", "TIFF", "SMaxSampleValue", "SMinSampleValue", "MaxSampleValue", "I", "F", "PGM", "plain PGM", "PGM 16"],
)
def test_grey_that_uses_a_part_of_its_range_is_scaled(data: bytes) -> None:
    """As the file says, or to the usual number of bits that has the values: 12 bits in 16 were nearly black."""
    assert np.abs(decode(data)[0, :, 0].astype(int) - SCALED_FROM_12_BITS).max() <= 1


def png_with_sbit(values: np.ndarray, bits: int) -> bytes:
    data = stored_in_16_bits(values, "PNG")
    content = b"sBIT" + bytes([bits])
    return data[:33] + struct.pack(">I", 1) + content + struct.pack(">I", zlib.crc32(content)) + data[33:]


def test_the_significant_bits_of_a_png() -> None:
    """A dark picture of 12 bits stays dark. One that was scaled to 16 bits, as the format asks for, is left so."""
    assert decode(png_with_sbit(RAMP // 8, 12))[0, :, 0].tolist() == [0, 8, 16, 32]
    assert decode(png_with_sbit(RAMP * 16, 12))[0, :, 0].tolist() == [0, 64, 128, 255]


@pytest.mark.parametrize(("bits", "expected"), [(16, [0, 4, 8, 16]), (14, [0, 16, 32, 64]), (10, [0, 255, 255, 255])])
def test_the_bits_that_the_caller_passes(bits: int, expected: list[int]) -> None:
    for format in ("PNG", "TIFF"):
        assert decode(stored_in_16_bits(RAMP, format), limits=Limits(bits=bits))[0, :, 0].tolist() == expected
    with pytest.raises(UsageError, match="bits is 7: it must be a whole number from 8 to 32"):
        Limits(bits=7)


def test_an_assumed_range_is_reported_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tones, "_reported", set())
    for _ in range(3):
        decode(stored_in_16_bits(RAMP, "PNG"))
        decode(stored_in_16_bits(RAMP, "PNG"), limits=Limits(bits=12))
        decode(stored_in_16_bits(RAMP * 16, "PNG"))
    assert [record.getMessage() for record in caplog.records] == [
        "the picture has values up to 4095, and its file does not say how many bits count: 0 to 4095 becomes black to "
        "white, here and in every such picture (Limits(bits=16) or --bits 16 sets another range)"
    ]


def test_strips_give_the_same_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large pictures are converted in strips."""
    grey = np.random.default_rng(0).integers(0, 65536, (50, 40), np.uint16)
    color = Image.fromarray(noise(50, 40, 4))
    files = [stored_in_16_bits(grey, "PNG"), file_of(color, "PNG"), file_of(color.convert("P"), "PNG", transparency=3)]
    files += [file_of(color.convert("CMYK"), "TIFF"), file_of(color.convert("L"), "PNG")]
    whole = [decode(each) for each in files]
    hashes = [content_hash(each) for each in whole]
    monkeypatch.setattr(tones, "STRIP_PIXELS", 130)
    for each, pixels, expected in zip(files, whole, hashes, strict=True):
        assert np.array_equal(decode(each), pixels)
        assert content_hash(Image.fromarray(pixels)) == content_hash(pixels) == expected


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_an_avif_is_turned_upright(orientation: int) -> None:
    if not features.check("avif"):
        pytest.skip("Pillow has no AVIF")
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](quarters())))
    assert np.abs(decode(file_of(stored, "AVIF", exif=exif, quality=95)).astype(int) - quarters()).mean() < 3


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_heic_is_turned_upright(orientation: int) -> None:
    heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](quarters())))
    heif.from_pillow(stored).save(file, exif=exif.tobytes(), quality=95)
    pixels = decode(file.getvalue())
    assert np.abs(pixels.astype(int) - quarters()).mean() < 4
    assert np.array_equal(decode(file.getvalue(), box=(3, 5, 20, 11)), pixels[5:11, 3:20])
    with pytest.raises(PictureError):
        decode(file.getvalue()[:-300])


def test_a_heic_without_the_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    _factory.cache_clear()
    try:
        with pytest.raises(
            NotAPicture, match=r"is a HEIC picture, which takes an extra: pip install 'semelha\[heic\]'"
        ):
            decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    finally:
        _factory.cache_clear()


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    ],
)
def test_known_formats_that_are_not_read_are_named(start: bytes, what: str) -> None:
    with pytest.raises(NotAPicture, match=f"is a {what} picture, which is not read: convert it to PNG or JPEG"):
        decode(start + bytes(100))


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
@pytest.mark.parametrize("plain", [False, True])
def test_netpbm(mode: str, plain: bool) -> None:
    image = Image.fromarray(quarters()).convert(mode)
    data = file_of(image, "PPM")
    if plain:
        values = np.asarray(image).astype(int).ravel()
        values = 1 - values if mode == "1" else values
        number = {"1": 1, "L": 2, "RGB": 3}[mode]
        most = b"" if mode == "1" else b"255\n"
        data = b"P%d\n48 32\n" % number + most + b" ".join(b"%d" % each for each in values.tolist())
    assert np.array_equal(decode(data), np.asarray(image.convert("RGB")))
    with pytest.raises(PictureError, match="cut off or damaged"):
        decode(data[:-20])


@pytest.mark.parametrize("at_least", [None, 30])
def test_a_picture_of_several_by_a_camera_is_its_first(at_least: int | None, tmp_path: Path) -> None:
    """MPO: a JPEG, followed by others."""
    first, second = (Image.fromarray(smooth(240, 320)), Image.new("RGB", (320, 240), "red"))
    data = file_of(first, "MPO", save_all=True, append_images=[second], quality=95)
    (tmp_path / "IMG.MPO").write_bytes(data)
    alone = file_of(first, "JPEG", quality=95)
    assert np.array_equal(decode(tmp_path / "IMG.MPO", at_least=at_least), decode(alone, at_least=at_least))


@pytest.mark.parametrize("name", ["picture", "a.jfif", "a.MPO", "a.avif", "a.txt"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "PPM", "AVIF"])
def test_the_content_tells_the_format_not_the_name(name: str, format: str, tmp_path: Path) -> None:
    if format == "AVIF" and not features.check("avif"):
        pytest.skip("Pillow has no AVIF")
    (tmp_path / name).write_bytes(file_of(Image.fromarray(quarters()), format))
    assert np.abs(decode(tmp_path / name).astype(int) - quarters()).mean() < 4


@pytest.mark.parametrize("size", [(12_000, 9_000), (16_320, 12_240)])
def test_photos_of_108_and_200_megapixels_are_read_at_a_part_of_their_size(size: tuple[int, int]) -> None:
    """Above the number of pixels from which Pillow calls a file an attack."""
    data = file_of(Image.new("L", size, 90), "JPEG")
    assert decode(data, at_least=64).shape == (size[1] // 8, size[0] // 8, 3)
    with OpenPicture(data, at_least=64) as opened:
        assert opened.decoding_bytes < 20e6
    with pytest.raises(PictureTooLarge, match="max_pixels is 100,000,000 in all"):
        decode(data, at_least=64, limits=Limits(max_pixels=100_000_000))


def png_of_16_bits(values: np.ndarray) -> bytes:
    """A PNG of color with 16 bits for each channel, which Pillow cannot write."""
    height, width, _ = values.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff_of_16_bits(values: np.ndarray, order: str, compressed: bool) -> bytes:
    height, width, _ = values.shape
    body = values.astype(f"{order}u2").tobytes()
    body = zlib.compress(body) if compressed else body
    body += b"\0" * (len(body) % 2)
    end = 8 + len(body)
    tags = {256: (4, width), 257: (4, height), 259: (3, 8 if compressed else 1), 262: (3, 2), 273: (4, 8)}
    tags |= {277: (3, 3), 278: (4, height), 279: (4, len(body)), 284: (3, 1)}
    entries = []
    for tag in sorted([*tags, 258]):
        if tag == 258:
            entries.append(struct.pack(order + "HHII", 258, 3, 3, end))
            continue
        kind, value = tags[tag]
        entries.append(struct.pack(order + ("HHIHxx" if kind == 3 else "HHII"), tag, kind, 1, value))
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(order + "HI", 42, end + 6)
    depths, number = struct.pack(order + "3H", 16, 16, 16), struct.pack(order + "H", len(entries))
    return head + body + depths + number + b"".join(entries) + bytes(4)


@pytest.mark.parametrize("kind", ["PNG", "<", ">", "< compressed", "> compressed"])
def test_color_of_16_bits_that_uses_a_part_of_its_range_is_scaled(kind: str) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (5, 7, 3))

    def stored(values: np.ndarray) -> bytes:
        return png_of_16_bits(values) if kind == "PNG" else tiff_of_16_bits(values, kind[0], "compressed" in kind)

    expected = np.rint(values * 255 / 4095)
    assert np.array_equal(decode(stored(values)), expected)
    assert np.array_equal(decode(stored(values), limits=Limits(bits=12)), expected)
    assert np.array_equal(decode(stored(values), limits=Limits(bits=16)), np.rint(values * 255 / 65535))
    assert np.array_equal(decode(stored(values * 16)), values * 16 // 256)  # all of its range: the high bytes
