"""Paths with names: each part of a path is decoded after it was matched, so that a name may have an encoded slash."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.convertors import Convertor, register_url_convertor


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
