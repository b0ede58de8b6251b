"""The page: figures first, then curves, pictures, and the card."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from semelha._version import __version__
from semelha.embedders import Card
from semelha.errors import SemelhaError
from semelha.evaluation.report.pictures import rows
from semelha.evaluation.report.plots import det, roc
from semelha.evaluation.result import Evaluation, Result

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
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(_page(evaluation, card), encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        raise SemelhaError(f"the report cannot be written to {target}: {error.strerror or error}") from error
    return target


def _page(evaluation: Evaluation, card: Card | None) -> str:
    results = {"model": evaluation.result}
    results |= {NAMES.get(name, name): result for name, result in evaluation.baselines.items()}
    title = f"How well {_quoted(card)} tells {escape(evaluation.dataset.name)} apart"
    return _filled(
        "page.html",
        title=title,
        style=files(__package__).joinpath("page.css").read_text(encoding="utf-8"),
        lead=_lead(evaluation),
        headline=_headline(evaluation.result),
        table=_table(results),
        notes="".join(f"<li>{escape(note)}</li>" for note in (*evaluation.notes, _calibration_note(evaluation))),
        roc=roc(results),
        det=det(results),
        worst=rows(evaluation, best=False, count=SHOWN),
        best=rows(evaluation, best=True, count=SHOWN),
        skipped=_skipped(evaluation),
        card=_card(card),
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
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


def _headline(result: Result) -> str:
    figures = result.to_json()
    open_set = result.open_set
    target = f"{open_set.fpir_target:.0%}" if open_set.fpir_target >= 0.01 else f"{open_set.fpir_target:.1%}"
    tiles = [
        ("R@1", figures["r_at_1"], "the nearest picture is of the right class"),
        ("MAP@R", figures["map_at_r"], "all pictures of the class come first"),
        (
            f"FNIR at FPIR {target}",
            figures["fnir_at_fpir"],
            "known things missed; threshold chosen with hindsight",
        ),
        ("FPIR achieved", figures["fpir_achieved"], f"strangers named; calibrated for {target}"),
        ("FNIR achieved", figures["fnir_achieved"], "known things missed; calibrated"),
    ]
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{_percent(value)}</dd><p>{escape(what)}</p></div>"
        for name, value, what in tiles
    )


ROWS = (
    ("R@1", "r_at_1"),
    ("R@5", "r_at_5"),
    ("R@10", "r_at_10"),
    ("R-precision", "r_precision"),
    ("MAP@R", "map_at_r"),
    ("FNIR at the target FPIR <small>hindsight</small>", "fnir_at_fpir"),
    ("FPIR achieved <small>calibrated</small>", "fpir_achieved"),
    ("FNIR achieved <small>calibrated</small>", "fnir_achieved"),
    ("Equal error rate <small>pairs</small>", "eer"),
    ("Area under ROC <small>pairs</small>", "auc"),
)


def _table(results: dict[str, Result]) -> str:
    figures = {name: result.to_json() for name, result in results.items()}
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in figures)
    body = "".join(
        f'<tr><th scope="row">{title}</th>'
        + "".join(f"<td>{_percent(found[key])}</td>" for found in figures.values())
        + "</tr>"
        for title, key in ROWS
    )
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"


def _calibration_note(evaluation: Evaluation) -> str:
    found = evaluation.result.open_set
    if found.fpir_achieved is None:
        return f"Not calibrated, so no achieved rates: {found.note}."
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


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}<span>%</span>"
