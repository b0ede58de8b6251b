"""The page: files that were built from `web/`, at `/`."""

from __future__ import annotations

import gzip
import re
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Header, Response

from semelha.service.problems import Problem

router = APIRouter(include_in_schema=False)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
REVALIDATED, IMMUTABLE = "no-cache", "public, max-age=31536000, immutable"
ASSET = re.compile(r"[\w-]+\.(js|css|svg)", re.ASCII)
BUILT = files("semelha.service").joinpath("page")
GZIP = re.compile(r"(^|,)\s*gzip\s*(;\s*q=(1|0\.\d*[1-9])[\d.]*\s*)?(,|$)", re.ASCII)
Encodings = Annotated[str, Header(alias="Accept-Encoding")]


@router.get("/")
def page(encodings: Encodings = "") -> Response:
    """The page itself."""
    return _built("index.html", REVALIDATED, encodings)


@router.get("/icon.svg")
def icon(encodings: Encodings = "") -> Response:
    """Its icon."""
    return _built("icon.svg", REVALIDATED, encodings)


@router.get("/assets/{name}")
def asset(name: str, encodings: Encodings = "") -> Response:
    """A script or style sheet; its name has a hash of its content."""
    return _built(f"assets/{name}" if ASSET.fullmatch(name) else "", IMMUTABLE, encodings)


def _built(name: str, caching: str, encodings: str) -> Response:
    """A file of the page, compressed if the browser takes that. Raises `Problem` (404)."""
    file = BUILT.joinpath(name)
    if not file.is_file():
        raise Problem(404, "not-found", "the page has no such file: reload it")
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": caching, "Vary": "Accept-Encoding"}
    content = file.read_bytes()
    if GZIP.search(encodings.lower()):
        headers["Content-Encoding"] = "gzip"
        content = gzip.compress(content, mtime=0)
    kind = TYPES["." + name.rpartition(".")[2]]
    return Response(content, media_type=f"{kind}; charset=utf-8", headers=headers)
