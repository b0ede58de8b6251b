"""Displays draw on the caller's axes, keep what they drew, and take its style; the report draws with them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from tests.evaluation.made import Known, dataset, evaluate

from semelha.embedders import raw_pixels
from semelha.errors import UsageError
from semelha.evaluation import Evaluation
from semelha.evaluation import display as displays
from semelha.evaluation.display import (
    CmcDisplay,
    DetCurveDisplay,
    DistanceDisplay,
    EvaluationDisplay,
    OscrDisplay,
    ReliabilityDisplay,
    RocCurveDisplay,
    histogram,
)

KINDS = [kind for kind in vars(displays).values() if isinstance(kind, type) and EvaluationDisplay in kind.__bases__]
CURVES = (CmcDisplay, DetCurveDisplay, OscrDisplay, RocCurveDisplay)


@pytest.fixture(autouse=True)
def _no_windows() -> Iterator[None]:
    with matplotlib.rc_context({"backend": "agg"}):
        yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(Known(), dataset(classes=100), baselines={"raw_pixels": raw_pixels(), "other": Known()})


@pytest.mark.parametrize("kind", KINDS)
def test_a_display_draws_on_the_axes_of_the_caller(kind: type[EvaluationDisplay], evaluation: Evaluation) -> None:
    ax = Figure().subplots()
    shown = kind.from_evaluation(evaluation, ax=ax, language="en", linewidth=7)
    assert shown.ax_ is ax
    assert shown.figure_ is ax.figure
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert all(line.get_linewidth() == 7 for line in shown.lines_.values())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(shown.lines_)


@pytest.mark.parametrize("kind", KINDS)
def test_without_axes_it_makes_a_figure(kind: type[EvaluationDisplay], evaluation: Evaluation) -> None:
    shown = kind.from_evaluation(evaluation, language="pt-BR")
    assert shown.figure_.number in pyplot.get_fignums()
    shown.figure_.canvas.draw()
    again = shown.plot(language="en")
    assert again is shown
    assert len(pyplot.get_fignums()) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_hardly_any_data_are_drawn(kind: type[EvaluationDisplay]) -> None:
    """No pair of one class, so that every curve is empty."""
    kind.from_evaluation(evaluate(Known(), dataset(classes=2, each=1)), language="en").figure_.canvas.draw()


@pytest.mark.parametrize("kind", CURVES)
def test_the_lines_are_those_of_the_results(kind: type[EvaluationDisplay], evaluation: Evaluation) -> None:
    lines = kind.from_evaluation(evaluation, ax=Figure().subplots(), language="en").lines_
    assert list(lines) == ["model", "raw pixels", "other"]
    for line in lines.values():
        assert len(line.get_xdata()) > 10
    assert (lines["model"].get_ydata() == lines["other"].get_ydata()).all()
    assert lines["model"].get_color() != lines["other"].get_color()


def test_colors_are_those_of_the_axes(evaluation: Evaluation) -> None:
    ax = Figure().subplots()
    ax.set_prop_cycle(color=["red", "blue", "green"])
    lines = CmcDisplay.from_evaluation(evaluation, ax=ax).lines_
    assert [line.get_color() for line in lines.values()] == ["red", "blue", "green"]


def test_cmc_is_that_of_the_result(evaluation: Evaluation) -> None:
    line = CmcDisplay({"a": evaluation.result}).plot(Figure().subplots()).lines_["a"]
    assert np.array_equal(line.get_ydata(), evaluation.result.cmc)


def test_distances_are_of_all_pairs(evaluation: Evaluation) -> None:
    """The heights of both histograms add up to 1, and pairs of one class are nearer."""
    found = evaluation.result.verification
    edges, same = histogram(found.thresholds, found.tar)
    _, different = histogram(found.thresholds, found.far)
    assert len(edges) == len(same) + 1
    assert same.sum() == pytest.approx(1)
    assert different.sum() == pytest.approx(1)
    centers = (edges[1:] + edges[:-1]) / 2
    assert (centers * same).sum() < (centers * different).sum()
    shown = DistanceDisplay.from_evaluation(evaluation, ax=Figure().subplots(), language="pt-BR")
    assert list(shown.lines_) == ["mesma classe", "classes diferentes"]


def test_infinite_distances_are_left_out() -> None:
    thresholds = np.array([1.0, 2.0, np.inf])
    edges, heights = histogram(thresholds, np.array([0.25, 0.75, 1.0]))
    assert np.isfinite(edges).all()
    assert heights.sum() == pytest.approx(0.5)
    assert all(len(each) == 0 for each in histogram(thresholds[2:], np.ones(1)))


def test_an_embedder_without_probabilities_has_no_line(evaluation: Evaluation) -> None:
    result = evaluation.result
    without = replace(result.open_set.probability, reliability=None)
    none = replace(result, open_set=replace(result.open_set, probability=without))
    shown = ReliabilityDisplay({"none": none, "some": result}).plot(Figure().subplots())
    assert list(shown.lines_) == ["some"]
    both = ReliabilityDisplay({"other": result, "some": result}).plot(Figure().subplots())
    assert shown.lines_["some"].get_color() == both.lines_["some"].get_color()


@pytest.mark.parametrize("kind", KINDS)
def test_bad_input_is_one_sentence(kind: type[EvaluationDisplay], evaluation: Evaluation) -> None:
    with pytest.raises(UsageError, match="evaluation is"):
        kind.from_evaluation("evaluation")
    with pytest.raises(UsageError, match="ax is"):
        kind.from_evaluation(evaluation, ax="axes")
    with pytest.raises(UsageError, match=r"language.*en, pt-BR"):
        kind.from_evaluation(evaluation, language="fr")
    with pytest.raises(UsageError, match="results is empty"):
        kind({}).plot()


def test_the_python_of_the_docs_runs(evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text.partition("## Displays")[2].partition("\n## ")[0], re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "C")
    exec(compile(code, "evaluation.md", "exec"), {"found": evaluation})
    assert (tmp_path / "curves.pdf").stat().st_size > 5000
