"""The report of a tuning: one file that loads nothing, escapes text, and has every trial and both commands."""

import re
from pathlib import Path

import pytest
from tests.comparison.made import tuning
from tests.pages import Page

from semelha.comparison.report import write_tuning_report
from semelha.errors import SemelhaError, UsageError


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tuning") / "r.html"
    return write_tuning_report(tuning(), path, language="en").read_text("utf-8")


def test_the_page_loads_nothing_and_runs_nothing(html: str) -> None:
    page = Page(html)
    for name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "srcset", "data", "poster"):
            assert value.startswith(("data:", "#")), f"{name}={value[:60]}"
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.findall(r"url\((?!['\"]?(?:#|data:))", html)


def test_text_is_escaped(html: str) -> None:
    page = Page(html)
    for text in ("my <photos>", "the loss became <nan>", "<u> {1}"):
        assert text in page.text
    assert not {"photos", "nan", "u"} & set(page.tags)


def test_it_begins_with_the_verdict_and_the_command(html: str) -> None:
    main = html.partition("<main>")[2].lstrip()
    assert main.startswith('<section class="verdict good">')
    found = tuning()
    text = Page(main.partition("</section>")[0] + "</section>").text
    assert found.verdict("en").result in text
    assert found.command in text


def test_the_settings_found_are_beside_the_defaults(html: str) -> None:
    """And stand out only if they are recommended."""
    table = html.partition('<table class="beside chosen-2">')[2].partition("</table>")[0]
    text = Page(table).text
    for said in ("margin", "learning_rate", "0.2", "256", "70.2", "73.8"):
        assert said in text


def test_the_defaults_stand_out_if_they_are_kept(tmp_path: Path) -> None:
    html = write_tuning_report(tuning(is_better=False), tmp_path / "r.html", language="en").read_text("utf-8")
    assert '<table class="beside chosen-1">' in html
    assert '<section class="verdict fair">' in html
    for one in (tuning().default, tuning().found):
        assert one is not None
        assert one.command in Page(html).text


def test_every_trial_is_told_about_and_each_setting_is_plotted(html: str) -> None:
    table = html.partition('<table class="trials">')[2].partition("</table>")[0]
    assert table.count("<tr") == 1 + len(tuning().trials)
    assert table.count('class="chosen"') == 1
    assert "stopped early" in table
    assert html.count('class="plot"') == 3
    assert 'aria-label="R@1 on the selection classes, margin"' in html


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_defaults_alone_have_a_report(tmp_path: Path, language: str) -> None:
    html = write_tuning_report(tuning(trials=1), tmp_path / "r.html", language=language).read_text("utf-8")
    assert f'<html lang="{language}"' in html
    assert '<section class="verdict unknown">' in html
    assert 'class="headline"' not in html


def test_portuguese_numbers(tmp_path: Path) -> None:
    html = write_tuning_report(tuning(), tmp_path / "r.html", language="pt-BR").read_text("utf-8")
    assert "Use a configuração encontrada" in html
    assert "73,8" in html


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="language"):
        write_tuning_report(tuning(), tmp_path / "r.html", language="fr")
    (tmp_path / "file").touch()
    with pytest.raises(SemelhaError):
        write_tuning_report(tuning(), tmp_path / "file" / "r.html")
