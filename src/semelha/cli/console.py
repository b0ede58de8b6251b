"""What the program writes: text in the encoding of the console, whatever it is, and JSON always in UTF-8."""

from __future__ import annotations

import codecs
import json
import logging
import re
import sys
from io import TextIOWrapper

import rich.markup

from semelha.text import SURROGATES, as_unicode, shown

HANDLER = "semelha"
PLAIN = {
    **dict.fromkeys("–—−‐‑", "-"),
    **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("‘’‚", "'"),
    "…": "...",
    "×": "x",
    "·": ".",
    "•": "*",
    "→": "->",
    "←": "<-",
    "≥": ">=",
    "≤": "<=",
    "≈": "~",
    "±": "+/-",
}
"""Characters that our own texts have, and what they become where the encoding does not have them."""
BOXES = re.compile("[\u2500-\u257f]")
HORIZONTAL, VERTICAL = "─━╌╍┄┅┈┉═╴╶╸╺╼╾", "│┃╎╏┆┇┊┋║╵╷╹╻╽╿"
BRAILLE = re.compile("[\u2800-\u28ff]")  # of a moving spinner


def escape(text: object) -> str:
    """Text for the console: without markup, and with control characters written out."""
    return rich.markup.escape(shown(str(text)))


def accept_any_text() -> None:
    """Let standard output and error take any text: what their encoding does not have is replaced or written out."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def write_json(value: object) -> None:
    """Write one JSON object to standard output, in UTF-8 whatever the console's encoding. Numbers must be finite."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    # A name that is no valid Unicode has its bytes written out, as everywhere; the backslash must be doubled in JSON.
    text = SURROGATES.sub(lambda found: as_unicode(found[0]).replace("\\", "\\\\"), text) + "\n"
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    else:  # replaced by a program, such as by `io.StringIO`
        sys.stdout.write(text)


class LogFormatter(logging.Formatter):
    """Formats messages of the library with control characters written out."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The message of a record."""
        return shown(super().formatMessage(record))


def log_to_stderr(level: int = logging.WARNING) -> None:
    """Print messages of the library from a level on, unless the log is configured already."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter("%(message)s"))
    logging.basicConfig(level=level, handlers=[handler])


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    if SURROGATES.match(character):
        return as_unicode(character)
    if BOXES.match(character):
        return "-" if character in HORIZONTAL else "|" if character in VERTICAL else "+"
    if BRAILLE.match(character):
        return "*"
    escaped = character.encode("ascii", "backslashreplace").decode("ascii")
    return PLAIN.get(character, escaped)


codecs.register_error(HANDLER, _replaced)
