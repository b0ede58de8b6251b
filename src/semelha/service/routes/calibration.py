"""The calibration, and the model."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from pydantic import Field

from semelha.gallery import Gallery
from semelha.recognition import NEAREST, SCORINGS, Scoring
from semelha.recognition.calibration import check_rates
from semelha.service.access import needs
from semelha.service.dependencies import Current, Tag, TheJobs
from semelha.service.jobs import Job
from semelha.service.models import CalibrationAnswer, IntervalAnswer, JobAnswer, ModelAnswer
from semelha.service.problems import Problem
from semelha.service.routes.jobs import STATES, Wait, started
from semelha.service.uploads import JsonContent

router = APIRouter(tags=["calibration"])
BY_NAME: dict[str, Scoring | None] = {"choose": None, **{one.name: one for one in SCORINGS}}


class NewCalibration(JsonContent):
    """The rate of strangers that may be named, and how distances become a score ("choose" takes the best)."""

    fpir: float = Field(gt=0, lt=1, examples=[0.01])
    uncertain: float | None = Field(None, gt=0, lt=1)
    scoring: str = Field(NEAREST.name, json_schema_extra={"enum": list(BY_NAME)})
    seed: int = Field(0, ge=0, lt=1 << 31)


@router.get("/calibration", dependencies=[needs("read")])
def get_calibration(served: Current, tag: Tag) -> CalibrationAnswer:
    """Get the rule that decides "unknown"."""
    return calibration_of(served.gallery)


@router.post("/calibration", dependencies=[needs("admin")], responses=STATES)
async def calibrate(
    response: Response,
    served: Current,
    jobs: TheJobs,
    content: Annotated[NewCalibration, Body()],
    wait: Wait = 10.0,
) -> JobAnswer:
    """Let at most a share `fpir` of strangers be named, on the enrolled subjects. Too few of them are an error."""
    check_rates(content.fpir, content.uncertain)
    if content.scoring not in BY_NAME:
        raise Problem(422, "invalid-request", f"scoring: it must be one of {', '.join(BY_NAME)}")
    scoring = BY_NAME[content.scoring]

    def work(job: Job) -> dict[str, Any]:
        gallery = served.gallery
        gallery.calibrate(fpir=content.fpir, uncertain=content.uncertain, scoring=scoring, seed=content.seed)
        return calibration_of(gallery).model_dump()

    return await started(jobs, served, response, "calibration", work, wait=wait)


@router.get("/model", dependencies=[needs("read")])
def get_model(served: Current, tag: Tag) -> ModelAnswer:
    """Get the model of the gallery."""
    card = served.gallery.model.card
    size = (None, None) if card.input is None else (card.input.height, card.input.width)
    return ModelAnswer(
        name=card.name,
        fingerprint=card.fingerprint,
        dim=card.dim,
        metric=served.gallery.model.metric.name,
        height=size[0],
        width=size[1],
    )


def calibration_of(gallery: Gallery) -> CalibrationAnswer:
    """The rule in force."""
    rule = gallery.calibration
    if rule is None:
        return CalibrationAnswer(is_calibrated=False)
    low, high = rule.interval()
    return CalibrationAnswer(
        is_calibrated=True,
        kind=rule.kind,
        fpir=rule.fpir,
        uncertain=rule.uncertain,
        n=rule.n,
        interval=IntervalAnswer(low=low, high=high),
        scoring=rule.scoring.name,
        assumption=rule.assumption,
        is_stale=rule.stale,
    )
