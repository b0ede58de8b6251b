"""Formats are recognized by their content; what is not read, or takes an extra, is named."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from tests.images.files import STORED_AS, file_of, quarters, smooth

from semelha.errors import NotAPicture, PictureError
from semelha.images import decode
from semelha.images.formats import _factory


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
