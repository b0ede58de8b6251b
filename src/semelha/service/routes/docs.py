"""The page of the endpoints: made of the OpenAPI document, without scripts and without other servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response

from semelha.html import escape
from semelha.html import style as page_style

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs(request: Request) -> Response:
    """The page."""
    return Response("".join(_page(request.app.openapi())), media_type="text/html; charset=utf-8")


@router.get("/docs/page.css")
def style() -> Response:
    """Its style."""
    return Response(page_style(), media_type="text/css; charset=utf-8")


def _page(document: dict[str, Any]) -> Iterator[str]:
    title = f"{document['info']['title']} {document['info']['version']}"
    yield (
        '<!doctype html>\n<html lang="en" data-theme="auto">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" '
        f'content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        '<link rel="stylesheet" href="docs/page.css">\n</head>\n<body>\n<header>\n'
        f"<h1>{escape(title)}</h1>\n<p>{escape(document['info']['description'])} The whole of it, for programs: "
        '<a href="openapi.json">openapi.json</a>.</p>\n</header>\n<main>\n'
    )
    tags: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        if path.startswith("/api/v1/galleries/{gallery}/"):
            continue
        for method, one in operations.items():
            tags.setdefault(one["tags"][0], []).append("".join(_operation(method, path, one)))
    yield "<p>Below <code>/api/v1/galleries/NAME</code> are the same endpoints for each gallery of the server.</p>\n"
    for tag, texts in tags.items():
        yield f"<section>\n<h2>{escape(tag)}</h2>\n{''.join(texts)}</section>\n"
    yield "</main>\n</body>\n</html>\n"


def _operation(method: str, path: str, one: dict[str, Any]) -> Iterator[str]:
    yield f"<h3><code>{method.upper()} {escape(path)}</code></h3>\n<p>{escape(one.get('description', ''))}</p>\n"
    parameters = [each for each in one.get("parameters", ()) if each["in"] == "query"]
    if parameters:
        rows = "".join(
            f"<tr><td><code>{escape(each['name'])}</code></td><td>{escape(str(each['schema'].get('default', '')))}</td>"
            f"<td>{escape(each.get('description', ''))}</td></tr>"
            for each in parameters
        )
        yield f"<table><tr><th>parameter</th><th>default</th><th></th></tr>{rows}</table>\n"
    for kind, media in one.get("requestBody", {}).get("content", {}).items():
        fields = ", ".join(media["schema"].get("properties", {}))
        yield f"<p><code>{escape(kind)}</code>{': ' if fields else ''}{escape(fields)}</p>\n"
        if "example" in media:
            yield f"<pre>{escape(json.dumps(media['example'], indent=1, ensure_ascii=False))}</pre>\n"
