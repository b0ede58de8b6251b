"""Reports have the colors, sizes and fonts of the page in the browser."""

import re
from importlib.resources import files
from pathlib import Path

from semelha.html import style

TOKENS = Path(__file__).parents[2] / "web/src/styles/tokens.css"


def test_the_tokens_are_those_of_the_page() -> None:
    copied = files("semelha.html").joinpath("tokens.css").read_text(encoding="utf-8")
    assert copied == TOKENS.read_text("utf-8"), "cp web/src/styles/tokens.css src/semelha/html/tokens.css"


def test_every_token_that_is_used_exists() -> None:
    css = style()
    used, defined = set(re.findall(r"var\((--[\w-]+)\)", css)), set(re.findall(r"(--[\w-]+):", css))
    assert used <= defined
    assert not re.search(r"#[0-9a-f]{3,6}", css.partition("/* Reports")[2]), "a color that is no token"
