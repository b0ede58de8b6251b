"""Links of all pages lead to files and headings, in the language of the page, and those of README to all guides."""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.site.pages import outside_code

ROOT = Path(__file__).parents[2]
FOLDERS = ("benchmarks", "docs", "examples")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target, heading in links_of(page):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), target
        assert not heading or heading in anchors_of(file), f"{target}#{heading}"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name.endswith(".pt-BR.md")], ids=lambda page: page.name
)
def test_links_of_a_translation_lead_to_translations(page: Path) -> None:
    for target, _ in links_of(page):
        if target.endswith(".md") and not target.endswith(".pt-BR.md"):
            assert not (page.parent / target).with_suffix(".pt-BR.md").exists(), target


def test_readme_leads_to_every_guide_and_to_the_theory() -> None:
    linked = {(ROOT / target).resolve() for target, _ in links_of(ROOT / "README.md")}
    guides = {page for page in PAGES if page.parent.name == "guides" and not page.name.endswith(".pt-BR.md")}
    assert guides | {ROOT / "docs" / "theory" / "index.md", ROOT / "docs" / "index.pt-BR.md"} <= linked


def test_pages_that_the_code_names_exist() -> None:
    for file in (ROOT / "src").rglob("*.py"):
        for name in re.findall(r"\bdocs/[\w.-]+\.md\b", file.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file(), f"{file.name} names {name}"


def links_of(page: Path) -> Iterator[tuple[str, str]]:
    """Path and heading of each link into the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if not re.match(r"\w+:", target):
            path, _, heading = target.partition("#")
            yield path, heading


def anchors_of(page: Path) -> list[str]:
    """Anchors of the headings of a page: without accents, as Python-Markdown makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().replace("`", "")
    headings = re.findall(r"^#+ (.*)$", plain, flags=re.MULTILINE)
    return [re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings]


def prose_of(page: Path) -> str:
    """A page without its code."""
    found: list[str] = []
    outside_code(page.read_text(encoding="utf-8"), lambda prose: found.append(prose) or "")
    return "".join(found)
