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
from semelha.evaluation.display import (
    CmcDisplay,
    DetCurveDisplay,
    DistanceDisplay,
    OscrDisplay,
    ReliabilityDisplay,
    RocCurveDisplay,
    results_by_name,
)
from semelha.evaluation.report.plots import curve, gallery_sizes
from semelha.evaluation.report.tables import headline, table
from semelha.evaluation.result import Evaluation, Result
from semelha.html import escape, figure, write_page
from semelha.language import Words, words_in
from semelha.recognition.calibration import min_sample_size

MAX_QUERIES = 8  # of a section
NEIGHBORS = 5  # of a query
MAX_SKIPPED = 100


@check_types
def write_report(
    evaluation: Evaluation,
    path: str | os.PathLike[str],
    *,
    card: Card | None = None,
    language: str | None = None,
) -> Path:
    """Write the report of an evaluation as one HTML file, which needs no other file. Returns its path.

    It begins with the verdict (`Evaluation.verdict`). The report also shows the card of the model (`model.card`), if it
    is passed. The language is "en" or "pt-BR"; None is that of the locale. An existing file is replaced. Raises
    `UsageError` for another language, and `SemelhaError` if the file cannot be written.
    """
    words, data = words_in(language), evaluation.dataset
    model = f"“{escape(card.name)}”" if card else words.t("report.the_model")
    title = words.t("report.title", model=model, data=escape(data.name))
    lead = words.t(
        "report.lead",
        pictures=len(data),
        classes=len(data.classes),
        probes=len(evaluation.queries),
        references=len(evaluation.references),
        seconds=round(evaluation.seconds),
    )
    verdict = evaluation.verdict(words.language)
    return write_page(path, title, lead, _sections(evaluation, card, words), words=words, verdict=verdict)


def _sections(evaluation: Evaluation, card: Card | None, words: Words) -> Iterator[str]:
    results = results_by_name(evaluation, words)
    yield f'<dl class="headline">{headline(evaluation.result, words)}</dl>'
    notes = [_note(note, words) for note in evaluation.notes]
    notes += [escape(_calibration_note(evaluation, words)), escape(_probability_note(evaluation, words))]
    yield _section(
        words.t("report.figures"),
        words.t("report.figures_note"),
        f'<div class="wide" tabindex="0">{table(results, words)}</div>'
        f'<ul class="notes">{"".join(f"<li>{note}</li>" for note in notes)}</ul>',
    )
    curves = (
        ("cmc", words.t("report.cmc_note"), curve(CmcDisplay, results, words)),
        ("distances", words.t("report.distances_note"), curve(DistanceDisplay, results, words)),
        ("roc", words.t("report.roc_note"), curve(RocCurveDisplay, results, words)),
        ("det", words.t("report.det_note"), curve(DetCurveDisplay, results, words)),
        ("oscr", words.t("report.oscr_note"), curve(OscrDisplay, results, words)),
        ("sizes", _gallery_sizes_note(evaluation, words), gallery_sizes(evaluation.result, words)),
        ("reliability", _reliability_note(evaluation, words), _reliability(results, words)),
    )
    plots = "".join(_curve(words.t(f"report.{key}"), note, plot) for key, note, plot in curves)
    yield f'<section class="curves">{plots}</section>'
    yield _section(words.t("report.wrong"), words.t("report.wrong_note"), _query_rows(evaluation, words, correct=False))
    yield _section(words.t("report.right"), words.t("report.right_note"), _query_rows(evaluation, words, correct=True))
    skipped = evaluation.dataset.skipped
    if skipped:
        items = "".join(
            f'<li><b>{escape(one.name)}</b> <span lang="en">{escape(one.reason)}</span></li>'
            for one in skipped[:MAX_SKIPPED]
        )
        yield f"<section><h2>{words.t('report.skipped', n=len(skipped))}</h2><ul>{items}</ul></section>"
    if card is not None:
        content: dict[str, Any] = card.model_dump(exclude={"classes", "content_hashes"})
        content["classes"] = words.t("report.trained_on", n=len(card.classes))
        text = escape(json.dumps(content, indent=2, ensure_ascii=False))
        yield f'<section><h2>{words.t("report.card")}</h2><pre tabindex="0">{text}</pre></section>'


def _reliability(results: dict[str, Result], words: Words) -> str:
    is_measured = any(result.open_set.probability.reliability for result in results.values())
    return curve(ReliabilityDisplay, results, words) if is_measured else ""


def _section(title: str, note: str, content: str) -> str:
    return f'<section><h2>{title}</h2><p class="note">{note}</p>{content}</section>'


def _curve(title: str, note: str, plot: str) -> str:
    named = plot.replace('role="img"', f'role="img" aria-label="{escape(title)}"', 1)
    return f'<div><h2>{title}</h2><p class="note">{escape(note)}</p>{named}</div>'


def _note(note: str, words: Words) -> str:
    """A note as HTML; what is known in English only is marked as English."""
    text = escape(words.say(note))
    return text if words.knows(note) else f'<span lang="en">{text}</span>'


def _gallery_sizes_note(evaluation: Evaluation, words: Words) -> str:
    found = evaluation.result.open_set
    galleries = max(size.galleries for size in found.gallery_sizes)
    if galleries == 1:
        return words.t("report.sizes_one", n=found.enrolled)
    text = words.t("report.sizes_note", n=found.hindsight.non_mated, galleries=galleries)
    if any(size.fpir_achieved is None for size in found.gallery_sizes):
        text += " " + words.t("report.sizes_few")
    return text


def _reliability_note(evaluation: Evaluation, words: Words) -> str:
    found = evaluation.result.open_set.probability
    if found.reliability is None:
        return words.t("report.reliability_none", note=words.say(found.note))
    return words.t("report.reliability_note")


def _probability_note(evaluation: Evaluation, words: Words) -> str:
    found = evaluation.result.open_set.probability
    key = "report.no_probability" if found.reliability is None else "report.probability"
    return words.t(key, note=words.say(found.note))


def _calibration_note(evaluation: Evaluation, words: Words) -> str:
    found = evaluation.result.open_set
    if found.fpir_achieved is not None:
        return words.t("report.calibrated", n=found.enrolled)
    needed = min_sample_size(found.fpir_target, "subjects")
    return words.t("report.uncalibrated", n=found.enrolled, needed=needed, rate=words.rate(found.fpir_target))


def _query_rows(evaluation: Evaluation, words: Words, *, correct: bool) -> str:
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
        return f'<p class="note">{words.t("report.no_right" if correct else "report.no_wrong")}</p>'
    return f'<div class="rows">{"".join(_query_row(evaluation, words, int(query)) for query in picked)}</div>'


def _query_row(evaluation: Evaluation, words: Words, query: int) -> str:
    found, pictures = evaluation.result.retrieval, evaluation.dataset.pictures
    probe = pictures[evaluation.queries[query]]
    cells = [figure(probe, "probe", probe.label, tooltip=probe.name, caption=words.t("report.query"))]
    for row, distance in zip(found.nearest[query, :NEIGHBORS], found.distances[query, :NEIGHBORS], strict=True):
        if row >= 0:
            picture = pictures[evaluation.references[row]]
            kind, mark = ("right", "✓") if picture.label == probe.label else ("wrong", "✗")
            caption = f"{mark} {words.localized(f'{distance:.2f}')}"
            cells.append(figure(picture, kind, picture.label, tooltip=picture.name, caption=caption))
    return f'<div class="row">{"".join(cells)}</div>'
