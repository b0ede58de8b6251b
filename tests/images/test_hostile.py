"""Small files that would take much memory or time: each is refused, or decoded within stated bounds."""

import io
import os
import struct
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from tests.images.files import file_of

from semelha.errors import PictureError, PictureTooLarge
from semelha.images import Limits, decode
from semelha.images.decode import OpenPicture

SECONDS = 10
"""Upper bound of every test here, several times what it takes on an idle processor."""

PEAK = """
import resource, sys
from semelha.images import read_pictures
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
results = list(read_pictures([sys.argv[1]] * int(sys.argv[2]), lambda image: image.size, at_least=128, hashed=True))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, results[0])
"""


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, depth: int = 8, color: int = 0, extra: bytes = b"", samples: int = 1) -> bytes:
    """A PNG of zeros, compressed a thousand times; without them if there are no `samples`."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    packer, row = zlib.compressobj(9), bytes(1 + width * depth // 8 * samples)
    body = b"".join(packer.compress(row) for _ in range(height if samples else 0)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def peak_of(file: Path, count: int = 1) -> tuple[float, str]:
    """Megabytes that a child process takes to read a picture, and what comes of it."""
    command = [sys.executable, "-c", PEAK, str(file), str(count)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ.copy()).stdout
    kilobytes, result = output.split(" ", 1)
    return int(kilobytes) / 1024, result


def test_a_small_png_of_100_megapixels_in_16_bits(tmp_path: Path) -> None:
    """It took 2.9 GB in each thread. With its content hash, which takes all of its pixels."""
    (tmp_path / "bomb.png").write_bytes(png(10_000, 10_000, depth=16))
    assert (tmp_path / "bomb.png").stat().st_size < 250_000
    megabytes, result = peak_of(tmp_path / "bomb.png", count=1)
    assert "(10000, 10000)" in result
    assert megabytes < Limits().max_memory / 2**20


@pytest.mark.parametrize(("depth", "color", "width"), [(8, 6, 16_000), (16, 4, 16_000), (16, 0, 20_000)])
def test_what_takes_more_than_the_memory_is_refused_before_it_is_decoded(depth: int, color: int, width: int) -> None:
    header = png(width, 10_000, depth=depth, color=color, samples=0)
    with pytest.raises(PictureTooLarge, match=r"PNG\) takes [0-9,]+ MB of memory to decode: max_memory is 1,024 MB"):
        decode(header)


@pytest.mark.parametrize("format", ["WEBP", "AVIF"])
def test_the_memory_that_a_decoder_takes_itself_counts(format: str) -> None:
    if format == "AVIF" and not features.check("avif"):
        pytest.skip("Pillow has no AVIF")
    data = file_of(Image.new("RGB", (500, 400)), format)
    with OpenPicture(data) as opened:
        needed = opened.decoding_bytes
    assert needed >= 16 * 500 * 400
    with pytest.raises(PictureTooLarge, match="takes"):
        decode(data, limits=Limits(max_memory=needed - 1))
    assert decode(data, limits=Limits(max_memory=needed)).shape == (400, 500, 3)


def slow_jpeg(side: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated: each repetition is decoded over all pixels."""
    data = file_of(Image.new("RGB", (side, side), (9, 90, 200)), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scans * last + data[-2:]


@pytest.mark.parametrize(("side", "scans"), [(4000, 3000), (300, 200), (9000, 60)])
@pytest.mark.parametrize("at_least", [None, 64])
def test_a_jpeg_of_many_scans(side: int, scans: int, at_least: int | None) -> None:
    """One of 500 KB took 30 s."""
    data = slow_jpeg(side, scans)
    start = time.monotonic()
    with pytest.raises(PictureTooLarge, match="scans or more"):
        decode(data, at_least=at_least)
    assert time.monotonic() - start < SECONDS


def test_a_usual_progressive_jpeg_is_decoded_and_its_coefficients_are_counted() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    plain, progressive = (file_of(image, "JPEG", subsampling=0, progressive=each) for each in (False, True))
    assert np.array_equal(decode(plain), decode(progressive))
    with OpenPicture(plain, at_least=4) as one, OpenPicture(progressive, at_least=4) as other:
        assert other.decoding_bytes - one.decoding_bytes == 2 * 3 * 64 * 64
    assert decode(progressive + slow_jpeg(64, 200)).shape == (64, 64, 3)  # what follows the picture is not decoded


def ifd(entries: int, size: int, *, strips: int = 1) -> bytes:
    """A TIFF of one pixel whose other tags all refer to the same `size` bytes."""
    tags = {256: (4, 1, 1), 257: (4, 1, 1), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1)}
    tags |= {273: (4, strips, 8), 277: (3, 1, 1), 278: (4, 1, 1), 279: (4, 1, 1)}
    tags |= dict.fromkeys(range(1000, 1000 + entries), (7, size, 8))
    start = 8 + max(size, 4 * strips)
    body = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags))
    return struct.pack("<2sHI", b"II", 42, start) + bytes(start - 8) + struct.pack("<H", len(tags)) + body + bytes(4)


