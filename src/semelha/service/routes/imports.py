"""Imports: an archive of folders of pictures, enrolled in the background."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from semelha.errors import SemelhaError, UsageError
from semelha.gallery import Enrollment, Gallery
from semelha.images import Dataset, Limits, read_dataset
from semelha.service.access import needs
from semelha.service.archives import unpack
from semelha.service.dependencies import Current, TheJobs, TheSettings
from semelha.service.jobs import Job
from semelha.service.models import JobAnswer
from semelha.service.problems import Problem
from semelha.service.routes.jobs import STATES, Wait, started
from semelha.service.settings import Settings
from semelha.service.temporary import TemporaryFolder

router = APIRouter(tags=["imports"])
ARCHIVE, FILES, UPLOADED = "archive.zip", "files", "uploaded-manifest"
MANIFESTS = (".csv", ".tsv", ".txt", ".jsonl")
MAX_LISTED = 100  # warnings and skipped files in the result
CHUNK = 1 << 20
ZIP = {"type": "string", "contentMediaType": "application/zip"}
FORM = {"type": "object", "properties": {"archive": ZIP, "manifest": {"type": "string"}}, "required": ["archive"]}
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/zip": {"schema": ZIP}, "multipart/form-data": {"schema": FORM}},
    }
}


@router.post("/imports", status_code=202, dependencies=[needs("enroll")], openapi_extra=BODY, responses=STATES)
async def import_archive(
    request: Request,
    response: Response,
    served: Current,
    settings: TheSettings,
    jobs: TheJobs,
    manifest: Annotated[str, Query(max_length=1000, description="Path of a manifest in the archive.")] = "",
    wait: Wait = 0.0,
) -> JobAnswer:
    """Enroll a ZIP archive with a folder of pictures for each subject, or with a manifest.

    The manifest is a file of the archive, or one that is sent with it in a form. Pictures that cannot be used are left
    out and counted. What the job has reported as done is durable.
    """
    temporary = await run_in_threadpool(TemporaryFolder, settings.temporary)
    folder = temporary.path
    try:
        sent = await _received(request, folder)
    except BaseException:
        await run_in_threadpool(temporary.remove)
        raise
    if sent and manifest:
        await run_in_threadpool(temporary.remove)
        raise Problem(422, "invalid-request", "two manifests are named: send one, or name one of the archive")

    def work(job: Job) -> dict[str, Any]:
        return import_folder(served.gallery, folder, sent or manifest, settings, job)

    return await started(jobs, served, response, "import", work, wait=wait, cleanup=temporary.remove)


def import_folder(gallery: Gallery, folder: Path, manifest: str, settings: Settings, job: Job) -> dict[str, Any]:
    """Unpack the archive in a folder, and enroll its pictures. Returns the counts, and the first warnings."""
    files = folder / FILES
    files.mkdir(exist_ok=True)
    limits = Limits(max_pixels=settings.max_pixels, max_memory=settings.max_decoding)
    try:
        unpack(folder / ARCHIVE, files, settings, lambda done, total: job.progress(0, total))
        dataset = _read(files, manifest, limits)
        enrollments = gallery.enroll_dataset(dataset, progress=job.progress)
    except SemelhaError as error:
        raise type(error)(_shown(str(error), files)) from error
    return _result(enrollments, dataset, files)


def _read(files: Path, manifest: str, limits: Limits) -> Dataset:
    if not manifest:
        return read_dataset(_root(files), layout="class-folders", limits=limits, within=files)
    place = files / manifest
    if not place.resolve().is_relative_to(files.resolve()) or place.suffix.lower() not in MANIFESTS:
        raise UsageError(f"manifest must be the path of a file of the archive, with the suffix {', '.join(MANIFESTS)}")
    return read_dataset(place, layout="manifest", limits=limits, within=files)


def _root(files: Path) -> Path:
    """The folder with the folders of the subjects: that of the archive, or the only one in it."""
    inside = [one for one in files.iterdir() if one.name != "__MACOSX" and not one.name.startswith(".")]
    if len(inside) == 1 and inside[0].is_dir() and any(one.is_dir() for one in inside[0].iterdir()):
        return inside[0]
    return files


def _shown(text: str, files: Path) -> str:
    """A message with paths as they are in the archive."""
    return text.replace(f"{files}{os.sep}", "").replace(str(files), "the archive")


def _result(enrollments: list[Enrollment], dataset: Dataset, files: Path) -> dict[str, Any]:
    warnings = [text for one in enrollments for text in one.warnings]
    return {
        "subjects": len(enrollments),
        "added": sum(one.added for one in enrollments),
        "duplicates": sum(len(one.duplicates) for one in enrollments),
        "warnings": [_shown(text, files) for text in warnings[:MAX_LISTED]],
        "warning_count": len(warnings),
        "skipped": [{"name": one.name, "reason": _shown(one.reason, files)} for one in dataset.skipped[:MAX_LISTED]],
        "skipped_count": len(dataset.skipped),
    }


async def _received(request: Request, folder: Path) -> str:
    """Write the archive, and a manifest if one is sent, into a folder; returns the name of the manifest or ""."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type in ("application/zip", "application/x-zip-compressed", "application/octet-stream"):
        await _written(request.stream(), folder / ARCHIVE)
        return ""
    if content_type != "multipart/form-data":
        raise Problem(415, "unsupported-media-type", "send application/zip, or multipart/form-data with archive")
    async with request.form(max_files=2, max_fields=20) as form:
        archive, manifest = form.get("archive"), form.get("manifest")
        if not isinstance(archive, UploadFile):
            raise Problem(422, "invalid-request", "archive: send a ZIP file in this field")
        await _written(_chunks(archive), folder / ARCHIVE)
        if manifest is None:
            return ""
        suffix = Path(manifest.filename or "").suffix.lower() if isinstance(manifest, UploadFile) else ".csv"
        if suffix not in MANIFESTS:
            raise Problem(422, "invalid-request", f"manifest: its name must end with {', '.join(MANIFESTS)}")
        (folder / FILES).mkdir()
        if isinstance(manifest, UploadFile):
            await _written(_chunks(manifest), folder / FILES / f"{UPLOADED}{suffix}")
        else:
            await run_in_threadpool((folder / FILES / f"{UPLOADED}{suffix}").write_text, manifest, "utf-8")
        return f"{UPLOADED}{suffix}"


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(CHUNK):
        yield chunk


async def _written(chunks: AsyncIterator[bytes], path: Path) -> None:
    """Write chunks to a new file, about a megabyte at a time."""
    file: BinaryIO = await run_in_threadpool(open, path, "xb")
    try:
        waiting = bytearray()
        async for chunk in chunks:
            waiting += chunk
            if len(waiting) >= CHUNK:
                await run_in_threadpool(file.write, bytes(waiting))
                waiting.clear()
        await run_in_threadpool(file.write, bytes(waiting))
    finally:
        await run_in_threadpool(file.close)
