"""The body of a request: JSON with pictures in base64, or a form with files, as one model of pydantic."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from python_multipart.exceptions import FormParserError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from semelha.errors import UsageError
from semelha.images import Limits, Picture
from semelha.service.problems import Problem
from semelha.service.settings import Settings
from semelha.text import CONTROLS
from semelha.untrusted import MAX_NAME_LENGTH, parse_json

MAX_DEPTH = 20
MAX_FIELDS = 200
MAX_FIELD = 1 << 16  # bytes of a field of a form that is no file
EXAMPLE_DATA = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACAQAAAABazTCJAAAADElEQVR42mNgYGAAAAAEAAHI6uv5AAAAAElFTkSuQmCC"
"""A picture of 2 × 2 pixels."""
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,")
_BOX = re.compile(r"[\s,;]+")


def _bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    head = _DATA_URL.match(value[:100])
    try:
        return base64.b64decode(value[head.end() :] if head else value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("it is not valid base64") from error


def _numbers(value: object) -> object:
    return _BOX.split(value.strip()) if isinstance(value, str) else value


Data = Annotated[
    bytes, BeforeValidator(_bytes), WithJsonSchema({"type": "string", "contentEncoding": "base64", "minLength": 1})
]
SubjectName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
Coordinate = Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)]
Box = Annotated[tuple[Coordinate, Coordinate, Coordinate, Coordinate], BeforeValidator(_numbers)]
Kind = TypeVar("Kind", bound=BaseModel)


class Content(BaseModel):
    """What a request sends. A field that is not known is an error."""

    model_config = ConfigDict(extra="forbid")


class JsonContent(Content):
    """What a request sends as JSON alone: a number is no text, and true is no number."""

    model_config = ConfigDict(strict=True)


class PictureContent(Content):
    """A picture: its file, a name for answers and messages, and the crop to use (left, top, right, bottom)."""

    data: Data
    name: str = Field("", max_length=MAX_NAME_LENGTH)
    box: Box | None = None


class PicturesContent(Content):
    """One picture or more."""

    pictures: list[PictureContent] = Field(min_length=1)

    def sources(self, settings: Settings) -> list[Picture]:
        """The pictures, with the limits of the server. Raises `Problem` (413) if there are too many."""
        if len(self.pictures) > settings.max_pictures:
            raise Problem(413, "too-large", f"a request has at most {settings.max_pictures} pictures")
        limits = Limits(max_pixels=settings.max_pixels, max_memory=settings.max_decoding)
        return [
            Picture(one.data, "", shown_name(one.name) or f"picture {number}", box=one.box, limits=limits)
            for number, one in enumerate(self.pictures)
        ]


def shown_name(name: str) -> str:
    """The name of a file as it is stored and shown: one line."""
    return CONTROLS.sub("\N{REPLACEMENT CHARACTER}", name).strip()


def body_of(
    kind: type[Kind], form_values: Callable[[FormData], Awaitable[dict[str, Any]]] | None = None
) -> Callable[[Request], Awaitable[Kind]]:
    """A dependency: the body of the request as a model, by default with a file `picture` for each picture of a form.

    It raises `RequestValidationError` or `Problem`.
    """
    read = form_values or _form_values

    async def parse(request: Request) -> Kind:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type == "multipart/form-data":
            most = request.app.state.settings.max_pictures + 1
            try:
                async with request.form(max_files=most, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD) as form:
                    values = await read(form)
            except FormParserError as error:  # Starlette below 1.0 lets it pass
                raise HTTPException(400, "the form is no valid multipart/form-data") from error
        elif content_type == "application/json":
            values = await run_in_threadpool(_json_values, await request.body())
        else:
            raise Problem(415, "unsupported-media-type", "send application/json or multipart/form-data")
        return await run_in_threadpool(_validated, kind, values)

    return parse


def described(kind: type[BaseModel], example: dict[str, Any] | None = None) -> dict[str, Any]:
    """What OpenAPI says of a body that `body_of` reads."""
    schema = kind.model_json_schema()
    plain = _inlined(schema, schema.get("$defs", {}))
    media: dict[str, Any] = {"application/json": {"schema": plain}}
    if example is not None:
        media["application/json"]["example"] = example
    if "pictures" in plain["properties"]:
        others = {name: one for name, one in plain["properties"].items() if name != "pictures"}
        files = {"type": "array", "items": {"type": "string", "contentMediaType": "application/octet-stream"}}
        box = {"type": "array", "items": {"type": "string"}, "description": "left,top,right,bottom; one per picture"}
        required = ["picture", *(name for name in plain.get("required", ()) if name != "pictures")]
        form = {"type": "object", "properties": {"picture": files, "box": box, **others}, "required": required}
        media["multipart/form-data"] = {"schema": form}
    return {"requestBody": {"required": True, "content": media}}


async def _form_values(form: FormData) -> dict[str, Any]:
    """The fields of a form: files called `picture` are the pictures, with the boxes in the same order."""
    values: dict[str, Any] = {}
    pictures: list[dict[str, Any]] = []
    boxes: list[str] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != "picture":
                raise Problem(422, "invalid-request", f"a file is called {name[:40]!r}: call each one picture")
            pictures.append({"data": await value.read(), "name": (value.filename or "")[-MAX_NAME_LENGTH:]})
        elif name == "box":
            boxes.append(value)
        elif name in values:
            raise Problem(422, "invalid-request", f"the field {name[:40]!r} is sent twice")
        else:
            values[name] = value
    if boxes and len(boxes) != len(pictures):
        raise Problem(422, "invalid-request", f"there are {len(boxes)} boxes for {len(pictures)} pictures")
    for picture, box in zip(pictures, boxes, strict=False):
        picture["box"] = box or None
    return {**values, "pictures": pictures} if pictures else values


def _json_values(body: bytes) -> Any:
    return parse_json(body, "the body", max_bytes=len(body), max_depth=MAX_DEPTH, error=UsageError)


def _validated(kind: type[Kind], values: Any) -> Kind:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from error


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema of JSON without references, which would be of another document."""
    if isinstance(schema, list):
        return [_inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {key: _inlined(one, definitions) for key, one in schema.items() if key != "$defs"}