def jpeg_segments(*segments: tuple[int, bytes]) -> bytes:
    data = file_of(Image.new("RGB", (8, 8)), "JPEG")
    parts = [bytes([0xFF, kind]) + struct.pack(">H", len(content) + 2) + content for kind, content in segments]
    return data[:2] + b"".join(parts) + data[2:]


def jpeg_with_exif(exif: bytes) -> bytes:
    pieces = [exif[start : start + 65_000] for start in range(0, len(exif), 65_000)]
    return jpeg_segments(*((0xE1, b"Exif\0\0" + piece) for piece in pieces))


def webp_with_exif(exif: bytes) -> bytes:
    return file_of(Image.new("RGB", (8, 8)), "WEBP", exif=exif)


def avif_with_exif(exif: bytes) -> bytes:
    if not features.check("avif"):
        pytest.skip("Pillow has no AVIF")
    with warnings.catch_warnings(action="ignore"):
        return file_of(Image.new("RGB", (8, 8)), "AVIF", exif=exif)


@pytest.mark.parametrize("make", [bytes, jpeg_with_exif, avif_with_exif])
def test_tags_that_unpack_to_gigabytes(make: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "tags").write_bytes(make(ifd(20_000, 10**6)))
    start = time.monotonic()
    megabytes, result = peak_of(tmp_path / "tags")
    assert "metadata that would unpack to more than 16 MB" in result
    assert megabytes < 100
    assert time.monotonic() - start < SECONDS


@pytest.mark.parametrize(
    "make", [lambda: webp_with_exif(ifd(20_000, 10**6)), lambda: png(8, 8, extra=chunk(b"eXIf", ifd(20_000, 10**6)))]
)
def test_tags_that_only_the_orientation_is_taken_from(make: Callable[[], bytes], tmp_path: Path) -> None:
    (tmp_path / "tags").write_bytes(make())
    megabytes, result = peak_of(tmp_path / "tags")
    assert "(8, 8)" in result
    assert megabytes < 100


def test_a_tiff_of_a_million_strips() -> None:
    with pytest.raises(PictureTooLarge, match="more than 200,000 strips"):
        decode(ifd(0, 0, strips=10**6))


def test_a_tiff_whose_tile_is_larger_than_the_picture() -> None:
    """The decoder makes room for a whole tile."""
    data = file_of(Image.new("RGB", (16, 16)), "TIFF", compression="tiff_adobe_deflate")
    with Image.open(io.BytesIO(data)) as image:
        tags = {tag: (image.tag_v2.tagtype[tag], image.tag_v2[tag]) for tag in image.tag_v2}
    strip = tags[273][1][0]
    side = 2**15
    replaced = {322: (4, side), 323: (4, side), 324: (4, strip), 325: (4, tags[279][1][0])}
    entries = {258: (3, 8), 256: (4, 16), 257: (4, 16), 259: (3, 8), 262: (3, 2), 277: (3, 3), **replaced}
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in sorted(entries.items()))
    start = len(data) + len(data) % 2
    crafted = data[:4] + struct.pack("<I", start) + data[8:].ljust(start - 8, b"\0")
    crafted += struct.pack("<H", len(entries)) + body + bytes(4)
    with pytest.raises(PictureTooLarge, match="takes"):
        decode(crafted)


@pytest.mark.parametrize(
    "make",
    [
        lambda: jpeg_segments(*[(0xEF, b"")] * 2_000_000),
        lambda: b"\xff\xd8\xff" + b"\xff" * 4_000_000,
        lambda: b"\xff\xd8\xff\xe0\0\x02" + bytes(4_000_000),
        lambda: png(8, 8, extra=chunk(b"abCd", b"") * 1_000_000),
        lambda: b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + b"!\xfe" + b"\x01a" * 4_000_000 + b"\0;",
        lambda: b"P5 " + b"#\n" * 2_000_000 + b"8 8 255 " + bytes(64),
    ],
    ids=["JPEG segments", "JPEG fill bytes", "JPEG junk", "PNG chunks", "GIF comment", "PGM comments"],
)
def test_millions_of_empty_segments(make: Callable[[], bytes]) -> None:
    data = make()
    start = time.monotonic()
    with pytest.raises(PictureError, match=r"too many segments|cut off or damaged|no picture"):
        decode(data)
    assert time.monotonic() - start < SECONDS


def test_netpbm_as_text_or_of_12_bits_is_decoded_in_no_time() -> None:
    """Pillow takes a second for each megapixel."""
    values = np.random.default_rng(0).integers(0, 4096, (1000, 2000)).astype(">u2")
    start = time.monotonic()
    binary = decode(b"P5 2000 1000 4095\n" + values.tobytes())
    text = decode(b"P2\n# a comment\n2000 1000 4095\n" + b" ".join(b"%d" % each for each in values.ravel().tolist()))
    assert time.monotonic() - start < SECONDS
    assert np.array_equal(binary, text)
    assert np.array_equal(binary[..., 0], np.rint(values.astype(float) * 255 / 4095))
