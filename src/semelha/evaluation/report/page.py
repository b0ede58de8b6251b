"""The page: figures first, then curves, pictures, and the card."""

from __future__ import annotations

import json
import os
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from semelha.embedders import Card
from semelha.evaluation.report.pictures import rows
from semelha.evaluation.report.plots import cmc, det, oscr, reliability, roc, sizes
from semelha.evaluation.report.tables import headline, table
from semelha.evaluation.result import Evaluation
from semelha.html import write_page

SHOWN = 8
NAMES = {"raw_pixels": "raw pixels", "untrained": "untrained network"}


def write_report(evaluation: Evaluation, path: str | os.PathLike[str], *, card: Card | None = None) -> Path:
    """Write one HTML file that needs nothing beside itself.

    Parameters
    ----------
    evaluation : Evaluation
    path : path
        Of the file to write; replaced if there.
    card : Card, optional
        Of the model that was evaluated.

    Raises
    ------
    SemelhaError
        The file cannot be written.
    """
    title = f"How well {_quoted(card)} tells {escape(evaluation.dataset.name)} apart"
    return write_page(path, title, _lead(evaluation), [_content(evaluation, card)])


def _content(evaluation: Evaluation, card: Card | None) -> str:
    results = {"model": evaluation.result}
    results |= {NAMES.get(name, name): result for name, result in evaluation.baselines.items()}
    notes = (*evaluation.notes, _calibration_note(evaluation), _probability_note(evaluation))
    return _filled(
        "page.html",
        headline=headline(evaluation.result),
        table=table(results),
        notes="".join(f"<li>{escape(note)}</li>" for note in notes),
        roc=roc(results),
        det=det(results),
        cmc=cmc(results),
        oscr=oscr(results),
        sizes=sizes(evaluation.result),
        galleries=_galleries(evaluation),
        reliability=reliability(results),
        certainty=_certainty(evaluation),
        worst=rows(evaluation, best=False, count=SHOWN),
        best=rows(evaluation, best=True, count=SHOWN),
        skipped=_skipped(evaluation),
        card=_card(card),
    )


def _filled(name: str, **parts: str) -> str:
    """The template with each `{{part}}` in its place; parts are not looked into again."""
    template = files(__package__).joinpath(name).read_text(encoding="utf-8")
    pieces = template.split("{{")
    return pieces[0] + "".join(parts[key] + rest for key, rest in (piece.split("}}", 1) for piece in pieces[1:]))


def _lead(evaluation: Evaluation) -> str:
    data = evaluation.dataset
    return (
        f"{len(data):,} pictures of {len(data.classes):,} classes; {len(evaluation.queries):,} probes against "
        f"{len(evaluation.references):,} pictures. Measured in {evaluation.seconds:.0f} s."
    )


def _quoted(card: Card | None) -> str:
    return f"“{escape(card.name)}”" if card else "the model"


def _galleries(evaluation: Evaluation) -> str:
    found = evaluation.result.open_set
    drawn = max(size.galleries for size in found.gallery_sizes)
    text = (
        f"{found.hindsight.non_mated:,} pictures of strangers before galleries of growing size, their subjects drawn "
        f"by chance: mean, lowest and highest of {drawn}."
    )
    if any(size.fpir_achieved is None for size in found.gallery_sizes):
        text += " Galleries without a calibrated point: insufficient data, too few subjects for the rate."
    return (
        text if drawn > 1 else f"One gallery, of all {found.enrolled:,} enrolled: insufficient data for smaller ones."
    )


def _certainty(evaluation: Evaluation) -> str:
    found = evaluation.result.open_set.probability
    if found.reliability is None:
        return f"Insufficient data: {escape(found.note)}."
    return (
        "What was said of each answer, and the part of answers that is right. Above the diagonal: more often right "
        "than said. The larger a dot, the more probes."
    )


def _probability_note(evaluation: Evaluation) -> str:
    found = evaluation.result.open_set.probability
    return (
        f"Probability: {found.note}." if found.reliability is not None else f"Probability not measured: {found.note}."
    )


def _calibration_note(evaluation: Evaluation) -> str:
    found = evaluation.result.open_set
    if found.fpir_achieved is None:
        return f"Not calibrated, so no achieved rates, BAKS and BAUS: {found.note}."
    return f"Calibrated on {found.enrolled} enrolled subjects; {found.note}."


def _skipped(evaluation: Evaluation) -> str:
    skipped = evaluation.dataset.skipped
    if not skipped:
        return ""
    items = "".join(f"<li><b>{escape(one.name)}</b> {escape(one.reason)}</li>" for one in skipped[:100])
    return f"<h2>{len(skipped):,} files left out</h2><ul>{items}</ul>"


def _card(card: Card | None) -> str:
    if card is None:
        return ""
    content: dict[str, Any] = card.model_dump(exclude={"classes", "content_hashes"})
    content["classes"] = f"{len(card.classes):,} classes trained on"
    return f"<h2>The model's card</h2><pre>{escape(json.dumps(content, indent=2, ensure_ascii=False))}</pre>"
