"""Text from outside, such as names of files and subjects: as Unicode that can be stored, and escaped to be shown."""

from __future__ import annotations

import re

SURROGATES = re.compile("[\ud800-\udfff]")
"""How Python keeps bytes of a file name that are not UTF-8; alone they can be neither stored nor encoded."""
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""Characters that move the cursor, color the terminal, break lines or turn the direction of writing."""
SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def shown(text: str) -> str:
    """The text with control characters written out, such as `\\x1b`, so that it is one line and does nothing."""
    return CONTROLS.sub(_escape, text)


def shown_lines(text: str) -> str:
    """The text of several lines, each as `shown`."""
    return "\n".join(shown(line) for line in text.split("\n"))


def as_unicode(name: str) -> str:
    """The name as valid Unicode: bytes of a file name that are not UTF-8 are written out, such as `caf\\xe9.jpg`."""
    return SURROGATES.sub(_escape, name)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if found[0] in SHORT:
        return SHORT[found[0]]
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
