"""Paths with names: each part of a path is decoded after it was matched, so that a name may have an encoded slash."""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import Scope


class SegmentConvertor(Convertor[str]):
    """A part of a path, decoded after it was matched: an encoded slash belongs to it."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value, errors="replace")

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("segment", SegmentConvertor())

SUBJECT = "/subjects/{name:segment}"
GALLERY = "/api/v1/galleries/{gallery:segment}"
PREFIX = re.compile(r"^/api/v1(/galleries/\{gallery\})?(?=/)")


def route_of(scope: Scope) -> str:
    """The path of the route that answered, such as "/subjects/{name}", without what all have; "none" without one.

    Some versions of FastAPI give a route the prefix of its router, and others do not.
    """
    return PREFIX.sub("", getattr(scope.get("route"), "path_format", "none"))
