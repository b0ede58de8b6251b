"""The quick look at headers accepts ordinary PNG and JPEG files, and nothing that reading the header refuses."""

import io
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from semelha.errors import PictureError
from semelha.images import Limits, decode
from semelha.images.decode import OpenPicture
from semelha.images.peek import peek


def encoded(kind: str, **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_it_accepts_what_cameras_and_programs_write(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "camera"
    for options in ({}, {"exif": exif}):
        data = encoded(kind, **options)
        (tmp_path / "a").write_bytes(data)
        with OpenPicture(tmp_path / "a") as opened:
            assert peek(str(tmp_path / "a"), Limits()) == (len(data), data[-64:]) == opened.signature()


def test_everything_else_is_left_to_pillow(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for data in (b"", b"no picture", encoded("gif"), encoded("jpeg", progressive=True), encoded("png")[:33]):
        path.write_bytes(data)
        assert peek(str(path), Limits()) is None
    path.write_bytes(encoded("png"))
    for limits in (Limits(max_pixels=599), Limits(max_bytes=100), Limits(max_memory=1000)):
        assert peek(str(path), limits) is None
    os.mkfifo(tmp_path / "pipe")
    for other in ("pipe", "nothing", ".", "a\0b"):
        assert peek(str(tmp_path / other), Limits()) is None


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["png", "jpeg"]), st.integers(0, 40), st.integers(0, 255), st.integers(2, 700))
def test_a_damaged_header_is_no_error_before_decoding_says_so(
    tmp_path: Path, kind: str, place: int, value: int, length: int
) -> None:
    data = bytearray(encoded(kind))
    data[place] = value
    (tmp_path / "a").write_bytes(data[:length])
    if peek(str(tmp_path / "a"), Limits()) is not None:
        with suppress(PictureError):
            assert decode(tmp_path / "a").ndim == 3
