"""The OpenAPI document: errors as they are sent, and one operation for each path and method."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

PROBLEM = {
    "description": "An error (RFC 9457): what is wrong, and what would be right.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
UNUSED = ("HTTPValidationError", "ValidationError")
"""Schemas of the errors that FastAPI would send."""


class Problem(BaseModel):
    """An error: `detail` says in one sentence what is wrong, and what would be right."""

    type: str = Field(examples=["urn:semelha:problem:subject-not-found"])
    title: str
    status: int
    detail: str
    request_id: str


def describe(app: FastAPI) -> None:
    """Make the document of an application such that every error is a problem."""
    plain = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = plain()
            for path in found["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
                    operation["responses"].setdefault("default", PROBLEM)
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema()
            for name in UNUSED:
                schemas.pop(name, None)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def allowed_methods(app: FastAPI, path: str) -> list[str]:
    """The methods that a path takes."""
    for template, operations in app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path):
            return sorted(method.upper() for method in operations)
    return ["GET"]


def operation_id(route: APIRoute) -> str:
    """The name of an operation: that of its function, and of the gallery that a path names."""
    of_named = "_in_gallery" if "{gallery" in route.path and route.name != "get_gallery" else ""
    return f"{route.name}{of_named}"
