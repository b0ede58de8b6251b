"""Validates the names of subjects."""

from __future__ import annotations

import unicodedata

from semelha.errors import GalleryError

LONGEST = 200


def checked_name(name: str) -> str:
    """The name in Unicode's composed form (NFC), so that different encodings of it are one name.

    Raises
    ------
    GalleryError
        It is empty, too long, or has control characters.
    """
    composed = unicodedata.normalize("NFC", name).strip()
    if not composed:
        raise GalleryError("a subject needs a name")
    if len(composed) > LONGEST:
        raise GalleryError(f"a subject's name has at most {LONGEST} characters, this one has {len(composed)}")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in composed):
        raise GalleryError(f"the subject's name {composed!r} has characters that cannot be printed")
    return composed
