"""Builds the documentation site: `python -m docs.site [FOLDER]`; warnings are errors."""

import subprocess
import sys

from docs.site.pages import ROOT, gather


def main() -> None:
    gather({})
    for config in ("mkdocs.yml", "mkdocs.pt-BR.yml"):
        command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", config]
        subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
