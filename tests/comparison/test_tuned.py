"""The verdict of a tuning: the settings found are taken only if they are better beyond doubt."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.comparison.made import tuning

from semelha.comparison import Tuning
from semelha.comparison.result import Difference, Figure
from semelha.comparison.tuned import is_surely_better
from semelha.errors import SemelhaError, UsageError


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (Difference(0.03, 0.01, 0.05, 0.001), "Take the settings found: of 100 pictures"),
        (Difference(0.03, -0.01, 0.05, 0.001), "may be due to chance"),
        (Difference(0.03, 0.01, 0.05, 0.2), "may be due to chance"),
        (Difference(-0.03, -0.05, -0.01, 0.001), "Keep the defaults: with the settings found, only 74 of 100"),
        (Difference(0.03, None, None, 0.001), "may be due to chance"),
    ],
)
def test_a_lead_that_may_be_chance_keeps_the_defaults(difference: Difference, said: str) -> None:
    is_better = is_surely_better(difference)
    verdict = replace(tuning(), difference=difference, is_better=is_better).verdict("en")
    assert said in verdict.result
    assert is_better == verdict.result.startswith("Take") == (verdict.level == "good")
    assert verdict.rules[0] == ("train" if is_better else "train_defaults")


def test_the_command_is_that_of_the_recommended_settings() -> None:
    assert "--set margin=" in tuning().verdict("en").command
    assert "--set" not in tuning(is_better=False).verdict("en").command


def test_figures_that_would_be_rounded_to_the_same_have_a_decimal() -> None:
    assert "70.5 of 100" in tuning(is_better=False).verdict("en").result
    assert "70,5 em 100" in tuning(is_better=False).verdict("pt-BR").result


def test_without_other_settings_the_defaults_are_kept() -> None:
    alone = tuning(trials=1)
    assert (alone.verdict("en").level, alone.found) == ("unknown", None)
    assert "nothing else was tried" in alone.verdict("en").result
    several = replace(tuning(), found=None, difference=None, is_better=False)
    assert "none of 11 other settings was better" in several.verdict("en").result
    two = replace(several, trials=several.trials[:2])
    assert "nas classes de seleção" in two.verdict("pt-BR").result


def test_it_says_what_would_make_it_surer() -> None:
    """More time or more trials, if they ended the search; more classes, if they are few or differ."""
    found = tuning()
    assert found.verdict("en").rules == ("train", "budget")
    assert replace(found, ended="trials").verdict("en").rules == ("train",), "twelve are enough"
    assert tuning(trials=6).ended == "budget"
    assert replace(tuning(trials=6), ended="trials").verdict("en").rules[1] == "trials"
    assert replace(found, ended="settings").verdict("en").rules == ("train",)
    few = replace(found, data=replace(found.data, fold_classes=(3, 3, 3)))
    assert "9 classes were tested" in few.verdict("en").steps[-1]
    assert found.found is not None
    wide = replace(found, found=replace(found.found, r_at_1=Figure(0.7, 0.5, 0.8)))
    assert wide.verdict("en").rules[-1] == "uncertain"


def test_each_language_says_the_same_rules() -> None:
    for found in (tuning(), tuning(is_better=False), tuning(trials=1)):
        verdicts = [found.verdict(language) for language in ("en", "pt-BR")]
        assert verdicts[0].rules == verdicts[1].rules
        assert verdicts[0].result != verdicts[1].result
    with pytest.raises(UsageError, match="language"):
        tuning().verdict("fr")


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    for found in (tuning(), tuning(trials=1)):
        found.write(tmp_path / "tuning.json")
        assert Tuning.read(tmp_path / "tuning.json") == found
    (tmp_path / "tuning.json").write_text('{"method": 1}')
    with pytest.raises(SemelhaError, match="is no tuning"):
        Tuning.read(tmp_path / "tuning.json")
