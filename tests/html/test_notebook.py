"""HTML for notebooks: escaped, bounded, and without anything that is loaded or run."""

from dataclasses import replace

import numpy as np
import pytest
from tests.comparison.made import comparison, tuning
from tests.evaluation.made import Known, dataset, evaluate
from tests.pages import Page

from semelha.html.notebook import MAX_PICTURES, MAX_ROWS, MAX_TEXT, notebook_html
from semelha.images import Picture
from semelha.recognition import Candidate, Evidence, Identification, Match, MatchedExample

HOSTILE = "<img src=x onerror=alert(1)>"


def check(html: str) -> Page:
    """Nothing is loaded, nothing runs, and every tag is closed."""
    page = Page(html)
    assert not {"script", "style", "link", "iframe"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert all(value.startswith("data:image/webp;base64,") for name, value in page.attributes if name == "src")
    return page


def identification(**values: object) -> Identification:
    candidates = (
        Candidate(HOSTILE, 0.25, (Match(3, "a & b.jpg", 0.25),)),
        Candidate("kiwi", 0.5, (Match(5, "kiwi/1.jpg", 0.5),)),
    )
    return replace(Identification("known", HOSTILE, 0.25, 0.01, candidates, "a note", 0.9), **values)  # type: ignore[arg-type]


def test_text_is_escaped_and_bounded() -> None:
    tiles = [("data:image/webp;base64,AAAA", (HOSTILE, "b"))] * 99 + [(None, ("none",))]
    html = notebook_html(HOSTILE, [HOSTILE, "x" * 10_000], table=[("a", "b"), *([(HOSTILE, "c")] * 99)], tiles=tiles)
    page = check(html)
    assert page.tags.count("img") == MAX_PICTURES
    assert page.tags.count("tr") == 1 + MAX_ROWS
    assert f"+ {99 - MAX_ROWS}" in page.text
    assert "x" * MAX_TEXT + "…" in page.text
    assert "x" * (MAX_TEXT + 1) not in page.text
    assert HOSTILE in page.text


def test_only_a_title() -> None:
    assert check(notebook_html("title")).text == "title"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (identification(), f"known: {HOSTILE}distance 0.25, p 0.01, probability 0.9a note"),
        (identification(decision="unknown", subject=None, p_value=None), f"unknown; nearest is {HOSTILE}distance 0.25"),
        (Identification("unknown", None, None, None, (), "nothing is enrolled"), "unknownnothing is enrolled"),
    ],
)
def test_an_answer(answer: Identification, said: str) -> None:
    page = check(answer._repr_html_())
    assert page.text.startswith(said)
    for candidate in answer.candidates:
        assert candidate.subject in page.text
        assert candidate.examples[0].source in page.text


def test_evidence_has_the_pictures_beside_the_words() -> None:
    """The probe, and an empty place for a picture that was not kept or is damaged."""
    matched = tuple(MatchedExample(HOSTILE, n, f"{n}.jpg", 0.25, kept) for n, kept in enumerate((None, b"damaged")))
    found = Evidence(identification(), np.zeros((300, 200, 3), np.uint8), matched, matched[0], None)
    page = check(found._repr_html_())
    assert page.tags.count("img") == 4
    assert f"known: {HOSTILE}" in page.text
    assert f"second: {HOSTILE}" in page.text
    empty = Evidence(Identification("unknown", None, None, None, (), "nothing"), found.probe, (), None, None)
    assert check(empty._repr_html_()).tags.count("img") == 1


def test_an_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    found = evaluate(Known(), dataset(classes=400), baselines={"other": Known()})
    page = check(found._repr_html_())
    assert "Of 100 pictures of known things" in page.text
    assert page.text.count("?") == page.text.count("✗") == page.tags.count("img") / 2 > 0
    assert "<b>" in page.text  # of the names of classes
    pictures = tuple(Picture(b"gone", one.label, name=one.name) for one in found.dataset.pictures)
    gone = replace(found, dataset=replace(found.dataset, pictures=pictures))
    assert "img" not in check(gone._repr_html_()).tags


def test_a_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "pt_BR.UTF-8")
    made = comparison()
    page = check(made._repr_html_())
    assert made.recommendation is not None
    assert made.recommendation.command in page.text
    assert "91% (86%–95%)" in page.text
    assert "Use lda on the model" in page.text
    assert "triplet network" not in page.text


def test_a_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "pt_BR.UTF-8")
    page = check(tuning()._repr_html_())
    assert "Use a configuração encontrada" in page.text
    assert tuning().command in page.text
    assert "73,8%" in page.text
    assert "0,2" in page.text
