"""Colors, sizes and fonts of the reports are tokens, which the page in the browser takes from the same file."""

import re

from semelha.html import style


def test_every_token_that_is_used_exists() -> None:
    css = style()
    used, defined = set(re.findall(r"var\((--[\w-]+)\)", css)), set(re.findall(r"(--[\w-]+):", css))
    assert used <= defined
    assert not re.search(r"#[0-9a-f]{3,6}", css.partition("/* Reports")[2]), "a color that is no token"
