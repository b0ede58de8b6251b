"""Kept pictures as answers: small WebP files without EXIF data."""

from __future__ import annotations

import io
from typing import Annotated, Any

import numpy as np
from fastapi import Query, Response
from PIL import Image

from semelha.images import decode

WEBP: dict[int | str, dict[str, Any]] = {200: {"content": {"image/webp": {}}, "description": "The picture."}}
Side = Annotated[int, Query(ge=16, le=512, description="Pixels of the longer side.")]


def thumbnail(picture: bytes, side: int) -> bytes:
    """A kept picture, at most so large, as a WebP file."""
    image = Image.fromarray(np.asarray(decode(picture)))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=80)
    return file.getvalue()


def webp(content: bytes, tag: str) -> Response:
    """The answer with a WebP file and its ETag."""
    return Response(content, media_type="image/webp", headers={"ETag": tag, "Cache-Control": "private, no-cache"})
