"""The example set: what it holds, that it is the same every time, and that no test character is in training."""

import unicodedata

import numpy as np
import pytest

from semelha.errors import UsageError
from semelha.images import TEST_SCRIPTS, TRAIN_SCRIPTS, Dataset, content_hash, glyphs
from semelha.images.glyphs import REFERENCE_FACE, script_of


@pytest.fixture(scope="module")
def unseen() -> Dataset:
    return glyphs(TEST_SCRIPTS)


@pytest.fixture(scope="module")
def small() -> Dataset:
    """Every script, in pictures small enough for a test."""
    return glyphs(size=24)


def face(name: str) -> str:
    return name.split("/")[0]


def test_hundreds_of_characters_of_scripts_never_seen(unseen: Dataset) -> None:
    assert 600 <= len(unseen.classes) <= 750
    assert {label.split("/")[0] for label in unseen.classes} == set(TEST_SCRIPTS)
    assert unseen.skipped == ()


def test_thousands_to_train_on(small: Dataset) -> None:
    training = [label for label in small.classes if label.split("/")[0] in TRAIN_SCRIPTS]
    assert len(training) > 2500
    assert {label.split("/")[0] for label in training} == set(TRAIN_SCRIPTS)


def test_every_class_has_four_typefaces_or_more_and_the_reference_among_the_unseen(unseen: Dataset) -> None:
    assert min(unseen.counts().values()) >= 4
    assert len({picture.name for picture in unseen}) == len(unseen)
    with_reference = {p.label for p in unseen if face(p.name) == REFERENCE_FACE}
    assert with_reference == set(unseen.classes)


def test_pictures_are_dark_on_white_centered_and_whole(unseen: Dataset) -> None:
    for picture in unseen:
        assert isinstance(picture.source, np.ndarray)
        assert picture.source.shape == (64, 64)
        rows, columns = (np.flatnonzero((picture.source < 255).any(axis=axis)) for axis in (1, 0))
        for ink in (rows, columns):
            assert ink[0] >= 1
            assert abs(ink[0] - (63 - ink[-1])) <= 1


def test_labels_name_the_character(unseen: Dataset) -> None:
    for label in unseen.classes:
        script, code = label.split("/U+")
        assert script_of(int(code, 16)) == script
        assert unicodedata.name(chr(int(code, 16))).startswith(script.split()[0].upper())


def test_the_same_every_time(unseen: Dataset) -> None:
    again = glyphs(["Hebrew", "Armenian"])
    before = [p for p in unseen if p.label.split("/")[0] in ("Hebrew", "Armenian")]
    assert [(p.label, p.name) for p in again] == [(p.label, p.name) for p in before]
    assert [content_hash(p.pixels()) for p in again] == [content_hash(p.pixels()) for p in before]


def test_no_character_to_test_on_is_drawn_like_one_to_train_on(unseen: Dataset) -> None:
    training = glyphs(["Latin", "Greek", "Cyrillic"])
    drawn = {p.source.tobytes() for p in training if face(p.name) == REFERENCE_FACE}
    assert not drawn & {p.source.tobytes() for p in unseen if face(p.name) == REFERENCE_FACE}


def test_no_two_pictures_of_a_class_are_the_same(unseen: Dataset) -> None:
    assert len({(p.label, p.source.tobytes()) for p in unseen}) == len(unseen)


def test_fewer_typefaces_give_more_characters() -> None:
    assert len(glyphs(["Lao"], min_faces=2).classes) >= len(glyphs(["Lao"], min_faces=8).classes)


@pytest.mark.parametrize(
    ("character", "script"),
    [("q", "Latin"), ("Ω", "Greek"), ("Ж", "Cyrillic"), ("7", "Symbols"), ("→", "Symbols"), ("\u0301", None),
     (" ", None), ("\ue000", None), ("𝔄", None)],
)  # fmt: skip
def test_the_script_of_a_character(character: str, script: str | None) -> None:
    """Combining marks, blanks, private characters and letters in another font belong to none."""
    assert script_of(ord(character)) == script


def test_a_script_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no script is called Klingon: there are Latin"):
        glyphs(["Klingon"])
