"""Names and JSON from outside: the one rule for names, and documents that nobody should have to trust."""

import json
import os
from pathlib import Path

import pytest

from semelha.errors import GalleryError, ModelError, SemelhaError
from semelha.text import as_unicode, shown
from semelha.untrusted import MAX_DEPTH, checked_name, field_of, normalized_name, parse_json, read_bytes, read_json

HOSTILE = {
    "infinity": b'{"a": Infinity}',
    "minus infinity": b'{"a": -Infinity}',
    "nan": b'{"a": NaN}',
    "a huge float": b'{"a": 1e999}',
    "a huge number": b'{"a": ' + b"9" * 400 + b"}",
    "a number that Python refuses": b'{"a": ' + b"9" * 5000 + b"}",
    "100,000 brackets": b"[" * 100_000,
    "100,000 levels": b"[" * 100_000 + b"]" * 100_000,
    "900 levels": b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}",
    "900 objects": b'{"a": ' * 900 + b"1" + b"}" * 900,
    "a lone surrogate": b'{"a": "\\ud800"}',
    "a surrogate in a key": b'{"\\udfff": 1}',
    "a surrogate in a list": b'{"a": [[{"b": "x\\udc80"}]]}',
    "a key twice": b'{"a": 1, "a": 2}',
    "no object": b"[1]",
    "nothing": b"",
    "text": b"hello",
    "no UTF-8": b'{"a": "\xff"}',
    "zeros": b"\0" * 100,
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "null": b"null",
    "a number": b"7",
    "cut short": b'{"a": [1, 2',
}
"""Documents by what is wrong with them; other tests of readers of JSON use them too."""


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_document_is_refused_in_one_sentence(document: bytes) -> None:
    with pytest.raises(ModelError) as refused:
        parse_json(document, "model.json", error=ModelError)
    message = str(refused.value)
    assert message.startswith("model.json ")
    assert len(message) < 200
    assert "\n" not in message


def test_a_plain_document_is_read() -> None:
    value = {"a": [1, -2.5, True, None, "ä \U0001f41f"], "b": {"c": []}, "big": (1 << 64) - 1}
    assert parse_json(json.dumps(value).encode(), "x", error=ModelError) == value  # with escapes
    assert parse_json(json.dumps(value, ensure_ascii=False).encode("utf-8-sig"), "x", error=ModelError) == value
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert parse_json(deep, "x", kind=list, error=ModelError)
    with pytest.raises(ModelError, match="more than 100 levels deep"):
        parse_json(b"[" + deep + b"]", "x", kind=list, error=ModelError)


def test_what_is_no_regular_file_or_too_large_is_refused_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b" " * 1001)
    for name, reason in {"pipe": "a pipe", ".": "a folder", "large": "more than 1,000 bytes"}.items():
        with pytest.raises(GalleryError, match=reason):
            read_json(tmp_path / name, max_bytes=1000, error=GalleryError)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "none", error=GalleryError)
    with pytest.raises(GalleryError, match="cannot be read"):
        read_bytes(Path("\0"), error=GalleryError)


def test_a_field_has_exactly_its_type() -> None:
    content = {"whole": 1, "text": "x", "yes": True}
    assert field_of(content, "whole", float, "x", error=GalleryError) == 1.0
    for key, kind in (("whole", bool), ("yes", int), ("text", int), ("none", str), ("yes", float)):
        with pytest.raises(GalleryError, match=key):
            field_of(content, key, kind, "x", error=GalleryError)


def test_control_characters_are_shown_and_do_nothing() -> None:
    assert shown("a\x1b[31mb\nc\u202ed\x9be\x7f") == r"a\x1b[31mb\nc\u202ed\x9be\x7f"
    assert shown("日本 العربية 👩‍👩‍👧 naïve \\x") == "日本 العربية 👩‍👩‍👧 naïve \\x"
    assert shown(os.fsdecode(b"caf\xe9.jpg")) == as_unicode(os.fsdecode(b"caf\xe9.jpg")) == r"caf\xe9.jpg"
    assert as_unicode("a\ud800\x1b") == "a\\ud800\x1b"
    assert str(SemelhaError("no file \x1b]0;x\x07\u2066")) == r"no file \x1b]0;x\x07\u2066"


@pytest.mark.parametrize("name", ["unknown", " Unknown ", "UNKNOWN", "", "  ", "a" * 201, "a\x1bb", "a\nb", "a\u2028b"])
def test_names_that_no_subject_has(name: str) -> None:
    with pytest.raises(GalleryError, match="subject"):
        checked_name(name)


@pytest.mark.parametrize("character", [*range(0x202A, 0x202F), *range(0x2066, 0x206A)], ids=hex)
def test_a_name_does_not_turn_the_direction_of_writing(character: int) -> None:
    """It would look like another one in lists, questions and answers."""
    with pytest.raises(GalleryError, match=rf"turns the direction of writing \(U\+{character:04X}\)"):
        checked_name(f"anna {chr(character)}nhoj")


def test_right_to_left_names_and_their_marks_are_names() -> None:
    for name in ("تمر", "שלום", "abc \u200fשלום\u200e", "\u061cتمر", "می\u200cخواهم", "👩\u200d👧"):
        assert checked_name(name) == name


@pytest.mark.parametrize(
    "name", ["\u200b", "\u2060 \ufeff", "\u200f", "unk\u200bnown", "\u200eUnknown", "unknown \u2063"]
)
def test_what_cannot_be_seen_is_no_name_and_makes_no_other(name: str) -> None:
    with pytest.raises(GalleryError, match="subject"):
        checked_name(name)


def test_names_that_mean_the_same_are_the_same() -> None:
    assert checked_name(" Cafe\u0301 ") == normalized_name("Café") == "Café"
    assert checked_name(os.fsdecode(b"caf\xe9")) == r"caf\xe9"
    assert checked_name("unknown apple") == "unknown apple"
