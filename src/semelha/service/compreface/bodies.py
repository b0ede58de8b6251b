"""What CompreFace's clients send: pictures as files of a form or in base64, ids, and options without an effect."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import FormData, UploadFile

from semelha.images import Picture
from semelha.service.compreface.errors import MISSING_PART
from semelha.service.dependencies import MAX_ID
from semelha.service.problems import Problem
from semelha.service.settings import Settings
from semelha.service.uploads import EXAMPLE_DATA, Box, Data, PictureContent, PicturesContent, body_of
from semelha.untrusted import MAX_NAME_LENGTH

IGNORED = ("limit", "det_prob_threshold", "detect_faces", "status")
"""Options of a face detector. They are accepted, and change nothing."""
IGNORED_HEADER = "X-Ignored-Parameters"
CALCULATOR = "calculator"
"""The plugin that adds the vector to the answer; the others are of faces."""


class FileContent(BaseModel):
    """A picture, and the crop to use (left, top, right, bottom); without it the whole picture."""

    model_config = ConfigDict(extra="ignore")

    file: Data | None = None
    name: str = Field("", max_length=MAX_NAME_LENGTH)
    box: Box | None = None

    def picture(self, settings: Settings) -> Picture:
        """The picture, with the limits of the server. Raises `Problem` if it is missing."""
        return _pictures(settings, file=PictureContent.model_construct(data=self.file, name=self.name, box=self.box))[0]


class PairContent(BaseModel):
    """Two pictures to compare, and the crops to use."""

    model_config = ConfigDict(extra="ignore")

    source_image: Data | None = None
    target_image: Data | None = None
    source_box: Box | None = None
    target_box: Box | None = None

    def pictures(self, settings: Settings) -> list[Picture]:
        """The two pictures, with the limits of the server. Raises `Problem` if one is missing."""
        source = PictureContent.model_construct(data=self.source_image, name="source_image", box=self.source_box)
        target = PictureContent.model_construct(data=self.target_image, name="target_image", box=self.target_box)
        return _pictures(settings, source_image=source, target_image=target)


def _pictures(settings: Settings, **contents: PictureContent) -> list[Picture]:
    for part, one in contents.items():
        if one.data is None:
            raise Problem(422, MISSING_PART, f"Required part {part} is missing")
    return PicturesContent.model_construct(pictures=list(contents.values())).sources(settings)


async def _form_values(form: FormData) -> dict[str, Any]:
    """The fields of a form, and the name of its file."""
    values: dict[str, Any] = {}
    for field, value in form.multi_items():
        if isinstance(value, UploadFile):
            values[field] = await value.read()
            values["name"] = (value.filename or "")[-MAX_NAME_LENGTH:]
        else:
            values[field] = value or None
    return values


OnePicture = Annotated[FileContent, Depends(body_of(FileContent, _form_values))]
TwoPictures = Annotated[PairContent, Depends(body_of(PairContent, _form_values))]


def described(*parts: str) -> dict[str, Any]:
    """What OpenAPI says of a body with these pictures."""
    text = {"type": "string", "contentEncoding": "base64"}
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    content = {
        "application/json": {
            "schema": {"type": "object", "properties": dict.fromkeys(parts, text), "required": list(parts)},
            "example": dict.fromkeys(parts, EXAMPLE_DATA),
        },
        "multipart/form-data": {
            "schema": {"type": "object", "properties": dict.fromkeys(parts, file), "required": list(parts)}
        },
    }
    return {"requestBody": {"required": True, "content": content}}


async def _has_vectors(
    request: Request,
    response: Response,
    face_plugins: Annotated[str, Query(max_length=200, description="`calculator` adds the vector.")] = "",
    limit: Annotated[int, Query(ge=0, description="Ignored.")] = 0,
    det_prob_threshold: Annotated[float | None, Query(ge=0, le=1, description="Ignored.")] = None,
    detect_faces: Annotated[bool, Query(description="Ignored.")] = True,
    status: Annotated[bool, Query(description="Ignored.")] = False,
) -> bool:
    plugins = [one.strip() for one in face_plugins.split(",") if one.strip()]
    ignored = [name for name in IGNORED if name in request.query_params]
    ignored += ["face_plugins"] if any(one != CALCULATOR for one in plugins) else []
    if ignored:
        response.headers[IGNORED_HEADER] = ", ".join(ignored)
    return CALCULATOR in plugins


HasVectors = Annotated[bool, Depends(_has_vectors)]
"""Whether the answer has vectors. A header lists the parameters of the request that change nothing."""


def image_id_of(example: int) -> str:
    """The id of an example as a UUID, which is its number: 17 is 00000000-0000-0000-0000-000000000011."""
    return str(UUID(int=example))


def number_of(image_id: UUID) -> int:
    """The number of the example of an id. Raises `Problem` if no example can have it."""
    if image_id.int > MAX_ID:
        raise Problem(404, "number-not-found", f"Image {image_id} not found")
    return image_id.int
