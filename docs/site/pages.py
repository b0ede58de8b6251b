"""Gathers the pages of the site: a folder for each language, links that hold inside the site, formulas as MathML."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from latex2mathml.converter import convert

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = ROOT / "build" / "docs"
LANGUAGES = ("en", "pt-BR")
# Pages of the site that stand elsewhere in the repository, by their path from the root.
ELSEWHERE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "examples/README.md": "examples.md",
}
# Pages of the site that are made of the code, by the file to which their links lead in the repository.
MADE = {
    "src/semelha/__init__.py": "reference/python/semelha.md",
    "src/semelha/cli/app.py": "reference/command-line.md",
    "src/semelha/service/app.py": "reference/http.md",
}
UNTRANSLATED = '!!! note ""\n    Esta página ainda não foi traduzida.\n\n'

_CODE = re.compile(r"(^ *(`{3,}|~{3,}).*?^ *\2 *$|`+[^`\n]+`+)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(\]\()([^)#\s]+\.(?:md|svg|png|py))(#[^)]*)?(\))")
_DISPLAY = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
_INLINE = re.compile(r"(?<![\\$\w])\$(?!\s)([^$\n]+?)(?<!\s)\$(?![\w$])")


def gather(generated: dict[str, str]) -> None:
    """Write the pages of both languages to `build/docs`; `generated` maps further paths to texts."""
    shutil.rmtree(PAGES, ignore_errors=True)
    pages = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")}
    for path, site in ELSEWHERE.items():
        pages[site] = _from_root((ROOT / path).read_text(encoding="utf-8"))
    pages |= generated
    for language in LANGUAGES:
        folder = PAGES / language
        for path in sorted(DOCS.rglob("*")):
            if path.suffix in (".svg", ".png", ".css", ".js") and "site" not in path.relative_to(DOCS).parts:
                _write(folder / path.relative_to(DOCS), path.read_bytes())
        for name, text in pages.items():
            if not name.endswith(".md"):
                _write(folder / name, text.encode())
            elif not name.endswith(".pt-BR.md"):
                _write(folder / name, page(name, text, pages.get(f"{name[:-3]}.pt-BR.md"), language).encode())


def page(name: str, english: str, portuguese: str | None, language: str) -> str:
    """Text of the page `name` in `language`: in English, with a note, if it is not translated."""
    if language == "en":
        text = english
    elif portuguese is not None:
        text = portuguese
    else:
        heading, _, rest = english.partition("\n")
        text = f"{heading}\n\n{UNTRANSLATED}{rest.lstrip()}"
    return outside_code(text, lambda prose: formulas(links(prose, name.count("/"))))


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """`text` with `change` applied to everything except code."""
    parts = _CODE.split(text)  # prose, code, its fence, prose, …
    return "".join(change(parts[i]) + (parts[i + 1] if i + 1 < len(parts) else "") for i in range(0, len(parts), 3))


def links(prose: str, depth: int) -> str:
    """`prose` of a page `depth` folders below `docs/`, where links out of `docs/` lead to pages of the site instead."""
    out = "../" * (depth + 1)

    def inside(match: re.Match[str]) -> str:
        target = match[2].removesuffix(".pt-BR.md") + ".md" if match[2].endswith(".pt-BR.md") else match[2]
        if target.startswith(out) and (found := (ELSEWHERE | MADE).get(target.removeprefix(out))):
            target = "../" * depth + found
        return f"{match[1]}{target}{match[3] or ''}{match[4]}"

    return _LINK.sub(inside, prose)


def formulas(prose: str) -> str:
    """`prose` whose `$…$` and `$$…$$` are MathML, which browsers draw without JavaScript."""
    prose = _DISPLAY.sub(lambda m: convert(" ".join(m[1].split()), display="block"), prose)
    return _INLINE.sub(lambda m: convert(m[1]), prose)


def _from_root(text: str) -> str:
    """A page of the root folder as if it stood in `docs/`."""
    return re.sub(r"\]\((?!https?:|#|mailto:)(docs/)?", lambda m: "](" if m[1] else "](../", text)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
