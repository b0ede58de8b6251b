"""The verdict of a check: what is repaired first, and what was not judged."""

import pytest

from semelha.gallery import Check, Finding
from semelha.gallery.curation.verdict import Facts, judge
from semelha.language import Words


def check(single: int = 0, **counts: int) -> Check:
    findings = [
        Finding(kind, 0.75, ("a", "b"), (), "")  # type: ignore[arg-type]
        for kind, count in counts.items()
        for _ in range(count)
    ]
    return Check(tuple(findings), 3000, 600, single)


@pytest.mark.parametrize(
    ("found", "level", "rules"),
    [
        (check(), "good", ("nothing",)),
        (check(single=5), "good", ("single",)),
        (check(outlier=2), "fair", ("outlier",)),
        (check(split=1, outlier=2, single=3), "fair", ("split", "outlier", "single")),
        (check(duplicate=1), "poor", ("duplicate",)),
        (check(outlier=4, split=1, merge=2, mislabel=8), "poor", ("mislabel", "merge", "split")),
        (Check((), 0, 0, 0), "unknown", ("enroll",)),
        (Check((), 9, 9, 9), "unknown", ("single",)),
    ],
)
def test_the_rules_choose_what_to_repair(found: Check, level: str, rules: tuple[str, ...]) -> None:
    for language in ("en", "pt-BR"):
        verdict = found.verdict(language)
        assert (verdict.level, verdict.rules, len(verdict.steps)) == (level, rules, len(rules))
        assert "{" not in str(verdict)


def test_the_sentences() -> None:
    found = check(single=1, mislabel=6, merge=1, outlier=2)
    assert str(found.verdict("en")) == (
        "6 of 3,000 pictures seem to have the wrong name; by the estimated probabilities, about 4.5 really do. "
        "Also found: 1 pair of subjects that may be one, 2 pictures unlike all others. Move or confirm the 6 "
        "pictures with doubtful names first: a wrong name makes wrong answers. Merge the two subjects that are "
        "one, or tell them apart. Look at the 2 pictures that are unlike all others. This rests on 3,000 pictures"
        " of 600 subjects; 1 has one picture, whose name cannot be judged."
    )
    assert "6 de 3.000 imagens parecem ter o nome errado" in found.verdict("pt-BR").result
    assert "cerca de 4,5" in found.verdict("pt-BR").result


def test_an_estimate_is_not_rounded_up_to_certainty() -> None:
    texts = [Finding("mislabel", score, ("a", "b"), (), "").score_text for score in (0.5, 0.984, 0.996)]
    assert texts == ["0.50", "0.98", "0.99"]
    assert Finding("duplicate", 1.0, ("a", "b"), (), "").score_text == "1.00", "the same picture, measured"


def test_what_cannot_be_judged_is_not_called_right() -> None:
    facts = Facts({}, 0.0, examples=100, subjects=60, single=40)
    assert "among the 60 pictures that can be judged" in judge(facts, Words("en")).result
