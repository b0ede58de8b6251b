"""BAKS and BAUS: equal to the published definition in a plain loop."""

import numpy as np
import pytest

from semelha.measures import balanced

NEW = "new"


def by_hand(truth: list[str], answers: list[str], unknown: set[str]) -> tuple[float, float]:
    """Accuracy of each individual, averaged over individuals; of the unknown, the part called new."""
    of: dict[str, list[bool]] = {}
    for true, answer in zip(truth, answers, strict=True):
        of.setdefault(true, []).append(answer == (NEW if true in unknown else true))
    known = [sum(each) / len(each) for name, each in of.items() if name not in unknown]
    others = [sum(each) / len(each) for name, each in of.items() if name in unknown]
    return sum(known) / len(known), sum(others) / len(others)


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_the_definition(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.choice(list("abcdefgh"), 200, p=[0.4, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05])
    answers = np.where(random.random(200) < 0.6, truth, random.choice([NEW, *"abcd"], 200))
    unknown = set("efgh")
    strangers = np.isin(truth, list(unknown))
    right = np.where(strangers, answers == NEW, answers == truth)
    found = balanced(truth, right, strangers)
    baks, baus = by_hand(truth.tolist(), answers.tolist(), unknown)
    assert (found.baks, found.baus) == (pytest.approx(baks), pytest.approx(baus))
    assert found.geometric_mean == pytest.approx((baks * baus) ** 0.5)


def test_each_subject_counts_once() -> None:
    labels = np.array(["a"] * 98 + ["b", "c"])
    found = balanced(labels, labels == "a", labels == "c")
    assert (found.baks, found.baus) == (0.5, 0.0)


def test_without_known_or_unknown_probes() -> None:
    found = balanced(np.array(["a"]), np.array([True]), np.array([False]))
    assert (found.baks, found.baus, found.geometric_mean) == (1.0, None, None)
