"""The calibration, and the model."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import Field

from semelha.gallery import Gallery
from semelha.gallery.calibration.det import Probes
from semelha.recognition import NEAREST, SCORINGS, Scoring
from semelha.recognition.calibration import check_rates
from semelha.service.access import needs
from semelha.service.dependencies import Current, Cursor, Limit, Tag, TheJobs, decode_cursor, encode_cursor
from semelha.service.jobs import Job
from semelha.service.models import JobAnswer, ModelAnswer
from semelha.service.problems import Problem
from semelha.service.rates import CalibrationAnswer, ChangedAnswer, ChangesAnswer, CurveAnswer, IntervalAnswer
from semelha.service.routes.jobs import STATES, Wait, started
from semelha.service.uploads import JsonContent

router = APIRouter(tags=["calibration"])
BY_NAME: dict[str, Scoring | None] = {"choose": None, **{one.name: one for one in SCORINGS}}


MaxProbes = Annotated[int, Query(ge=1, le=10_000, description="Enrolled pictures to leave out.")]
Rate = Annotated[float, Query(ge=0, le=1, description="A rate of false positives.")]
Seed = Annotated[int, Query(ge=0, lt=1 << 31, description="Seed of random draws.")]


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


@router.get("/calibration/curve", dependencies=[needs("read")])
def get_curve(
    served: Current,
    tag: Tag,
    max_points: Annotated[int, Query(ge=2, le=1000, description="Points of the curve, about.")] = 200,
    max_probes: MaxProbes = 2000,
    seed: Seed = 0,
) -> CurveAnswer:
    """Measure what each rate of false positives costs (the DET curve), by the examples, each left out in turn."""
    found = served.gallery.det_curve(max_points=max_points, max_probes=max_probes, seed=seed)
    return CurveAnswer.model_validate(found)


@router.get("/calibration/changes", dependencies=[needs("read")])
def list_changes(
    served: Current,
    tag: Tag,
    before: Rate,
    after: Rate,
    probes: Annotated[Probes, Query(description="mated; or non_mated, of which each name is wrong.")] = "mated",
    limit: Limit = 100,
    cursor: Cursor = None,
    max_probes: MaxProbes = 2000,
    seed: Seed = 0,
) -> ChangesAnswer:
    """List the enrolled pictures whose answer, with the picture left out, is another one at two rates."""
    offset = 0 if cursor is None else max(0, decode_cursor(cursor, int)[0])
    found = served.gallery.changed_answers(
        before, after, probes, offset=offset, limit=limit, max_probes=max_probes, seed=seed
    )
    end = offset + len(found.answers)
    return ChangesAnswer(
        changes=[ChangedAnswer.model_validate(one) for one in found.answers],
        total=found.total,
        next=encode_cursor([end]) if found.answers and end < found.total else None,
    )


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
