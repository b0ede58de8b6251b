"""The figures of the page: a few large ones, then all of them beside what was not learned, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from semelha.evaluation.result import INSUFFICIENT_DATA, Result
from semelha.measures import Interval

Figures = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A figure: its title (HTML), where it stands in `Result.to_json`, and the key in there of a rate."""

    title: str
    name: str
    rate: str | None = None

    def cell(self, figures: Figures) -> str:
        """Value and interval."""
        value, around = figures[self.name], figures["intervals"].get(self.name)
        if self.rate is not None:
            value, around = value[self.rate], None if around is None else around[self.rate]
        return cell(value, around)


def headline(result: Result) -> str:
    """Tiles of what is asked first."""
    figures = result.to_json()
    target = rate(result.open_set.fpir_target)
    tiles = [
        ("R@1", "r_at_1", "the nearest picture is of the right class"),
        ("MAP@R", "map_at_r", "all pictures of the class come first"),
        (f"FNIR at FPIR {target}", "fnir_at_fpir", "known things missed; threshold chosen with hindsight"),
        ("FPIR achieved", "fpir_achieved", f"strangers named; calibrated for {target}"),
        ("FNIR achieved", "fnir_achieved", "known things missed; calibrated"),
    ]
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{Row(name, key).cell(figures)}</dd><p>{escape(what)}</p></div>"
        for name, key, what in tiles
    )


def table(results: dict[str, Result]) -> str:
    """Every figure of every embedder, in groups by the question that is asked."""
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
        "Which of the known is it?": [
            Row("R@1", "r_at_1"),
            Row("R@5", "r_at_5"),
            Row("R@10", "r_at_10"),
            Row("R-precision", "r_precision"),
            Row("MAP@R", "map_at_r"),
        ],
        "Known or a stranger, over all thresholds": [
            *(
                Row(f"FNIR at FPIR {rate(wanted)} <small>hindsight</small>", "fnir_at_fpirs", f"{wanted:g}")
                for wanted in sorted(open_set.hindsight.fnir_at_fpir, reverse=True)
            ),
            Row("Known against unknown <small>AUROC</small>", "auroc"),
            Row("Known and rightly named against unknown <small>area under OSCR</small>", "oscr"),
        ],
        f"Known or a stranger, by the rule calibrated for FPIR {rate(open_set.fpir_target)}": [
            Row("FPIR achieved <small>calibrated</small>", "fpir_achieved"),
            Row("FNIR achieved <small>calibrated</small>", "fnir_achieved"),
            Row("Known subjects named, each counting once <small>BAKS</small>", "baks"),
            Row("Strangers called unknown, each counting once <small>BAUS</small>", "baus"),
        ],
        "Is the probability right that is said of an answer?": [
            Row("Off by, on average <small>expected calibration error</small>", "ece"),
        ],
        "Are two pictures of the same thing?": [
            *(Row(f"TAR at FAR {rate(wanted)}", "tar_at_far", f"{wanted:g}") for wanted in pairs.tar_at_far),
            Row("Equal error rate", "eer"),
            Row("Area under ROC", "auc"),
            Row("Accuracy in ten folds <small>as on LFW</small>", "fold_accuracy"),
        ],
    }


def cell(value: float | None, around: list[float] | Interval | None) -> str:
    """A figure in percent with its interval, or that there is too little to measure it."""
    if value is None:
        return f"<i>{INSUFFICIENT_DATA}</i>"
    shown = f"{percent(value)}<span>%</span>"
    return shown if around is None else f"{shown}<small>{percent(around[0])}–{percent(around[1])}</small>"


def percent(value: float) -> str:
    """One decimal, or as many as tell a figure from 0 and from 1, from which a sum may be off by its rounding."""
    value = round(value, 9)
    for digits in (1, 2, 3):
        text = f"{100 * value:.{digits}f}"
        if value in (0, 1) or 0 < float(text) < 100:
            return text
    return text


def rate(value: float) -> str:
    """A rate in percent, without zeros that say nothing."""
    return f"{100 * value:g}%"
