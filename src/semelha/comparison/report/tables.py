"""Tables of the report of a comparison: methods, rounds of the budget, and new classes by two ways."""

from __future__ import annotations

from semelha.comparison.display import family_title
from semelha.comparison.result import Comparison, Figure, MethodResult
from semelha.evaluation.report.tables import cell
from semelha.html import escape
from semelha.language import Words
from semelha.measures import Interval

WAYS = ("retrain a classifier", "enroll")
"""Those that have a title in each language."""
SURE = 0.001  # p-values below are not told apart
DASH = "–"


def headline(method: MethodResult, comparison: Comparison, words: Words) -> str:
    """HTML tiles of the recommended method."""
    tiles = [
        ("R@1", percent_cell(method.r_at_1, words), words.t("tile.r_at_1")),
        (
            words.t("tile.fnir", rate=words.rate(comparison.fpir)),
            percent_cell(method.fnir_at_fpir, words),
            words.t("tile.fnir_note"),
        ),
        (words.t("compare.seconds"), _time(method.seconds, words), words.t("compare.seconds_note")),
        (words.t("compare.embedding"), _time(_embedding(method), words), words.t("compare.embedding_note")),
    ]
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{cell}</dd><p>{escape(what)}</p></div>" for name, cell, what in tiles
    )


def methods_table(comparison: Comparison, words: Words) -> str:
    """An HTML table of the measured methods, the best first."""
    heads = [
        words.t("compare.method"),
        "R@1",
        "",
        "MAP@R",
        words.t("tile.fnir", rate=words.rate(comparison.fpir)),
        words.t("compare.p"),
        words.t("compare.seconds"),
        words.t("compare.embedding"),
        words.t("compare.dim"),
        words.t("compare.size"),
    ]
    head = "".join(f'<th scope="col">{escape(text)}</th>' if text else "<td></td>" for text in heads)
    recommended = None if comparison.recommendation is None else comparison.recommendation.method
    rows = "".join(
        _method_row(number, one, is_recommended=one.name == recommended, words=words)
        for number, one in enumerate(comparison.methods, 1)
        if one.state == "measured"
    )
    return f'<table class="methods"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _method_row(number: int, one: MethodResult, *, is_recommended: bool, words: Words) -> str:
    family = family_title(one.family, words)
    mark = f" <em>{escape(words.t('compare.recommended'))}</em>" if is_recommended else ""
    p = DASH if one.difference is None else escape(words.localized(_p_value(one.difference.p)))
    dim = DASH if one.dim is None else words.localized(f"{one.dim:,}")
    cells = [
        percent_cell(one.r_at_1, words),
        "" if one.r_at_1 is None else _bar(one.r_at_1),
        percent_cell(one.map_at_r, words),
        percent_cell(one.fnir_at_fpir, words),
        p,
        _time(one.seconds, words),
        _time(_embedding(one), words),
        dim,
        DASH if one.size is None else escape(words.size(one.size)),
    ]
    name = f'<span class="number">{number}</span> {escape(one.name)}{mark}<small>{escape(family)}</small>'
    row = ' class="chosen"' if is_recommended else ""
    return f'<tr{row}><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _bar(figure: Figure) -> str:
    """A figure between 0 and 1 as a point, and its interval as a line."""
    value, low, high = (None if each is None else 100 * each for each in figure)
    line = "" if low is None or high is None else f'<path d="M{low:.1f} 6H{high:.1f}"/>'
    return (
        '<svg class="bar" viewBox="-3 0 106 12" width="106" height="12" aria-hidden="true">'
        f'<path class="axis" d="M0 6H100"/>{line}<circle cx="{value:.1f}" cy="6" r="2.5"/></svg>'
    )


def unmeasured_list(comparison: Comparison, words: Words) -> str:
    """The methods that were not measured, and why, as an HTML list."""
    items = []
    for one in comparison.methods:
        if one.state != "measured":
            state = words.t(f"state.{one.state}", round=one.round or 0)
            items.append(
                f'<li><b>{escape(one.name)}</b> {escape(state)}: <span lang="en">{escape(one.reason)}</span></li>'
            )
    return f'<ul class="notes">{"".join(items)}</ul>' if items else ""


def rounds_table(comparison: Comparison, words: Words) -> str:
    """An HTML table of the rounds of the budget."""
    heads = [words.t(f"compare.{key}") for key in ("round", "share", "entered", "cut")]
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    rows = "".join(
        f'<tr><th scope="row">{one.number}</th><td>{escape(words.rate(round(one.share, 3)))}</td>'
        f'<td>{len(one.entered)}</td><td class="names">{escape(", ".join(one.cut)) or DASH}</td></tr>'
        for one in comparison.budget.rounds
    )
    return f'<table class="rounds"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def ways_table(comparison: Comparison, words: Words) -> str:
    """An HTML table of the ways to add classes; "" if they were not measured."""
    if comparison.premise is None:
        return ""
    heads = [words.t(f"compare.{key}") for key in ("way", "way_seconds", "way_new", "way_known")]
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    rows = "".join(
        f'<tr><th scope="row">{_way(one.name, words)}</th><td>{_time(one.seconds, words)}</td>'
        f"<td>{percent_cell(one.new, words)}</td><td>{percent_cell(one.known, words)}</td></tr>"
        for one in comparison.premise.ways
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _way(name: str, words: Words) -> str:
    return words.t(f"way.{name}") if name in WAYS else escape(name)


def folds_table(comparison: Comparison, words: Words) -> str:
    """An HTML table of R@1 in each test fold."""
    measured = [one for one in comparison.methods if one.folds]
    numbers = sorted({fold.fold for one in measured for fold in one.folds})
    head = "".join(f'<th scope="col">{escape(words.t("compare.fold", number=number + 1))}</th>' for number in numbers)
    rows = []
    for one in measured:
        by_fold = {fold.fold: fold.r_at_1 for fold in one.folds}
        cells = "".join(f"<td>{cell(by_fold.get(number), None, words)}</td>" for number in numbers)
        rows.append(f'<tr><th scope="row">{escape(one.name)}</th>{cells}</tr>')
    return f'<table class="plain"><thead><tr><td></td>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def percent_cell(figure: Figure | None, words: Words) -> str:
    """A figure in percent and its interval, as HTML."""
    if figure is None or figure.low is None or figure.high is None:
        return cell(None if figure is None else figure.value, None, words)
    return cell(figure.value, Interval(figure.low, figure.high), words)


def _time(seconds: float | None, words: Words) -> str:
    return DASH if seconds is None else escape(words.duration(seconds))


def _embedding(method: MethodResult) -> float | None:
    return None if method.milliseconds is None else method.milliseconds / 1000


def _p_value(p: float) -> str:
    return f"<{SURE:g}" if p < SURE else f"{p:.2g}"
