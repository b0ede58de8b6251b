"""CompreFace's REST API beside ours, so that programs written for CompreFace can use a gallery.

CompreFace's paths begin with `/api/v1/recognition` and `/api/v1/verification`, and none of ours does. The first gallery
of the server answers. docs/service.md has a table of the calls.
"""

from __future__ import annotations

from fastapi import FastAPI

from semelha.service.compreface import faces, recognition, subjects
from semelha.service.compreface.empty_subjects import EmptySubjects
from semelha.service.compreface.errors import CompreFaceErrors


def add_to(app: FastAPI) -> None:
    """Add the API to an application, before it starts."""
    app.state.empty_subjects = EmptySubjects(app.state.shared)
    for module in (subjects, faces, recognition):
        app.include_router(module.router)
    app.add_middleware(CompreFaceErrors)
