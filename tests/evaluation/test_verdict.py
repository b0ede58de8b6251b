"""The verdict of an evaluation: its rules, its figures by the worse end, and both languages."""

from dataclasses import replace

import pytest
from tests.evaluation.made import Known, dataset, evaluate

from semelha.errors import UsageError
from semelha.evaluation.verdict import Estimate, Facts, judge
from semelha.language import Words

EN, PT = Words("en"), Words("pt-BR")
FIRM = Facts(
    right=Estimate(0.86, 0.84, 0.88),
    target=0.01,
    missed=Estimate(0.06, 0.05, 0.08),
    named=Estimate(0.008, 0.004, 0.012),
    looser=((0.1, Estimate(0.04, 0.03, 0.05)),),
    has_intervals=True,
    pictures=2400,
    subjects=400,
    enrolled=200,
    enrolled_pictures=600,
    mated=600,
    non_mated=1200,
    trained=0,
)
POOR = Estimate(0.83, 0.81, 0.85)


def test_the_verdict_of_the_example() -> None:
    """One picture each and a looser rate that is acceptable."""
    facts = replace(FIRM, missed=POOR, enrolled_pictures=200, looser=((0.1, Estimate(0.08, 0.07, 0.09)),))
    found = judge(facts, EN)
    assert str(found) == (
        "Of 100 pictures of known things it names 86 right, if it must always give a name. At 1 false name in 100"
        " strangers it would miss or misname 83 of 100: too many for unattended use. Enroll three pictures of "
        "each thing and measure again. Or accept 1 false name in 10 strangers, at which it would at best miss or "
        "misname 8 of 100. This rests on 2,400 pictures of 400 subjects, 200 of them enrolled with one picture "
        "each; the other 200 are the strangers."
    )
    assert (found.level, found.rules) == ("poor", ("enroll", "looser"))
    assert "2.400 imagens de 400 coisas" in judge(facts, PT).basis
    assert judge(facts, PT).rules == found.rules


@pytest.mark.parametrize(
    ("changes", "level", "rules"),
    [
        ({}, "good", ("use",)),
        ({"trained": 3}, "fair", ("unseen",)),
        ({"missed": None}, "unknown", ("strangers",)),
        ({"missed": None, "mated": 0}, "unknown", ("mated",)),
        ({"missed": None, "trained": 2}, "unknown", ("unseen", "strangers")),
        ({"named": Estimate(0.03, 0.02, 0.04)}, "poor", ("false_names",)),
        ({"named": Estimate(0.012, 0.009, 0.02)}, "good", ("use",)),
        ({"named": None}, "fair", ("calibrate",)),
        ({"has_intervals": False}, "fair", ("intervals",)),
        ({"subjects": 215}, "fair", ("subjects",)),
        ({"subjects": 30, "enrolled": 15, "enrolled_pictures": 45}, "fair", ("subjects",)),
        ({"missed": Estimate(0.2, 0.05, 0.4)}, "fair", ("precise", "looser")),
        ({"missed": Estimate(0.3, 0.25, 0.35), "looser": ()}, "fair", ("train",)),
        ({"missed": POOR, "looser": ()}, "poor", ("train",)),
        ({"missed": POOR}, "poor", ("looser",)),
        ({"missed": POOR, "right": Estimate(0.55, 0.45, 0.65)}, "poor", ("train", "looser")),
        ({"missed": POOR, "enrolled_pictures": 599, "looser": ()}, "poor", ("enroll",)),
        ({"missed": POOR, "looser": ((0.1, Estimate(0.4, 0.35, 0.55)),)}, "poor", ("train",)),
        (
            {"missed": POOR, "looser": ((0.05, Estimate(0.4, 0.3, 0.45)), (0.1, Estimate(0.2, 0.15, 0.3)))},
            "poor",
            ("looser",),
        ),
    ],
)
def test_the_rules_choose_the_step(changes: dict[str, object], level: str, rules: tuple[str, ...]) -> None:
    facts = replace(FIRM, **changes)
    for words in (EN, PT):
        found = judge(facts, words)
        assert (found.level, found.rules) == (level, rules)
        assert len(found.steps) == len(rules)
        assert "{" not in str(found)


def test_the_worse_end_of_the_interval_decides() -> None:
    """A figure that would do, with an interval that reaches beyond what would do."""
    found = judge(replace(FIRM, missed=Estimate(0.09, 0.05, 0.13), looser=()), EN)
    assert found.level == "fair"
    assert "miss or misname 5 to 13 of 100: useful if a person names the rest" in found.result


def test_a_rate_is_not_rounded_without_a_word() -> None:
    rates = {2 / 21: "At 2 false names in 21 strangers", 37 / 10_001: "At about 1 false name in 270 strangers"}
    for rate, words in rates.items():
        assert words in judge(replace(FIRM, target=rate), EN).result
    assert "Com cerca de 1 nome falso em 270" in judge(replace(FIRM, target=37 / 10_001), PT).result


def test_the_looser_rate_is_the_strictest_that_does() -> None:
    many = ((0.02, Estimate(0.3, 0.25, 0.35)), (0.05, Estimate(0.08, 0.06, 0.09)), (0.1, Estimate(0.02, 0.01, 0.03)))
    (step,) = judge(replace(FIRM, missed=POOR, looser=many), EN).steps
    assert step.startswith("Accept 1 false name in 20 strangers, at which")


def test_a_threshold_chosen_with_hindsight_is_called_the_best_case() -> None:
    assert "would at best miss or misname" in judge(replace(FIRM, named=None), EN).result
    assert "na melhor das hipóteses" in judge(replace(FIRM, named=None), PT).result


def test_the_numbers_that_are_needed() -> None:
    few = judge(replace(FIRM, missed=None, non_mated=40), EN)
    assert "until 100 show things that are not enrolled; 40 do now" in few.steps[0]
    (step,) = judge(replace(FIRM, named=None), EN).steps
    assert "99 pictures of strangers, or enroll 199 subjects; 200 were enrolled here" in step
    (step,) = judge(replace(FIRM, subjects=30, enrolled=15, enrolled_pictures=45), EN).steps
    assert "at least 40 subjects, of which 30 were measured now" in step


def test_the_verdict_of_an_evaluation() -> None:
    """On figures that were measured: calibrated, with intervals, and in both languages."""
    found = evaluate(Known(), dataset(), fpir=0.05, resamples=100)
    verdict, figures = found.verdict("en"), found.to_json()
    assert "At 1 false name in 20 strangers it would miss or misname" in verdict.result
    low, high = figures["intervals"]["fnir_achieved"]
    shown = EN.of_100(figures["fnir_achieved"]) if high - low <= 0.05 else f"{EN.of_100(low)} to {EN.of_100(high)}"
    assert f"misname {shown} of 100" in verdict.result
    assert "1,200 pictures of 400 subjects, 200 of them enrolled with one picture each" in verdict.basis
    assert found.verdict("pt-BR").rules == verdict.rules
    assert found.verdict() == verdict, "the locale of the tests is English"
    with pytest.raises(UsageError, match="language"):
        found.verdict("fr")


def test_hardly_any_data() -> None:
    assert evaluate(Known(), dataset(classes=2, each=1)).verdict("en").level == "unknown"
    assert evaluate(Known(), dataset(classes=10), resamples=0).verdict("pt-BR").level == "unknown"
