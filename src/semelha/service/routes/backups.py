"""Backups of a gallery, in the folder that the server has for them. A request names no path."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from semelha.service.access import needs
from semelha.service.backups import Backups
from semelha.service.dependencies import Current, TheJobs, TheSettings
from semelha.service.jobs import Job
from semelha.service.models import BackupAnswer, BackupDeleted, BackupsAnswer, JobAnswer
from semelha.service.routes.jobs import STATES, Wait, started

router = APIRouter(tags=["system"])


def _backups(served: Current, settings: TheSettings) -> Backups:
    return Backups(settings.backups, served.name)


Ours = Annotated[Backups, Depends(_backups)]


@router.get("/backups", dependencies=[needs("admin")])
def list_backups(backups: Ours) -> BackupsAnswer:
    """List the backups of the gallery, latest first."""
    return BackupsAnswer(backups=[BackupAnswer.model_validate(one) for one in backups.all()])


@router.post("/backups", dependencies=[needs("admin")], responses=STATES)
async def make_backup(
    response: Response, served: Current, jobs: TheJobs, backups: Ours, wait: Wait = 10.0
) -> JobAnswer:
    """Copy the gallery while it is in use, and check the copy. Every write that was answered before is in it."""

    def work(job: Job) -> dict[str, Any]:
        return asdict(backups.make(served.gallery.path))

    return await started(jobs, served, response, "backup", work, wait=wait)


@router.delete("/backups/{backup}", dependencies=[needs("admin")])
def delete_backup(backups: Ours, backup: str) -> BackupDeleted:
    """Delete a backup, for good."""
    return BackupDeleted(deleted=backups.delete(backup).name)
