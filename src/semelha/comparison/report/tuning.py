"""Write the HTML report of a tuning."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from semelha.arguments import check_types
from semelha.comparison.display import SettingDisplay
from semelha.comparison.report.tables import (
    DASH,
    learned_classes,
    notes_list,
    p_value,
    percent_cell,
    section,
    table,
    wide,
)
from semelha.comparison.result import Difference
from semelha.comparison.tuned import MeasuredSettings, SettingsTrial, Tuning, shown_number
from semelha.evaluation.report.tables import tiles
from semelha.html import escape, write_page
from semelha.language import Words, words_in
from semelha.plots import svg


@check_types
def write_tuning_report(tuning: Tuning, path: str | os.PathLike[str], *, language: str | None = None) -> Path:
    """Write the report of a tuning as one HTML file, which needs no other file. Returns its path.

    It begins with the verdict (`Tuning.verdict`) and the command that trains. The language is "en" or "pt-BR"; None is
    that of the locale. An existing file is replaced. Raises `UsageError` for another language, and `SemelhaError` if
    the file cannot be written.
    """
    words, data = words_in(language), tuning.data
    title = words.t("tune.title", method=escape(tuning.method), data=escape(data.name))
    lead = words.t(
        "tune.lead",
        n=len(tuning.trials),
        pictures=data.pictures,
        classes=data.classes,
        time=words.duration(tuning.used),
    )
    verdict = tuning.verdict(words.language)
    return write_page(path, title, lead, _sections(tuning, words), words=words, verdict=verdict, levels="tune.level")


def _sections(tuning: Tuning, words: Words) -> Iterator[str]:
    if tuning.difference is not None:
        yield f'<dl class="headline">{_headline(tuning, tuning.difference, words)}</dl>'
    yield section(
        words.t("tune.tested"), words.t("tune.tested_note"), wide(_tested(tuning, words)) + _commands(tuning, words)
    )
    plots = "".join(_plot(tuning, name, words) for name in tuning.space)
    yield section(words.t("tune.plots"), words.t("tune.plots_note"), f'<div class="curves">{plots}</div>')
    trials = f"<details><summary>{words.t('tune.trials_table')}</summary>{wide(_trials(tuning, words))}</details>"
    yield f"<section>{trials}</section>"
    yield _method_section(tuning, words)


def _measured(tuning: Tuning) -> list[tuple[str, MeasuredSettings]]:
    """The keys of the titles, and what was measured on the test classes."""
    return [
        (key, one) for key, one in (("tune.default", tuning.default), ("tune.found", tuning.found)) if one is not None
    ]


def _headline(tuning: Tuning, difference: Difference, words: Words) -> str:
    shown = [(words.t(key), percent_cell(one.r_at_1, words), words.t("tile.r_at_1")) for key, one in _measured(tuning)]
    p = words.localized(p_value(difference.p))
    less = f"{100 * difference.value:+.1f}"
    ends = "" if difference.low is None else f"{100 * difference.low:+.1f} – {100 * (difference.high or 0):+.1f}"
    figure = f"{words.localized(less)}<small>{words.localized(ends)}</small>"
    return tiles(*shown, (words.t("tune.difference"), figure, words.t("tune.difference_note", p=p)))


def _tested(tuning: Tuning, words: Words) -> str:
    measured = _measured(tuning)
    rows = []
    for name in tuning.space:
        numbers = [one.settings.get(name, tuning.defaults[name]) for _, one in measured]
        cells = [escape(shown_number(number, words)) for number in numbers]
        if len(set(numbers)) > 1 and tuning.is_better:
            cells[-1] = f"<b>{cells[-1]}</b>"
        rows.append((f"<code>{escape(name)}</code>", *cells))
    figures = [
        ("R@1", [percent_cell(one.r_at_1, words) for _, one in measured]),
        ("MAP@R", [percent_cell(one.map_at_r, words) for _, one in measured]),
        (words.t("compare.seconds"), [escape(words.duration(one.seconds)) for _, one in measured]),
    ]
    rows += [(escape(title), *cells) for title, cells in figures]
    chosen = next(place for place, (_, one) in enumerate(measured, 1) if one.command == tuning.command)
    heads = ["", *(words.t(key) for key, _ in measured)]
    return table(heads, rows, kind=f"beside chosen-{chosen}")


def _commands(tuning: Tuning, words: Words) -> str:
    """The commands that train with the defaults and with the settings found, folded."""
    items = "".join(
        f"<dt>{escape(words.t(key))}</dt><dd><pre><code>{escape(one.command)}</code></pre></dd>"
        for key, one in _measured(tuning)
    )
    return f'<details><summary>{words.t("tune.commands")}</summary><dl class="commands">{items}</dl></details>'


def _plot(tuning: Tuning, name: str, words: Words) -> str:
    plot = svg(lambda ax: SettingDisplay(tuning, name).plot(ax, language=words.language))
    label = f"{words.t('tune.selection_r_at_1')}, {name}"
    named = plot.replace('role="img"', f'role="img" aria-label="{escape(label)}"', 1)
    return f"<div>{named}</div>"


def _trials(tuning: Tuning, words: Words) -> str:
    best = 1 if tuning.found is None else tuning.found.trial
    heads = [words.t("tune.trial"), "R@1", *tuning.space, words.t("tune.time"), ""]
    rows = [
        (
            f"{one.number}",
            DASH if one.r_at_1 is None else percent_cell(one.r_at_1, words),
            *(escape(shown_number(one.settings.get(name, tuning.defaults[name]), words)) for name in tuning.space),
            escape(words.duration(one.seconds)),
            _state(one, words),
        )
        for one in tuning.trials
    ]
    chosen = next((place for place, one in enumerate(tuning.trials) if one.number == best), None)
    return table(heads, rows, kind="trials", chosen=chosen)


def _state(one: SettingsTrial, words: Words) -> str:
    if one.state == "measured":
        return ""
    reason = f': <span lang="en">{escape(one.reason)}</span>' if one.reason else ""
    return escape(words.t(f"state.{one.state}")) + reason


def _method_section(tuning: Tuning, words: Words) -> str:
    """How it was measured."""
    data = tuning.data
    versions = ", ".join(f"{name} {version}" for name, version in tuning.versions.items())
    tested = sum(data.fold_classes)
    items = [
        words.t("tune.selection", n=data.selection_classes),
        words.t("tune.folds", n=len(data.fold_classes), tested=tested, learned=learned_classes(data, words)),
        words.t("tune.choice"),
        words.t("tune.p_note"),
    ]
    if tuning.minutes is not None:
        items.append(words.t("tune.minutes", time=words.duration(60 * tuning.minutes)))
    used = words.duration(tuning.used)
    if tuning.budget is None:
        items.append(words.t("compare.no_limit", used=used))
    else:
        items.append(words.t("compare.limit", used=used, limit=words.duration(tuning.budget)))
    items.append(words.t("compare.seed", seed=str(tuning.seed)))
    items.append(words.t("compare.machine", machine=tuning.machine, versions=versions, date=tuning.date))
    return f"<section><h2>{words.t('compare.how')}</h2>{notes_list(items, data, words)}</section>"
