"""Tables of the report: a few headline figures, then all figures of the model and its baselines with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from semelha.evaluation.result import INSUFFICIENT_DATA, Result
from semelha.html import escape
from semelha.measures import Interval

Figures = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A figure: its title (HTML), its name in `Result.to_json`, and the rate to pick from a dict of rates."""

    title: str
    name: str
    rate: str | None = None

    def cell(self, figures: Figures) -> str:
        """Value and interval, as HTML."""
        value, interval = figures[self.name], figures["intervals"].get(self.name)
        if self.rate is not None:
            value, interval = value[self.rate], None if interval is None else interval[self.rate]
        return cell(value, interval)


def headline(result: Result) -> str:
    """HTML tiles of the most important figures."""
    figures = result.to_json()
    target = rate(result.open_set.fpir_target)
    tiles = [
        ("R@1", "r_at_1", "nearest picture is of the right class"),
        ("MAP@R", "map_at_r", "pictures of the class rank first"),
        (f"FNIR at FPIR {target}", "fnir_at_fpir", "enrolled subjects missed; threshold chosen with hindsight"),
        ("FPIR achieved", "fpir_achieved", f"unknown subjects named; calibrated for {target}"),
        ("FNIR achieved", "fnir_achieved", "enrolled subjects missed; calibrated"),
    ]
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{Row(name, key).cell(figures)}</dd><p>{escape(what)}</p></div>"
        for name, key, what in tiles
    )


def table(results: dict[str, Result]) -> str:
    """An HTML table of every figure of every embedder, grouped by task."""
    figures = {name: result.to_json() for name, result in results.items()}
    first = next(iter(results.values()))
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in figures)
    body = "".join(
        f'<tr class="group"><th scope="rowgroup" colspan="{1 + len(figures)}">{group}</th></tr>'
        + "".join(
            f'<tr><th scope="row">{row.title}</th>'
            + "".join(f"<td>{row.cell(found)}</td>" for found in figures.values())
            + "</tr>"
            for row in rows
        )
        for group, rows in _groups(first).items()
    )
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"


def _groups(result: Result) -> dict[str, list[Row]]:
    open_set, pairs = result.open_set, result.verification
    return {
        "Retrieval and closed-set identification": [
            Row("R@1", "r_at_1"),
            Row("R@5", "r_at_5"),
            Row("R@10", "r_at_10"),
            Row("R-precision", "r_precision"),
            Row("MAP@R", "map_at_r"),
        ],
        "Open-set identification, over all thresholds": [
            *(
                Row(f"FNIR at FPIR {rate(wanted)} <small>hindsight</small>", "fnir_at_fpirs", f"{wanted:g}")
                for wanted in sorted(open_set.hindsight.fnir_at_fpir, reverse=True)
            ),
            Row("AUROC <small>mated against non-mated probes</small>", "auroc"),
            Row("Area under OSCR <small>correctly identified</small>", "oscr"),
        ],
        f"Open-set identification, calibrated for FPIR {rate(open_set.fpir_target)}": [
            Row("FPIR achieved <small>calibrated</small>", "fpir_achieved"),
            Row("FNIR achieved <small>calibrated</small>", "fnir_achieved"),
            Row("BAKS <small>known subjects named, each counts once</small>", "baks"),
            Row("BAUS <small>unknown subjects rejected, each counts once</small>", "baus"),
        ],
        "Calibration of probabilities": [Row("Expected calibration error", "ece")],
        "Verification": [
            *(Row(f"TAR at FAR {rate(wanted)}", "tar_at_far", f"{wanted:g}") for wanted in pairs.tar_at_far),
            Row("Equal error rate", "eer"),
            Row("Area under ROC", "auc"),
            Row("Accuracy in ten folds <small>as on LFW</small>", "fold_accuracy"),
        ],
    }


def cell(value: float | None, interval: list[float] | Interval | None) -> str:
    """A figure in percent with its interval, or that there are insufficient data, as HTML."""
    if value is None:
        return f"<i>{INSUFFICIENT_DATA}</i>"
    shown = f"{percent(value)}<span>%</span>"
    return shown if interval is None else f"{shown}<small>{percent(interval[0])}–{percent(interval[1])}</small>"


def percent(value: float) -> str:
    """One decimal, or as many as distinguish a figure from 0 and 1 up to rounding errors."""
    value = round(value, 9)
    for digits in (1, 2, 3):
        text = f"{100 * value:.{digits}f}"
        if value in (0, 1) or 0 < float(text) < 100:
            return text
    return text


def rate(value: float) -> str:
    """A rate in percent, without trailing zeros."""
    return f"{100 * value:g}%"
