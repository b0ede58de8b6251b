"""The pages of theory: both languages have the same content, the code runs, and the figures are current."""

import contextlib
import io
import re
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
from docs.figures.drawing import FIGURES, LANGUAGES, file_of, svg
from tests.docs.runner import blocks

THEORY = Path(__file__).parents[2] / "docs" / "theory"
PAGES = sorted(page.stem for page in THEORY.glob("*.md") if not page.name.endswith(".pt-BR.md"))
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def text_of(page: str, language: str = "en") -> str:
    return (THEORY / (f"{page}.md" if language == "en" else f"{page}.{language}.md")).read_text(encoding="utf-8")


def structure(text: str) -> dict[str, object]:
    """What both languages must have in common."""
    code = re.findall(r"```.*?```", text, flags=re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    formulas = re.findall(r"\$\$.*?\$\$", prose, flags=re.DOTALL)
    return {
        "code and output": code,
        "headings": re.findall(r"^#+", prose, flags=re.MULTILINE),
        "figures": [target.replace(".pt-BR.", ".") for target in re.findall(r"!\[[^\]]*\]\(([^)]*)\)", prose)],
        "pages linked": [
            target.replace(".pt-BR.", ".") for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)#]*)[^)]*\)", prose)
        ],
        "formulas": [
            re.sub(r"\\(text|mathrm)\{[^}]*\}|\{(retrain|enroll|retreinar|cadastrar)\}", "", f) for f in formulas
        ],
        "formulas in the text": len(re.findall(r"\$[^$\n]+\$", re.sub(r"\$\$.*?\$\$", "", prose, flags=re.DOTALL))),
        "rows of tables": len(re.findall(r"^\|", prose, flags=re.MULTILINE)),
        "items": len(re.findall(r"^(?:-|\d\.) ", prose, flags=re.MULTILINE)),
    }


def test_every_page_is_in_both_languages() -> None:
    translated = sorted(page.name.removesuffix(".pt-BR.md") for page in THEORY.glob("*.pt-BR.md"))
    assert translated == PAGES


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_have_the_same_content(page: str) -> None:
    english, portuguese = structure(text_of(page)), structure(text_of(page, "pt-BR"))
    if page == "glossary":  # its rows are in alphabetical order, and so is the link in one of them
        english["pages linked"], portuguese["pages linked"] = [], []
    assert portuguese == english


@pytest.mark.parametrize("page", PAGES)
def test_no_line_begins_with_a_formula(page: str) -> None:
    """Markdown would end the paragraph there."""
    for language in LANGUAGES:
        assert not re.findall(r"^\$[^$].*", text_of(page, language), flags=re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in text_of(page)])
def test_the_code_prints_what_follows_it(page: str) -> None:
    """In order, in one namespace. The last digits of numbers may differ on another processor."""
    names: dict[str, object] = {}
    for block in blocks(text_of(page)):
        expected = block.shown or ""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(block.code, f"{page}.md", "exec"), names)
        assert NUMBER.sub("#", printed.getvalue()) == NUMBER.sub("#", expected)
        numbers, wanted = ([float(each) for each in NUMBER.findall(t)] for t in (printed.getvalue(), expected))
        assert numbers == pytest.approx(wanted, rel=0.02, abs=0.02)


@pytest.mark.parametrize("name", FIGURES)
def test_the_figure_is_what_its_code_draws(name: str) -> None:
    """The same texts, and paths in the same places; `python -m docs.figures` draws all figures again."""
    module = import_module(f"docs.figures.{name}")
    drawn, kept = svg(partial(module.draw, module.WORDS["en"])), file_of(name, "en").read_text(encoding="utf-8")
    assert texts_of(drawn) == texts_of(kept)
    boxes, wanted = boxes_of(drawn), boxes_of(kept)
    assert len(boxes) == len(wanted)
    for box, other in zip(boxes, wanted, strict=True):
        assert box == pytest.approx(other, abs=4)  # points


@pytest.mark.parametrize("name", FIGURES)
def test_the_figure_is_in_both_languages(name: str) -> None:
    module = import_module(f"docs.figures.{name}")
    assert list(module.WORDS) == list(LANGUAGES)
    for language in LANGUAGES:
        shown = "\n".join(texts_of(file_of(name, language).read_text(encoding="utf-8")))
        for word in module.WORDS[language].values():
            assert all(line in shown for line in word.split("\n")), (language, word)


def texts_of(figure: str) -> list[str]:
    return re.findall(r"<(?:text|tspan)[^>]*>([^<]+)</", figure)


def boxes_of(figure: str) -> list[list[float]]:
    """Left, right, top and bottom of each path of a figure."""
    boxes = []
    for path in re.findall(r'<path [^>]*?\sd="([^"]+)"', figure):
        numbers = [float(each) for each in NUMBER.findall(path)]
        x, y = numbers[::2], numbers[1::2]
        boxes.append([min(x), max(x), min(y), max(y)])
    return boxes
