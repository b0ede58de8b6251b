"""The page: files that were built from `web/`, at `/`."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from semelha.service.dependencies import has_tag
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


@router.get("/")
def page(request: Request) -> Response:
    """The page itself."""
    return _built(request, "index.html", REVALIDATED)


@router.get("/icon.svg")
def icon(request: Request) -> Response:
    """Its icon."""
    return _built(request, "icon.svg", REVALIDATED)


@router.get("/assets/{name}")
def asset(request: Request, name: str) -> Response:
    """A script or style sheet; its name has a hash of its content."""
    return _built(request, f"assets/{name}" if ASSET.fullmatch(name) else "", IMMUTABLE)


@dataclass(frozen=True)
class _Content:
    """The bytes of a file in one encoding, and their ETag."""

    data: bytes
    tag: str


@cache
def _contents(name: str) -> tuple[_Content, _Content]:
    """A file of the page as it is and compressed, which is done once. Raises `Problem` (404)."""
    file = BUILT.joinpath(name)
    if not file.is_file():
        raise Problem(404, "not-found", "the page has no such file: reload it")
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()[:32]
    return _Content(data, f'"{digest}"'), _Content(gzip.compress(data, mtime=0), f'"{digest}-gzip"')


def _built(request: Request, name: str, caching: str) -> Response:
    """A file of the page, compressed if the browser takes that; 304 if it has the file already."""
    plain, compressed = _contents(name)
    is_compressed = GZIP.search(request.headers.get("accept-encoding", "").lower())
    content = compressed if is_compressed else plain
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": caching,
        "Vary": "Accept-Encoding",
        "ETag": content.tag,
    }
    if has_tag(request, content.tag):
        return Response(status_code=304, headers=headers)
    if is_compressed:
        headers["Content-Encoding"] = "gzip"
    kind = TYPES["." + name.rpartition(".")[2]]
    return Response(content.data, media_type=f"{kind}; charset=utf-8", headers=headers)
