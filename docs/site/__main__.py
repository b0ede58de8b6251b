"""Builds the documentation site: `python -m docs.site`; a warning is an error."""

import re
import subprocess
import sys

from docs.site import reference, results
from docs.site.links import check
from docs.site.pages import ROOT, gather

PORTUGUESE = {
    "docs_dir: build/docs/en": "docs_dir: build/docs/pt-BR",
    "site_dir: build/site": "site_dir: build/site/pt-BR",
    "Recognize objects in pictures by similarity": "Reconheça objetos em fotos por semelhança",
    "language: en": "language: pt-BR",
    "root: .": "root: ..",
    "copyright: Apache License 2.0": "copyright: Licença Apache 2.0",
    "- Home: index.md": "- Início: index.md",
    "- Guides:": "- Guias:",
    "- Theory:": "- Teoria:",
    "- Manual:": "- Manual (em inglês):",
    "- Reference:": "- Referência:",
    "- Benchmarks:": "- Medições:",
    "- Project:": "- Projeto:",
    "name: Use light colors": "name: Usar cores claras",
    "name: Use dark colors": "name: Usar cores escuras",
    "name: Use the colors of the system": "name: Usar as cores do sistema",
}
"""What differs in the configuration of the Portuguese site."""


def portuguese(configuration: str) -> str:
    """The text of `mkdocs.yml` for the Portuguese site; raises `ValueError` if a line that differs is not there."""
    for english, translated in PORTUGUESE.items():
        configuration, count = re.subn(rf"{re.escape(english)}(?=[\n}}])", translated, configuration)
        if count != 1:
            raise ValueError(f"mkdocs.yml has {english!r} {count} times")
    return configuration


def main() -> None:
    gather(reference.pages() | results.pages())
    (ROOT / "mkdocs.pt-BR.yml").write_text(
        portuguese((ROOT / "mkdocs.yml").read_text(encoding="utf-8")), encoding="utf-8"
    )
    for config in ("mkdocs.yml", "mkdocs.pt-BR.yml"):
        command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", config]
        subprocess.run(command, cwd=ROOT, check=True)
    check((ROOT / "build" / "site").resolve())


if __name__ == "__main__":
    main()
