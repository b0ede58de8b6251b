"""Write the HTML report of an evaluation: figures, curves, pictures, notes and the model's card."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from semelha.arguments import check_types
from semelha.embedders import Card
from semelha.evaluation.report.plots import cmc, det, gallery_sizes, oscr, reliability, roc
from semelha.evaluation.report.tables import headline, table
from semelha.evaluation.result import Evaluation
from semelha.html import escape, figure, write_page

MAX_QUERIES = 8  # of a section
NEIGHBORS = 5  # of a query
MAX_SKIPPED = 100
BASELINE_TITLES = {"raw_pixels": "raw pixels", "untrained": "untrained network"}


@check_types
def write_report(evaluation: Evaluation, path: str | os.PathLike[str], *, card: Card | None = None) -> Path:
    """Write the report of an evaluation as one HTML file, which needs no other file. Returns its path.

    An existing file is replaced. The report also shows the card of the model (`model.card`), if it is passed. Raises
    `SemelhaError` if the file cannot be written.
    """
    name = f"“{escape(card.name)}”" if card else "the model"
    title = f"Evaluation of {name} on {escape(evaluation.dataset.name)}"
    data = evaluation.dataset
    lead = (
        f"{len(data):,} pictures of {len(data.classes):,} classes; {len(evaluation.queries):,} probes searched among "
        f"{len(evaluation.references):,} pictures; {evaluation.seconds:.0f} s."
    )
    return write_page(path, title, lead, _sections(evaluation, card))


def _sections(evaluation: Evaluation, card: Card | None) -> Iterator[str]:
    results = {"model": evaluation.result}
    results |= {BASELINE_TITLES.get(name, name): result for name, result in evaluation.baselines.items()}
    yield f'<dl class="headline">{headline(evaluation.result)}</dl>'
    notes = (*evaluation.notes, _calibration_note(evaluation), _probability_note(evaluation))
    yield _section(
        "All figures",
        "In small print: the 95% interval, by bootstrap over subjects.",
        f'<div class="wide">{table(results)}</div>'
        f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>',
    )
    curves = (
        (
            "Closed-set identification (CMC)",
            "How often the right subject is among the k nearest subjects. Band: 95% interval.",
            cmc(results),
        ),
        (
            "Verification (ROC)",
            "Over all pairs of pictures: mated pairs accepted against non-mated pairs accepted.",
            roc(results),
        ),
        (
            "Open-set identification (DET)",
            "Lines: every threshold, chosen with hindsight. Dots: the calibrated rule, with 95% intervals. "
            "Dotted line: the target FPIR.",
            det(results),
        ),
        (
            "Open-set classification (OSCR)",
            "Mated probes correctly identified against non-mated probes accepted.",
            oscr(results),
        ),
        ("Gallery size", _gallery_sizes_note(evaluation), gallery_sizes(evaluation.result)),
        ("Calibration of probabilities", _reliability_note(evaluation), reliability(results)),
    )
    plots = "".join(f'<div><h2>{title}</h2><p class="note">{note}</p>{plot}</div>' for title, note, plot in curves)
    yield f'<section class="curves">{plots}</section>'
    yield _section(
        "Wrong answers",
        "Left: the query. Right: its nearest pictures with their distances, green if the class is right, else "
        "red. Smallest distances first.",
        _query_rows(evaluation, correct=False),
    )
    yield _section(
        "Right answers",
        "Largest distances first: correct although the nearest picture is far.",
        _query_rows(evaluation, correct=True),
    )
    skipped = evaluation.dataset.skipped
    if skipped:
        items = "".join(f"<li><b>{escape(one.name)}</b> {escape(one.reason)}</li>" for one in skipped[:MAX_SKIPPED])
        yield f"<section><h2>{len(skipped):,} skipped files</h2><ul>{items}</ul></section>"
    if card is not None:
        content: dict[str, Any] = card.model_dump(exclude={"classes", "content_hashes"})
        content["classes"] = f"{len(card.classes):,} classes trained on"
        text = escape(json.dumps(content, indent=2, ensure_ascii=False))
        yield f"<section><h2>Model card</h2><pre>{text}</pre></section>"


def _section(title: str, note: str, content: str) -> str:
    return f'<section><h2>{title}</h2><p class="note">{note}</p>{content}</section>'


def _gallery_sizes_note(evaluation: Evaluation) -> str:
    found = evaluation.result.open_set
    galleries = max(size.galleries for size in found.gallery_sizes)
    if galleries == 1:
        return f"One gallery of all {found.enrolled:,} enrolled subjects: insufficient data for smaller ones."
    text = (
        f"{found.hindsight.non_mated:,} non-mated probes of random galleries of growing size: mean, lowest and highest "
        f"of {galleries} galleries."
    )
    if any(size.fpir_achieved is None for size in found.gallery_sizes):
        text += " Galleries without a calibrated point have too few subjects for the rate."
    return text


def _reliability_note(evaluation: Evaluation) -> str:
    found = evaluation.result.open_set.probability
    if found.reliability is None:
        return f"Insufficient data: {escape(found.note)}."
    return (
        "Predicted probability that an answer is correct, and the fraction of answers that are. Above the diagonal, "
        "answers are more often correct than predicted. Larger dots: more probes."
    )


def _probability_note(evaluation: Evaluation) -> str:
    found = evaluation.result.open_set.probability
    measured = "" if found.reliability is not None else "not measured: "
    return f"Calibration of probabilities: {measured}{found.note}."


def _calibration_note(evaluation: Evaluation) -> str:
    found = evaluation.result.open_set
    if found.fpir_achieved is None:
        return f"Not calibrated, so there are no achieved rates, BAKS and BAUS: {found.note}."
    return f"Calibrated on {found.enrolled:,} enrolled subjects; {found.note}."


def _query_rows(evaluation: Evaluation, *, correct: bool) -> str:
    """HTML rows of some queries whose nearest picture is of the right class, or of a wrong one.

    Wrong answers are shown by rising distance, right answers by falling distance, spread evenly over the first part.
    """
    found, labels = evaluation.result.retrieval, evaluation.dataset.labels
    nearest = evaluation.references[np.maximum(found.nearest[:, 0], 0)]
    is_correct = labels[nearest] == labels[evaluation.queries]
    chosen = np.flatnonzero(found.has_match & (is_correct if correct else ~is_correct))
    order = chosen[np.argsort(found.distances[chosen, 0], kind="stable")]
    picked = (order[::-1] if correct else order)[:: max(1, len(order) // (4 * MAX_QUERIES))][:MAX_QUERIES]
    if not len(picked):
        return f'<p class="note">There are no {"right" if correct else "wrong"} answers.</p>'
    return f'<div class="rows">{"".join(_query_row(evaluation, int(query)) for query in picked)}</div>'


def _query_row(evaluation: Evaluation, query: int) -> str:
    found, pictures = evaluation.result.retrieval, evaluation.dataset.pictures
    probe = pictures[evaluation.queries[query]]
    cells = [figure(probe, "probe", probe.label, tooltip=probe.name, caption="query")]
    for row, distance in zip(found.nearest[query, :NEIGHBORS], found.distances[query, :NEIGHBORS], strict=True):
        if row >= 0:
            picture = pictures[evaluation.references[row]]
            kind = "right" if picture.label == probe.label else "wrong"
            cells.append(figure(picture, kind, picture.label, tooltip=picture.name, caption=f"{distance:.2f}"))
    return f'<div class="row">{"".join(cells)}</div>'
