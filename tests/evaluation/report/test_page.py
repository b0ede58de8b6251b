"""The report: one file that loads nothing, escapes text, and says how thresholds were chosen."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import DetCurveDisplay
from tests.evaluation.made import Known, dataset, evaluate
from tests.pages import Page

from semelha.embedders import Model, raw_pixels
from semelha.errors import SemelhaError
from semelha.evaluation import Protocol
from semelha.evaluation.display import deviates
from semelha.evaluation.report import write_report
from semelha.evaluation.report.tables import percent
from semelha.images import Skipped
from semelha.measures import open_set


@pytest.fixture(scope="module")
def html(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> str:
    data = dataset(name="<script>alert(1)</script>")
    data = replace(data, skipped=(Skipped("<i>odd</i>.png", "no picture & no text"),))
    found = evaluate(Known(), data, baselines={"raw_pixels": raw_pixels()})
    card = tiny.card.model_copy(update={"name": "<img src=x onerror=alert(2)>", "training": {"data": "</pre><p>"}})
    return write_report(found, tmp_path_factory.mktemp("r") / "deep" / "report.html", card=card).read_text("utf-8")


def test_the_page_loads_nothing(html: str) -> None:
    page = Page(html)
    for name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "srcset", "data", "poster"):
            assert value.startswith(("data:", "#")), f"{name}={value[:60]}"
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    assert "@import" not in html
    assert not re.findall(r"url\((?!['\"]?(?:#|data:))", html)


def test_text_is_escaped(html: str) -> None:
    page = Page(html)
    assert "alert(1)" in page.text
    assert "<img src=x onerror" in page.text
    assert "<i>odd</i>.png" in page.text
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_it_shows_figures_curves_pictures_and_card(html: str) -> None:
    page = Page(html)
    for expected in ("R@1", "MAP@R", "FNIR", "raw pixels", "1 skipped file", "Model card", "1,200 pictures"):
        assert expected in page.text
    assert page.tags.count("svg") == 7
    assert page.tags.count("img") >= 16


def test_every_open_set_figure_says_how_its_threshold_was_chosen(html: str) -> None:
    tiles = re.findall(r"<div><dt>(.*?)</dt><dd>.*?</dd><p>(.*?)</p></div>", html)
    rows = re.findall(r'<th scope="row">(.*?)</th>', html)
    said = [f"{name} {what}" for name, what in tiles] + rows
    open_set = [text for text in said if "FNIR" in text or "FPIR" in text]
    assert len(open_set) == 8
    assert all("hindsight" in text or "calibrated" in text for text in open_set)


def test_a_dollar_in_a_legend_is_no_formula(tmp_path: Path) -> None:
    found = evaluate(Known(), dataset(classes=10), baselines={"$5 & $\\x_": raw_pixels()})
    assert "$5 & $\\x_" in Page(write_report(found, tmp_path / "r.html").read_text("utf-8")).text


def test_braces_are_kept(tmp_path: Path) -> None:
    found = evaluate(Known(), dataset(classes=10, name="{{card}} {{nothing}}"))
    assert "{{nothing}}" in write_report(found, tmp_path / "r.html").read_text("utf-8")


def test_every_figure_has_its_interval(html: str) -> None:
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', html)
    assert len(rows) == 22
    for title, cells in rows:
        for cell in re.findall("<td>(.*?)</td>", cells):
            assert re.search(r"<small>[\d.]+–[\d.]+</small>", cell) or "insufficient data" in cell, title


def test_insufficient_data_is_shown_in_words(html: str) -> None:
    """600 non-mated probes cannot measure a rate of 0.1%."""
    (cells,) = re.findall(r'<th scope="row">FNIR at FPIR 0.1% .*?</th>(.*?)</tr>', html)
    assert cells.count("insufficient data") == 2


def test_without_resamples_there_are_no_intervals(tmp_path: Path) -> None:
    text = write_report(evaluate(Known(), dataset(classes=10), resamples=0), tmp_path / "r.html").read_text("utf-8")
    assert not re.findall(r"<td>[^/]*</span><small>", text)


def test_det_axes_equal_scikit_learn() -> None:
    """Normal deviates; rates of 0 and 1, which it draws beyond 8, are drawn at half of one error here."""
    random = np.random.default_rng(0)
    mated, strangers = random.normal(0, 1, 80), random.normal(2, 1, 120)
    found = open_set(mated, np.ones(80, bool), strangers)
    truth, scores = np.arange(200) < 80, -np.concatenate([mated, strangers])
    shown = DetCurveDisplay.from_predictions(truth, scores).line_.get_xydata()
    shown = shown[(np.abs(shown) < 8).all(axis=1)]
    assert len(shown) > 20
    drawn = np.stack(deviates(found.fpir, found.fnir, 120, 80), axis=1)
    assert np.isfinite(drawn).all()
    for point in shown:
        assert np.abs(drawn - point).max(axis=1).min() < 1e-9


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (1.0, "100.0"),
        (0.5, "50.0"),
        (0.9999, "99.99"),
        (0.00004, "0.004"),
        (1e-8, "0.000"),
        (1 - 1e-16, "100.0"),
    ],
)
def test_percentages_differ_from_0_and_100(value: float, text: str) -> None:
    assert percent(value) == text


def test_the_page_says_why_there_is_no_calibration(tmp_path: Path) -> None:
    found = evaluate(Known(), dataset(classes=10))
    text = Page(write_report(found, tmp_path / "r.html").read_text("utf-8")).text
    assert "Not calibrated, so there are no achieved rates" in text
    assert "insufficient data" in text


@pytest.mark.parametrize(("classes", "each", "known"), [(2, 1, 0.5), (12, 2, 1.0), (12, 1, 0.5)])
def test_a_page_with_hardly_any_data(classes: int, each: int, known: float, tmp_path: Path) -> None:
    """Two pictures, no non-mated probes, no mated pairs: every curve is empty in one case."""
    found = evaluate(Known(), dataset(classes=classes, each=each), protocol=Protocol(enrolled_fraction=known))
    text = Page(write_report(found, tmp_path / "r.html").read_text("utf-8")).text
    assert "insufficient data" in text


def test_reliability_is_drawn_or_the_reason_is_given(html: str, tmp_path: Path) -> None:
    assert "Calibration of probabilities: learned from 200 subjects" in html
    assert "predicted probability" in html
    few = write_report(evaluate(Known(), dataset(classes=10)), tmp_path / "r.html").read_text("utf-8")
    assert "Insufficient data: 5 enrolled subjects have three pictures or more, and 20 are needed." in few
    assert "predicted probability" not in few


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SemelhaError, match="cannot be written"):
        write_report(evaluate(Known(), dataset(classes=10)), tmp_path / "file" / "report.html")


def test_the_page_begins_with_the_verdict_in_its_language(tmp_path: Path) -> None:
    """Portuguese texts and numbers; what is known in English only is marked as English."""
    found = replace(evaluate(Known(), dataset(classes=30)), notes=("a note of the reader",))
    text = write_report(found, tmp_path / "r.html", language="pt-BR").read_text("utf-8")
    assert '<html lang="pt-BR"' in text
    main = text.partition("<main>")[2]
    assert main.lstrip().startswith('<section class="verdict ')
    page = Page(main.partition("</main>")[0])
    for sentence in (found.verdict("pt-BR").result, *found.verdict("pt-BR").steps, found.verdict("pt-BR").basis):
        assert sentence in page.text
    assert '<span lang="en">a note of the reader</span>' in text
    assert re.search(r"\d,\d<span>%</span><small>\d+,\d–\d+,\d</small>", text)
    assert not re.search(r"\d\.\d<span>%", text)
    for english in ("insufficient", "hindsight", "probes", "subjects", "false acceptance", "query"):
        assert english not in page.text
