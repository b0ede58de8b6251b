"""Draws the figures of the documentation again: `python -m docs.figures [NAME …]`."""

import sys
from functools import partial
from importlib import import_module

from docs.figures.drawing import FIGURES, LANGUAGES, file_of, svg

if __name__ == "__main__":
    for name in sys.argv[1:] or FIGURES:
        module = import_module(f"docs.figures.{name}")
        for language in LANGUAGES:
            file_of(name, language).write_text(svg(partial(module.draw, module.WORDS[language])), encoding="utf-8")
