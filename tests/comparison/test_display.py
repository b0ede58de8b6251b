"""The plot of accuracy against cost: every measured method, told apart by more than color, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace

import matplotlib
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from tests.comparison.made import comparison, tuning

from semelha.comparison.display import FAMILIES, CostDisplay, SettingDisplay
from semelha.errors import UsageError


@pytest.fixture(autouse=True)
def _no_windows() -> Iterator[None]:
    with matplotlib.rc_context({"backend": "agg"}):
        yield
    pyplot.close("all")


def test_each_family_has_its_color_and_marker() -> None:
    shown = CostDisplay.from_comparison(comparison(), ax=Figure().subplots(), language="en", markersize=11)
    assert list(shown.lines_) == ["model", "learned distance", "features"]
    assert len({line.get_color() for line in shown.lines_.values()}) == 3
    assert len({line.get_marker() for line in shown.lines_.values()}) == 3
    assert {line.get_markersize() for line in shown.lines_.values()} == {11}
    assert shown.ax_.get_legend().get_texts()[0].get_text() == "model as it is"


def test_points_are_the_figures_and_bear_the_place_in_the_table() -> None:
    shown = CostDisplay.from_comparison(comparison(), cost="embedding", ax=Figure().subplots(), language="en")
    (line,) = [line for family, line in shown.lines_.items() if family == "learned distance"]
    assert line.get_xdata() == pytest.approx([0.021])
    assert line.get_ydata() == pytest.approx([0.91])
    assert sorted(text.get_text() for text in shown.ax_.texts) == ["1", "2", "3"]


def test_what_costs_nothing_stands_at_0() -> None:
    ax = CostDisplay.from_comparison(comparison(), ax=Figure().subplots(), language="en").ax_
    assert next(iter(ax.get_xticklabels())).get_text() == "0"
    assert all(x > 0 for line in ax.lines for x in line.get_xdata())


def test_nothing_measured_is_an_empty_plot() -> None:
    made = replace(comparison(), methods=comparison().methods[3:])
    shown = CostDisplay.from_comparison(made, language="pt-BR")
    assert shown.lines_ == {}
    shown.figure_.canvas.draw()


def test_numbers_do_not_lie_on_one_another() -> None:
    one = comparison().methods[0]
    made = replace(comparison(), methods=tuple(replace(one, name=f"{n}") for n in range(12)))
    ax = CostDisplay.from_comparison(made).ax_
    assert len({text.get_position() for text in ax.texts}) == 12


def test_an_unknown_family_is_drawn_under_its_name() -> None:
    made = replace(comparison(), methods=tuple(replace(one, family="new $kind") for one in comparison().methods))
    assert list(CostDisplay.from_comparison(made).lines_) == ["new $kind"]
    assert "new $kind" not in FAMILIES


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="comparison is"):
        CostDisplay.from_comparison("comparison")
    with pytest.raises(UsageError, match=r"cost is 'money'.*training, embedding"):
        CostDisplay.from_comparison(comparison(), cost="money")
    with pytest.raises(UsageError, match="language"):
        CostDisplay.from_comparison(comparison(), language="fr")


def test_each_trial_is_a_point_over_its_setting() -> None:
    found = tuning()
    shown = SettingDisplay.from_tuning(found, "margin", ax=Figure().subplots(), language="en", markersize=11)
    assert list(shown.lines_) == ["default", "found", "other", "unmeasured"]
    assert sum(len(line.get_xdata()) for line in shown.lines_.values()) == len(found.trials)
    assert list(shown.lines_["default"].get_xdata()) == [0.2]
    assert found.found is not None
    assert list(shown.lines_["found"].get_xdata()) == [found.found.settings["margin"]]
    assert shown.lines_["other"].get_markersize() == 11
    assert (shown.ax_.get_xscale(), shown.ax_.get_xlabel(), shown.ax_.get_ylabel()) == ("linear", "margin", "R@1")
    low, high = shown.ax_.get_ylim()
    assert all(one.r_at_1 is None or low < one.r_at_1.value < high for one in found.trials)


def test_the_axis_of_a_setting_has_its_limits_and_its_scale() -> None:
    logarithmic = SettingDisplay(tuning(), "learning_rate").plot(Figure().subplots(), language="en").ax_
    assert logarithmic.get_xscale() == "log"
    assert logarithmic.get_xlim()[0] < 3e-4 < 1e-2 < logarithmic.get_xlim()[1]
    choice = SettingDisplay(tuning(), "dim").plot(Figure().subplots(), language="pt-BR").ax_
    assert [label.get_text() for label in choice.get_xticklabels()] == ["64", "128", "256", "512", "automático"]
    alone = SettingDisplay(tuning(trials=1), "dim").plot(Figure().subplots())
    assert list(alone.lines_) == ["default"]
    with pytest.raises(UsageError, match="setting"):
        SettingDisplay.from_tuning(tuning(), "size")
