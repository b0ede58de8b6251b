"""Content hashes: of a JPEG's data or of pixels, independent of the scale and of metadata."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semelha.images import Picture, content_hash, content_hashes, decode, read_pictures
from semelha.images.content import jpeg_hash

SMOOTH = np.asarray(Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)).resize((480, 360)))


def jpeg(pixels: np.ndarray = SMOOTH, orientation: int = 1, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=exif, **options)
    return file.getvalue()


def hash_of(data: bytes, **more: object) -> str:
    (found,) = content_hashes(Picture(data, "", "p", **more))
    return found


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}])
def test_metadata_of_a_jpeg_do_not_count(options: dict[str, object]) -> None:
    bare = jpeg(**options)
    rich = jpeg(**options, comment=b"holiday", icc_profile=b"p" * 70_000, xmp=b"<x/>")
    assert rich != bare
    assert np.array_equal(decode(rich), decode(bare))
    assert hash_of(rich) == hash_of(bare)
    assert hash_of(bare).startswith("jpeg:")


def test_what_changes_the_pixels_of_a_jpeg_changes_its_hash() -> None:
    changed = SMOOTH.copy()
    changed[100:110] = 0
    boxes = [{"box": (0, 0, 400, 300)}, {"box": (0, 0, 400, 301)}]
    others = [jpeg(), jpeg(changed), jpeg(quality=60), jpeg(orientation=6), jpeg(SMOOTH[:, ::-1])]
    hashes = [hash_of(data) for data in others] + [hash_of(jpeg(), **box) for box in boxes]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "WEBP"])
def test_a_lossless_picture_has_one_hash_in_both_bases(format: str) -> None:
    file = io.BytesIO()
    Image.fromarray(SMOOTH).save(file, format, lossless=True)
    picture = Picture(file.getvalue(), "", "p")
    expected = (content_hash(SMOOTH),)
    assert content_hashes(picture, ("encoded", "pixels")) == content_hashes(Picture(SMOOTH, "", "p")) == expected


def test_a_jpeg_has_two() -> None:
    encoded, pixels = content_hashes(Picture(jpeg(), "", "p"), ("encoded", "pixels"))
    assert encoded == hash_of(jpeg())
    assert pixels == content_hash(decode(jpeg()))


@pytest.mark.parametrize("basis", ["encoded", "pixels"])
@pytest.mark.parametrize("at_least", [None, 20, 1])
def test_the_scale_does_not_count(basis: str, at_least: int | None, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    for source in (jpeg(), tmp_path / "a.jpg", str(tmp_path / "a.jpg"), io.BytesIO(jpeg())):
        (read,) = read_pictures([source], lambda image: (image.height, image.width, 3), at_least=at_least, hashed=basis)
        assert (read.content_hash,) == content_hashes(Picture(jpeg(), "", "p"), (basis,))
        scale = 1 if at_least is None or basis == "pixels" else 8
        assert read.result == (360 // scale, 480 // scale, 3)


def test_damaged_segments_are_hashed_all_the_same() -> None:
    data = bytearray(jpeg())
    data[4:6] = b"\xff\xff"  # the length of the first segment goes beyond the file
    assert jpeg_hash(bytes(data), orientation=1, box=None) != jpeg_hash(jpeg(), orientation=1, box=None)
    for cut in range(40):
        jpeg_hash(bytes(data[:cut]), orientation=1, box=None)
