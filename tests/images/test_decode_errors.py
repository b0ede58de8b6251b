"""Decoding of damaged, huge and other files: one clear error, and damaged metadata is none."""

import contextlib
import io
import os
import struct
import threading
import warnings
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from tests.images.files import FORMATS, file_of, noise

from semelha.errors import NotAPicture, PictureError, PictureTooLarge, TruncatedPicture
from semelha.images import Limits, decode
from semelha.images.decode import OpenPicture


def png_header(width: int, height: int) -> bytes:
    """A PNG file that promises `width` × `height` grey pixels and holds none of them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("part", [0.3, 0.7])
def test_a_truncated_file(format: str, part: float) -> None:
    data = file_of(Image.fromarray(noise(200, 200)), format)
    with pytest.raises(TruncatedPicture, match="cut off or damaged"):
        decode(data[: int(part * len(data))])


@pytest.mark.parametrize(
    "data", [b"\x00" * 500, b"a list of things to buy\n", b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(NotAPicture, match="JPEG, PNG, WEBP, BMP, TIFF, GIF, Netpbm, AVIF, HEIC"):
        decode(data)


@pytest.mark.parametrize("format", ["ICO", "TGA", "EPS", "PCX", "JPEG2000"])
def test_formats_that_nobody_asked_for_are_not_opened(format: str) -> None:
    """Every reader more is another that a stranger's file can attack."""
    with pytest.raises(NotAPicture):
        decode(file_of(Image.new("RGB", (20, 20)), format))


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(NotAPicture, match=r"a\.png is empty"):
        decode(tmp_path / "a.png")
    with pytest.raises(NotAPicture):
        decode(b"")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="No such file"):
        decode(tmp_path / "nothing.png")
    with pytest.raises(PictureError, match="no file"):
        decode(tmp_path)
    with pytest.raises(PictureError, match="cannot be read"):
        decode("a\0b.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureError, match="no file"):
        decode(tmp_path / "pipe.png")


def test_bytes_are_counted_before_they_are_read(tmp_path: Path) -> None:
    file = tmp_path / "huge.png"
    file.write_bytes(png_header(10, 10))
    os.truncate(file, 2**36)  # 64 GiB that take no room: reading them would fill the memory
    for read in (decode, OpenPicture):
        with pytest.raises(PictureTooLarge, match=r"68,719,476,736 bytes: max_bytes is 268,435,456"):
            read(file)
    data = file_of(Image.new("RGB", (4, 4)), "PNG")
    assert decode(data, limits=Limits(max_bytes=len(data))).shape == (4, 4, 3)
    with pytest.raises(PictureTooLarge):
        decode(data, limits=Limits(max_bytes=len(data) - 1))


def test_pixels_are_counted_before_they_are_decoded(tmp_path: Path) -> None:
    """The file holds no pixels: whoever decodes them first says that it is truncated."""
    for width, height in ((25_001, 10_000), (60_000, 60_000)):  # above our limit; above Pillow's too
        (tmp_path / "bomb.png").write_bytes(png_header(width, height))
        for read in (decode, OpenPicture):
            with pytest.raises(PictureTooLarge, match="pixels"):
                read(tmp_path / "bomb.png")
    data = file_of(Image.new("RGB", (10, 10)), "PNG")
    assert decode(data, limits=Limits(max_pixels=100)).shape == (10, 10, 3)
    with pytest.raises(PictureTooLarge, match="10 × 10 pixels: max_pixels is 99"):
        decode(data, limits=Limits(max_pixels=99))


def test_pillows_own_limit_does_not_warn_below_ours() -> None:
    with pytest.raises(TruncatedPicture):
        decode(png_header(9_999, 9_999))


def test_text_that_unpacks_to_more_than_it_may() -> None:
    data = file_of(Image.new("L", (4, 4)), "PNG")
    text = b"comment\0\0" + zlib.compress(bytes(20 * 2**20))
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    with pytest.raises(PictureError):
        decode(data[:33] + chunk + data[33:])


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (5, 0, 4, 5), (-1, 0, 5, 5), (0, 0, 57, 5), (0, 0, 5, 41)])
def test_a_box_outside(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(PictureError, match="56 × 40 pixels"):
        decode(file_of(Image.fromarray(noise()), "PNG"), box=box)


@pytest.mark.parametrize("format", FORMATS)
def test_damage_anywhere_is_a_picture_error(format: str) -> None:
    """Whatever bytes are changed: pixels or a `PictureError`, and never another error or a warning."""
    whole = file_of(Image.fromarray(noise(24, 24)).quantize(16), format) if format == "GIF" else (
        file_of(Image.fromarray(noise(24, 24)), format)
    )  # fmt: skip
    chance = np.random.default_rng(0)
    for _ in range(150):
        data = np.frombuffer(whole, np.uint8).copy()
        where = chance.integers(0, min(len(data), 400), chance.integers(1, 9))
        data[where] = chance.integers(0, 256, len(where))
        with contextlib.suppress(PictureError):
            assert decode(data.tobytes(), limits=Limits(max_pixels=10**6)).shape[2] == 3


def with_damaged_exif() -> bytes:
    """A whole JPEG whose EXIF data break off; Pillow warns of it."""
    return file_of(Image.new("RGB", (8, 8), (200, 200, 200)), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01")


def test_damaged_metadata_beside_whole_pixels_is_no_error() -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        Image.open(io.BytesIO(with_damaged_exif())).getexif()
    assert heard, "Pillow says nothing of this damage: the test needs another"
    assert decode(with_damaged_exif()).shape == (8, 8, 3)


def test_threads_decode_alike_and_leave_the_filters_of_warnings_as_they_were() -> None:
    files = [file_of(Image.fromarray(noise()), format) for format in FORMATS] + [with_damaged_exif()]
    expected = [decode(data) for data in files]
    before = list(warnings.filters)
    wrong: list[object] = []

    def work() -> None:
        try:
            for _ in range(10):
                wrong.extend(i for i, data in enumerate(files) if not np.array_equal(decode(data), expected[i]))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert list(warnings.filters) == before


def damaged_files() -> dict[str, bytes]:
    """A file of each format that the extra or a newer Pillow reads, and of Netpbm."""
    image = Image.fromarray(noise())
    files = {"PPM": file_of(image, "PPM"), "PGM": b"P2 8 8 9\n" + b"5 " * 64, "MPO": file_of(image, "MPO")}
    if features.check("avif"):
        files["AVIF"] = file_of(image, "AVIF")
    if find_spec("pillow_heif"):
        import pillow_heif

        file = io.BytesIO()
        pillow_heif.from_pillow(image).save(file)
        files["HEIC"] = file.getvalue()
    return files


@pytest.mark.parametrize("format", ["PPM", "PGM", "MPO", "AVIF", "HEIC"])
def test_damage_of_the_other_formats_is_a_picture_error(format: str) -> None:
    data = damaged_files().get(format)
    if data is None:
        pytest.skip(f"{format} is not read here")
    random = np.random.default_rng(0)
    for _ in range(200):
        changed = bytearray(data)
        for place in random.integers(0, len(data) if random.random() < 0.5 else min(len(data), 400), 3):
            changed[place] = random.choice([0, 255, random.integers(256)])
        with contextlib.suppress(PictureError):
            assert decode(bytes(changed)).dtype == np.uint8
