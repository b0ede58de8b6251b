"""Parts of the reports of comparisons and tunings: sections, notes and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from semelha.comparison.display import family_title
from semelha.comparison.result import Comparison, DataFacts, Figure, MethodResult, Premise
from semelha.evaluation.report.tables import cell, tiles
from semelha.html import escape
from semelha.language import Words
from semelha.measures import Interval

MAX_REMARKS = 50
SURE = 0.001  # p-values below are not told apart
DASH = "–"


def section(title: str, note: str, content: str) -> str:
    """A section of the page; all is HTML."""
    return f'<section><h2>{title}</h2><p class="note">{note}</p>{content}</section>'


def wide(content: str) -> str:
    """A box that scrolls if its content is wider than the page."""
    return f'<div class="wide" tabindex="0">{content}</div>'


def notes_list(items: Iterable[str], data: DataFacts, words: Words) -> str:
    """Notes, and what was remarked of the pictures, as an HTML list. Items are escaped."""
    skipped = [words.t("report.skipped", n=data.skipped)] if data.skipped else []
    notes = [escape(item) for item in (*items, *skipped)]
    notes += [f'<span lang="en">{escape(remark)}</span>' for remark in data.remarks[:MAX_REMARKS]]
    return f'<ul class="notes">{"".join(f"<li>{note}</li>" for note in notes)}</ul>'


def learned_classes(data: DataFacts, words: Words) -> str:
    """How many classes are learned from in a fold: one number, or the least and the most."""
    counts = [f"{count:,}" for count in sorted(set(data.learned_classes)) or [0]]
    return words.localized(counts[0] if len(counts) == 1 else f"{counts[0]}–{counts[-1]}")


def headline(method: MethodResult, comparison: Comparison, words: Words) -> str:
    """HTML tiles of the recommended method."""
    rate = words.rate(comparison.fpir)
    return tiles(
        ("R@1", percent_cell(method.r_at_1, words), words.t("tile.r_at_1")),
        (words.t("tile.fnir", rate=rate), percent_cell(method.fnir_at_fpir, words), words.t("tile.fnir_note")),
        (words.t("compare.seconds"), _time(method.seconds, words), words.t("compare.seconds_note")),
        (words.t("compare.embedding"), _time(_embedding(method), words), words.t("compare.embedding_note")),
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "", chosen: int | None = None) -> str:
    """An HTML table. Heads are escaped, and an empty one is no head; cells are HTML, and the first is the row's head.

    `kind` is a class of the style sheet; the row with the number `chosen` stands out.
    """
    head = "".join(f'<th scope="col">{escape(text)}</th>' if text else "<td></td>" for text in heads)
    body = "".join(
        f'<tr{_class("chosen" if number == chosen else "")}><th scope="row">{first}</th>'
        + "".join(f"<td>{each}</td>" for each in others)
        + "</tr>"
        for number, (first, *others) in enumerate(rows)
    )
    return f"<table{_class(kind)}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def methods_table(comparison: Comparison, words: Words) -> str:
    """An HTML table of the measured methods, the best first."""
    heads = [
        words.t("compare.method"),
        "R@1",
        "",
        "MAP@R",
        words.t("tile.fnir", rate=words.rate(comparison.fpir)),
        *(words.t(f"compare.{key}") for key in ("p", "seconds", "embedding", "dim", "size")),
    ]
    measured = [(number, one) for number, one in enumerate(comparison.methods, 1) if one.state == "measured"]
    recommended = None if comparison.recommendation is None else comparison.recommendation.method
    rows = [_method_row(number, one, recommended, words) for number, one in measured]
    chosen = next((place for place, (_, one) in enumerate(measured) if one.name == recommended), None)
    return table(heads, rows, kind="methods", chosen=chosen)


def _method_row(number: int, one: MethodResult, recommended: str | None, words: Words) -> list[str]:
    family = family_title(one.family, words)
    mark = f" <em>{escape(words.t('compare.recommended'))}</em>" if one.name == recommended else ""
    return [
        f'<span class="number">{number}</span> {escape(one.name)}{mark}<small>{escape(family)}</small>',
        percent_cell(one.r_at_1, words),
        "" if one.r_at_1 is None else _bar(one.r_at_1),
        percent_cell(one.map_at_r, words),
        percent_cell(one.fnir_at_fpir, words),
        DASH if one.difference is None else escape(words.localized(p_value(one.difference.p))),
        _time(one.seconds, words),
        _time(_embedding(one), words),
        DASH if one.dim is None else words.localized(f"{one.dim:,}"),
        DASH if one.size is None else escape(words.size(one.size)),
    ]


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
            text = f'<b>{escape(one.name)}</b> {escape(state)}: <span lang="en">{escape(one.reason)}</span>.'
            if one.expected is not None:
                text += " " + escape(words.t("compare.expected", rate=words.rate(round(one.expected, 2))))
            items.append(f"<li>{text}</li>")
    return f'<ul class="notes">{"".join(items)}</ul>' if items else ""


def rounds_table(comparison: Comparison, words: Words) -> str:
    """An HTML table of the rounds of the budget."""
    heads = [words.t(f"compare.{key}") for key in ("round", "share", "entered", "cut")]
    rows = [
        (
            str(one.number),
            escape(words.rate(round(one.share, 3))),
            str(len(one.entered)),
            escape(", ".join(one.cut)) or DASH,
        )
        for one in comparison.budget.rounds
    ]
    return table(heads, rows, kind="rounds")


def ways_table(premise: Premise, words: Words) -> str:
    """An HTML table of the ways to add classes."""
    heads = [words.t(f"compare.{key}") for key in ("way", "way_seconds", "way_new", "way_known")]
    rows = [
        (
            words.t(f"way.{one.name}"),
            _time(one.seconds, words),
            percent_cell(one.new, words),
            percent_cell(one.known, words),
        )
        for one in premise.ways
    ]
    return table(heads, rows)


def folds_table(comparison: Comparison, words: Words) -> str:
    """An HTML table of R@1 in each test fold."""
    measured = [one for one in comparison.methods if one.folds]
    numbers = sorted({fold.fold for one in measured for fold in one.folds})
    heads = ["", *(words.t("compare.fold", number=number + 1) for number in numbers)]
    rows = []
    for one in measured:
        by_fold = {fold.fold: fold.r_at_1 for fold in one.folds}
        rows.append((escape(one.name), *(cell(by_fold.get(number), None, words) for number in numbers)))
    return table(heads, rows, kind="plain")


def percent_cell(figure: Figure | None, words: Words) -> str:
    """A figure in percent and its interval, as HTML."""
    if figure is None or figure.low is None or figure.high is None:
        return cell(None if figure is None else figure.value, None, words)
    return cell(figure.value, Interval(figure.low, figure.high), words)


def _time(seconds: float | None, words: Words) -> str:
    return DASH if seconds is None else escape(words.duration(seconds))


def _embedding(method: MethodResult) -> float | None:
    return None if method.milliseconds is None else method.milliseconds / 1000


def p_value(p: float) -> str:
    """To two digits."""
    return f"<{SURE:g}" if p < SURE else f"{p:.2g}"
