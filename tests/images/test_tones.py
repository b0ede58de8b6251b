"""Values of more than 8 bits are scaled by what the file states, by the data, or as the caller says."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from tests.images.files import file_of, noise

from semelha.errors import UsageError
from semelha.images import Limits, content_hash, decode, tones


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
