"""What a gallery says of its own examples, and of pictures without names: check, evaluation, cluster."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from semelha.service.access import needs
from semelha.service.dependencies import Current, Tag, TheJobs, TheSettings
from semelha.service.jobs import Job
from semelha.service.models import JobAnswer, file_name
from semelha.service.rates import EvaluationAnswer
from semelha.service.routes.jobs import STATES, Wait, started
from semelha.service.uploads import PicturesContent, body_of, described

router = APIRouter(tags=["curation"])
Seed = Annotated[int, Query(ge=0, lt=1 << 31, description="Seed of random draws.")]


@router.post("/check", dependencies=[needs("read")], responses=STATES)
async def check(
    response: Response,
    served: Current,
    jobs: TheJobs,
    min_score: Annotated[float, Query(ge=0, le=1, description="Lowest score of a finding.")] = 0.5,
    seed: Seed = 0,
    wait: Wait = 10.0,
) -> JobAnswer:
    """Find wrong labels, near-duplicates, outliers, and subjects to merge or split."""

    def work(job: Job) -> dict[str, Any]:
        found = served.gallery.check(min_score=min_score, seed=seed, progress=job.progress).to_json()
        for example in (example for finding in found["findings"] for example in finding["examples"]):
            example["source"] = file_name(example["source"])
        return found

    return await started(jobs, served, response, "check", work, wait=wait)


@router.get("/evaluation", dependencies=[needs("read")])
def evaluate(
    served: Current,
    tag: Tag,
    max_probes: Annotated[int, Query(ge=1, le=10_000, description="Examples to search.")] = 1000,
    seed: Seed = 0,
) -> EvaluationAnswer:
    """Measure how often enrolled examples, each left out in turn, are nearest to their own subject."""
    return EvaluationAnswer.model_validate(served.gallery.evaluate(max_probes=max_probes, seed=seed))


@router.post("/cluster", dependencies=[needs("read")], openapi_extra=described(PicturesContent), responses=STATES)
async def cluster(
    response: Response,
    served: Current,
    jobs: TheJobs,
    settings: TheSettings,
    content: Annotated[PicturesContent, Depends(body_of(PicturesContent))],
    seed: Seed = 0,
    wait: Wait = 10.0,
) -> JobAnswer:
    """Group pictures by subject: subjects that the gallery knows, and new ones."""
    sources = content.sources(settings)

    def work(job: Job) -> dict[str, Any]:
        return served.gallery.cluster(sources, seed=seed, progress=job.progress).to_json()

    return await started(jobs, served, response, "cluster", work, wait=wait)
