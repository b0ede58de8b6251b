"""Tables of the report: a few headline figures, then all figures of the model and its baselines with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from semelha.evaluation.result import Result
from semelha.html import escape
from semelha.language import Words
from semelha.measures import Interval

Figures = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A figure: its title (HTML), its name in `Result.to_json`, and the rate to pick from a dict of rates."""

    title: str
    name: str
    rate: str | None = None

    def cell(self, figures: Figures, words: Words) -> str:
        """Value and interval, as HTML."""
        value, interval = figures[self.name], figures["intervals"].get(self.name)
        if self.rate is not None:
            value, interval = value[self.rate], None if interval is None else interval[self.rate]
        return cell(value, interval, words)


def headline(result: Result, words: Words) -> str:
    """HTML tiles of the most important figures."""
    figures = result.to_json()
    target = words.rate(result.open_set.fpir_target)
    described = [
        ("R@1", "r_at_1", words.t("tile.r_at_1")),
        ("MAP@R", "map_at_r", words.t("tile.map_at_r")),
        (words.t("tile.fnir", rate=target), "fnir_at_fpir", words.t("tile.fnir_note")),
        (words.t("tile.fpir"), "fpir_achieved", words.t("tile.fpir_note", rate=target)),
        (words.t("tile.fnir_achieved"), "fnir_achieved", words.t("tile.fnir_achieved_note")),
    ]
    return tiles(*((name, Row(name, key).cell(figures, words), what) for name, key, what in described))


def tiles(*described: tuple[str, str, str]) -> str:
    """HTML tiles: a name, a figure as HTML, and what it is."""
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{figure}</dd><p>{escape(what)}</p></div>" for name, figure, what in described
    )


def table(results: dict[str, Result], words: Words) -> str:
    """An HTML table of every figure of every embedder, grouped by task."""
    figures = {name: result.to_json() for name, result in results.items()}
    first = next(iter(results.values()))
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in figures)
    body = "".join(
        f'<tr class="group"><th scope="rowgroup" colspan="{1 + len(figures)}">{group}</th></tr>'
        + "".join(
            f'<tr><th scope="row">{row.title}</th>'
            + "".join(f"<td>{row.cell(found, words)}</td>" for found in figures.values())
            + "</tr>"
            for row in rows
        )
        for group, rows in _groups(first, words).items()
    )
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"


def _groups(result: Result, words: Words) -> dict[str, list[Row]]:
    open_set, pairs = result.open_set, result.verification

    def named(title: str, key: str) -> str:
        return f"{title} <small>{words.t(key)}</small>"

    return {
        words.t("group.retrieval"): [
            Row("R@1", "r_at_1"),
            Row("R@5", "r_at_5"),
            Row("R@10", "r_at_10"),
            Row("R-precision", "r_precision"),
            Row("MAP@R", "map_at_r"),
        ],
        words.t("group.hindsight"): [
            *(
                Row(named(words.t("tile.fnir", rate=words.rate(wanted)), "hindsight"), "fnir_at_fpirs", f"{wanted:g}")
                for wanted in sorted(open_set.hindsight.fnir_at_fpir, reverse=True)
            ),
            Row(named("AUROC", "row.auroc"), "auroc"),
            Row(named(words.t("row.oscr"), "row.oscr_note"), "oscr"),
        ],
        words.t("group.calibrated", rate=words.rate(open_set.fpir_target)): [
            Row(named(words.t("tile.fpir"), "calibrated"), "fpir_achieved"),
            Row(named(words.t("tile.fnir_achieved"), "calibrated"), "fnir_achieved"),
            Row(named("BAKS", "row.baks"), "baks"),
            Row(named("BAUS", "row.baus"), "baus"),
        ],
        words.t("group.probability"): [Row(words.t("row.ece"), "ece")],
        words.t("group.verification"): [
            *(
                Row(words.t("row.tar", rate=words.rate(wanted)), "tar_at_far", f"{wanted:g}")
                for wanted in pairs.tar_at_far
            ),
            Row(words.t("row.eer"), "eer"),
            Row(words.t("row.auc"), "auc"),
            Row(named(words.t("row.folds"), "row.folds_note"), "fold_accuracy"),
        ],
    }


def cell(value: float | None, interval: list[float] | Interval | None, words: Words) -> str:
    """A figure in percent with its interval, or that there are insufficient data, as HTML."""
    if value is None:
        return f"<i>{words.t('insufficient')}</i>"
    shown = f"{words.localized(percent(value))}<span>%</span>"
    if interval is None:
        return shown
    low, high = (words.localized(percent(end)) for end in interval)
    return f"{shown}<small>{low}–{high}</small>"


def percent(value: float) -> str:
    """One decimal, or as many as distinguish a figure from 0 and 1 up to rounding errors."""
    value = round(value, 9)
    for digits in (1, 2, 3):
        text = f"{100 * value:.{digits}f}"
        if value in (0, 1) or 0 < float(text) < 100:
            return text
    return text
