"""Names and JSON from outside, checked in one place: what a name may be; how large and deep a document may be."""

from __future__ import annotations

import json
import math
import re
import stat
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

from semelha.errors import InvalidName, SemelhaError
from semelha.text import SURROGATES, as_unicode

MAX_NAME_LENGTH = 200
RESERVED = "unknown"
"""The answer for what is no subject, and therefore the name of none."""
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that no name has: controls, surrogates, separators of lines and paragraphs."""

DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Embeddings, overrides and isolates: the text after them is shown in another order than it has."""

MAX_BYTES = 1 << 28
MAX_DEPTH = 100
MAX_NUMBER = (1 << 64) - 1
KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "text", int: "a whole number", bool: "true or false"}


def normalized_name(name: str) -> str:
    """The form in which names of subjects are compared: valid Unicode, composed (NFC), without spaces at the ends."""
    return unicodedata.normalize("NFC", as_unicode(name)).strip()


def checked_name(name: str, *, error: type[SemelhaError] = InvalidName) -> str:
    """The name of a subject as it is stored: as `normalized_name`.

    Raises `error` if it is empty, longer than `MAX_NAME_LENGTH`, "unknown" in any case, or has control characters or
    such that turn the direction of writing. Characters that are not visible do not make a name another one than these.
    """
    composed = normalized_name(name)
    visible = "".join(character for character in composed if unicodedata.category(character) != "Cf").strip()
    if not visible:
        raise error("a subject needs a name")
    if len(composed) > MAX_NAME_LENGTH:
        start = composed[:40]
        raise error(
            f"the subject's name {start!r}… has {len(composed)} characters: it must have at most {MAX_NAME_LENGTH}"
        )
    if any(unicodedata.category(character) in UNPRINTABLE for character in composed):
        raise error(f"the subject's name {composed!r} has characters that cannot be printed: leave them out")
    if found := DIRECTIONS.search(composed):
        raise error(
            f"the subject's name {composed!r} turns the direction of writing (U+{ord(found[0]):04X}), so that it looks "
            "like another: leave that out; right-to-left letters need none"
        )
    if visible.casefold() == RESERVED:
        raise error(
            f"no subject can be called {composed!r}, which is the answer for what is no subject: choose another name"
        )
    return composed


def read_json(
    path: Path, *, kind: type = dict, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, error: type[SemelhaError]
) -> Any:
    """Read a JSON file from outside: `parse_json` of its content.

    Raises `error` if it is no regular file, cannot be read, or is not such a document. `FileNotFoundError` is left to
    the caller, who knows what the missing file means.
    """
    return parse_json(read_bytes(path, max_bytes=max_bytes, error=error), str(path), kind=kind, max_bytes=max_bytes,
                      max_depth=max_depth, error=error)  # fmt: skip


def read_bytes(path: Path, *, max_bytes: int = MAX_BYTES, error: type[SemelhaError]) -> bytes:
    """The content of a regular file of at most `max_bytes`. Raises `FileNotFoundError` or `error`."""
    try:
        found = path.stat()  # before it is opened, which would block on a pipe
        if not stat.S_ISREG(found.st_mode):
            raise error(f"{path} is no file that can be read: it is a folder, a pipe or a device")
        with path.open("rb") as file:  # one that is too large is not read for it
            data = file.read(found.st_size + 1) if found.st_size <= max_bytes else None
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise error(f"{path} cannot be read: {reason or problem}") from problem
    if data is None or len(data) > max_bytes:
        raise error(f"{path} has more than {max_bytes:,} bytes, and cannot be what it should be")
    return data


def parse_json(
    data: bytes | str,
    name: str,
    *,
    kind: type = dict,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
    error: type[SemelhaError],
) -> Any:
    """Parse a JSON document from outside, with limits.

    Text is valid Unicode, in UTF-8. Numbers are finite; whole ones have at most 64 bits. No object has a key twice.
    Objects and lists are at most `max_depth` levels deep. The whole is of the type `kind`. Raises `error`, with one
    sentence that begins with `name`, if anything of this does not hold.
    """
    try:
        if len(data) > max_bytes:
            raise ValueError(f"it has more than {max_bytes:,} bytes")
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite_number,
            parse_int=_whole_number,
            object_pairs_hook=_object,
        )
        _check_depth(value, max_depth)
        if "\\u" in text or not isinstance(data, bytes):
            _check_unicode(value)
        if not isinstance(value, kind):
            raise ValueError(f"it must be {KINDS.get(kind, kind.__name__)}")
    except RecursionError:
        raise error(f"{name} is damaged: it is more than {max_depth} levels deep") from None
    except UnicodeDecodeError as problem:
        raise error(f"{name} is damaged: it is no text in UTF-8") from problem
    except json.JSONDecodeError as problem:
        raise error(f"{name} is damaged: {problem.msg} in line {problem.lineno}") from problem
    except ValueError as problem:
        raise error(f"{name} is damaged: {problem}") from problem
    return value


def field_of(content: dict[str, Any], key: str, kind: type, name: str, *, error: type[SemelhaError]) -> Any:
    """The value of a key of a document, which must have exactly this type; a whole number is a float too."""
    if key not in content:
        raise error(f"{name} is damaged: it has no {key!r}")
    value: Any = content[key]
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise error(f"{name} is damaged: its {key!r} must be {KINDS.get(kind, 'a number')}")
    return float(content[key]) if kind is float else content[key]


def _refuse_constant(text: str) -> float:
    raise ValueError(f"it has the number {text}")


def _finite_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"it has the number {text[:20]}")
    return value


def _whole_number(text: str) -> int:
    if len(text) > 21 or abs(value := int(text)) > MAX_NUMBER:
        raise ValueError(f"it has the number {text[:20]}…, which is too large")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"it has the key {twice[:40]!r} twice")
    return value


def _check_depth(value: Any, most: int) -> None:
    level = [value]
    for _ in range(most):
        level = [
            each
            for one in level
            if isinstance(one, dict | list)
            for each in (one.values() if isinstance(one, dict) else one)
            if isinstance(each, dict | list)
        ]
        if not level:
            return
    raise ValueError(f"it is more than {most} levels deep")


def _check_unicode(value: Any) -> None:
    rest = [value]
    while rest:
        one = rest.pop()
        if isinstance(one, str):
            if SURROGATES.search(one):
                raise ValueError("it has text that is no valid Unicode")
        elif isinstance(one, dict):
            rest += [*one, *one.values()]
        elif isinstance(one, list):
            rest += one
