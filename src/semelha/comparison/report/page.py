"""Write the HTML report of a comparison."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from semelha.arguments import check_types
from semelha.comparison.display import COSTS, CostDisplay
from semelha.comparison.report.disagreement import Disagreement, disagreements, right_answers
from semelha.comparison.report.tables import (
    folds_table,
    headline,
    learned_classes,
    methods_table,
    notes_list,
    rounds_table,
    section,
    table,
    unmeasured_list,
    ways_table,
    wide,
)
from semelha.comparison.report.thumbnails import Thumbnails
from semelha.comparison.result import Comparison, MethodResult
from semelha.html import escape, write_page
from semelha.images import Dataset
from semelha.language import Words, words_in
from semelha.plots import svg

MAX_QUERIES = 6  # of the grid of a method
NEIGHBORS = 5  # of a query
OPEN = 2  # methods whose grids are shown unfolded
MAX_PAIRS = 8  # of methods, in the table
SHOWN_PAIRS = 3  # of methods, with pictures
MAX_EXAMPLES = 4  # queries that only one of two methods gets right
RIGHT, WRONG = "✓", "✗"


@check_types
def write_comparison_report(
    comparison: Comparison,
    path: str | os.PathLike[str],
    *,
    dataset: Dataset | None = None,
    language: str | None = None,
) -> Path:
    """Write the report of a comparison as one HTML file, which needs no other file. Returns its path.

    It begins with the verdict (`Comparison.verdict`). Pictures are taken from the data set that was compared; without
    it they are read from the files that the comparison names. Those that cannot be read any more are counted. The
    language is "en" or "pt-BR"; None is that of the locale. An existing file is replaced. Raises `UsageError` for
    another language, and `SemelhaError` if the file cannot be written.
    """
    words = words_in(language)
    title = words.t("compare.title", data=escape(comparison.data.name))
    data, methods = comparison.data, comparison.methods
    measured = sum(one.state == "measured" for one in methods)
    lead = words.t(
        "compare.lead",
        n=len(methods),
        measured=measured,
        pictures=data.pictures,
        classes=data.classes,
        time=words.duration(comparison.budget.used),
    )
    verdict = comparison.verdict(words.language)
    sections = _sections(comparison, Thumbnails(comparison, dataset, words), words)
    return write_page(path, title, lead, sections, words=words, verdict=verdict, levels="compare.level")


def _sections(comparison: Comparison, pictures: Thumbnails, words: Words) -> Iterator[str]:
    chosen = comparison.recommendation
    if chosen is not None:
        yield f'<dl class="headline">{headline(comparison[chosen.method], comparison, words)}</dl>'
    yield section(
        words.t("compare.figures"),
        words.t("compare.figures_note", rate=words.rate(comparison.fpir)),
        wide(methods_table(comparison, words)) + unmeasured_list(comparison, words) + _commands(comparison, words),
    )
    plots = "".join(_cost(comparison, cost, words) for cost in COSTS)
    yield f'<section class="curves">{plots}</section>'
    yield from _grids(comparison, pictures, words)
    yield from _disagreements(comparison, pictures, words)
    yield _budget(comparison, words)
    if (premise := comparison.premise) is not None:
        yield section(words.t("compare.premise"), premise.text(words), wide(ways_table(premise, words)))
    yield _method_section(comparison, words)
    if pictures.missing:
        yield f'<p class="note missing">{words.t("compare.missing", n=len(pictures.missing))}</p>'
    yield from pictures.definitions()


def _commands(comparison: Comparison, words: Words) -> str:
    """What each method is, and the command that trains it, folded."""
    items = "".join(
        f'<dt>{escape(one.name)}</dt><dd><span lang="en">{escape(one.about)}</span>'
        + (f"<pre><code>{escape(one.command)}</code></pre>" if one.command else "")
        + "</dd>"
        for one in comparison.methods
    )
    return f'<details><summary>{words.t("compare.commands")}</summary><dl class="commands">{items}</dl></details>'


def _cost(comparison: Comparison, cost: str, words: Words) -> str:
    title = words.t("compare.by_training" if cost == "training" else "compare.by_embedding")
    plot = svg(lambda ax: CostDisplay(comparison, cost).plot(ax, language=words.language))
    named = plot.replace('role="img"', f'role="img" aria-label="{escape(title)}"', 1)
    return f'<div><h2>{title}</h2><p class="note">{words.t("compare.cost_note")}</p>{named}</div>'


def _grids(comparison: Comparison, pictures: Thumbnails, words: Words) -> Iterator[str]:
    """The nearest pictures of the same few queries by each method."""
    methods = [one for one in comparison.methods if one.nearest]
    if not methods or not comparison.queries:
        return
    right = right_answers(comparison, methods).mean(axis=0)  # (queries,)
    order = np.argsort(right, kind="stable")
    picked = order[np.unique(np.linspace(0, len(order) - 1, MAX_QUERIES).round().astype(int))].tolist()
    note = words.t("compare.grids_note", right=RIGHT, wrong=WRONG)
    yield f'<section><h2>{words.t("compare.grids")}</h2><p class="note">{note}</p>'
    chosen = None if comparison.recommendation is None else comparison.recommendation.method
    for place, one in enumerate(methods):
        count = sum(comparison.is_right(one, query) for query in picked)
        rows = "".join(_row(comparison, pictures, one, query, words) for query in picked)
        told = words.t("compare.nearest_right", right=count, n=len(picked))
        summary = f"<summary><b>{escape(one.name)}</b> {told}</summary>"
        is_open = place < OPEN or one.name == chosen
        yield f'<details{" open" if is_open else ""}>{summary}<div class="rows">{rows}</div></details>'
    yield "</section>"


def _row(comparison: Comparison, pictures: Thumbnails, method: MethodResult, query: int, words: Words) -> str:
    """A query and its nearest pictures."""
    probe = comparison.queries[query].picture
    cells = [pictures.figure(probe, "probe", words.t("report.query"))]
    cells += [_answer(comparison, pictures, probe, one, words) for one in method.nearest[query][:NEIGHBORS]]
    return f'<div class="row">{"".join(cells)}</div>'


def _answer(comparison: Comparison, pictures: Thumbnails, probe: int, answer: int, words: Words, of: str = "") -> str:
    is_right = comparison.pictures[answer].label == comparison.pictures[probe].label
    mark = f"{RIGHT} {words.t('compare.right')}" if is_right else f"{WRONG} {words.t('compare.wrong')}"
    return pictures.figure(answer, "right" if is_right else "wrong", f"{mark}{of}")


def _disagreements(comparison: Comparison, pictures: Thumbnails, words: Words) -> Iterator[str]:
    found = disagreements(comparison)
    if not found:
        return
    heads = [words.t(f"compare.{key}") for key in ("pair", "only_first", "only_second", "both")]
    rows = [
        (
            f"{escape(one.first.name)} · {escape(one.second.name)}",
            *(f"{n:,}" for n in (len(one.only_first), len(one.only_second), one.count)),
        )
        for one in found[:MAX_PAIRS]
    ]
    note = words.t("compare.disagree_note", n=len(comparison.queries))
    yield f'<section><h2>{words.t("compare.disagree")}</h2><p class="note">{note}</p>{wide(table(heads, rows))}'
    for place, pair in enumerate(_shown_pairs(comparison, found)):
        yield _pair(comparison, pictures, pair, words, is_open=place == 0)
    yield "</section>"


def _shown_pairs(comparison: Comparison, found: list[Disagreement]) -> list[Disagreement]:
    """First the recommended method and the one that is most often right where it is wrong, then those above."""
    chosen = comparison.recommendation
    pairs = list(found[:SHOWN_PAIRS])
    if chosen is not None:
        own = [one for one in found if chosen.method in (one.first.name, one.second.name)]
        rival = max(
            own,
            key=lambda one: len(one.only_second if one.first.name == chosen.method else one.only_first),
            default=None,
        )
        if rival is not None:
            pairs = [rival, *(one for one in pairs if one is not rival)]
    return pairs[:SHOWN_PAIRS]


def _pair(comparison: Comparison, pictures: Thumbnails, pair: Disagreement, words: Words, *, is_open: bool) -> str:
    parts = []
    for one, other, queries in (
        (pair.first, pair.second, pair.only_first),
        (pair.second, pair.first, pair.only_second),
    ):
        text = words.t("compare.only", method=f"<b>{escape(one.name)}</b>", n=len(queries))
        rows = "".join(_both(comparison, pictures, query, (one, other), words) for query in queries[:MAX_EXAMPLES])
        parts.append(f'<p class="note">{text}</p><div class="rows few">{rows}</div>')
    summary = f"<summary><b>{escape(pair.first.name)}</b> · <b>{escape(pair.second.name)}</b></summary>"
    return f"<details{' open' if is_open else ''}>{summary}{''.join(parts)}</details>"


def _both(
    comparison: Comparison, pictures: Thumbnails, query: int, methods: tuple[MethodResult, MethodResult], words: Words
) -> str:
    """A query, and its nearest picture by each of two methods."""
    probe = comparison.queries[query].picture
    cells = [pictures.figure(probe, "probe", words.t("report.query"))]
    for one in methods:
        if one.nearest[query]:
            of = f" · {one.name}"
            cells.append(_answer(comparison, pictures, probe, one.nearest[query][0], words, of))
    return f'<div class="row">{"".join(cells)}</div>'


def _budget(comparison: Comparison, words: Words) -> str:
    budget = comparison.budget
    used = words.duration(budget.used)
    if budget.seconds is None:
        note = words.t("compare.no_limit", used=used)
    else:
        note = words.t("compare.limit", used=used, limit=words.duration(budget.seconds))
    cut = sum(len(one.cut) for one in budget.rounds)
    note += " " + words.t("compare.were_cut" if cut else "compare.not_cut", n=cut)
    return section(words.t("compare.budget"), note, wide(rounds_table(comparison, words)) if budget.rounds else "")


def _method_section(comparison: Comparison, words: Words) -> str:
    """How it was measured."""
    data = comparison.data
    tested = sum(data.fold_classes)
    versions = ", ".join(f"{name} {version}" for name, version in comparison.versions.items())
    machine = words.t("compare.machine", machine=comparison.machine, versions=versions, date=comparison.date)
    items = [
        words.t("compare.folds", n=len(data.fold_classes), tested=tested, learned=learned_classes(data, words)),
        words.t("compare.selection", n=data.selection_classes),
        words.t("compare.p_note"),
        words.t("compare.seed", seed=str(comparison.seed)),
        machine,
    ]
    folds = f"<details><summary>{words.t('compare.by_fold')}</summary>{wide(folds_table(comparison, words))}</details>"
    return f"<section><h2>{words.t('compare.how')}</h2>{notes_list(items, data, words)}{folds}</section>"
