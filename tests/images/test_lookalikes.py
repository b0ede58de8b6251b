"""Lookalikes: what looks the same in most typefaces is found, and what differs by more than size is not."""

import numpy as np
import pytest

from semelha.errors import UsageError
from semelha.images import Dataset, Picture, glyphs
from semelha.images.lookalikes import lookalikes

NOTHING = Dataset("nothing", ())


def bar(height: int, width: int) -> np.ndarray:
    pixels = np.full((64, 64), 255, np.uint8)
    pixels[32 - height // 2 : 32 + height // 2, 32 - width // 2 : 32 + width // 2] = 0
    return pixels


def characters(**drawings: list[np.ndarray]) -> Dataset:
    """A data set of characters, from the drawings of each in the typefaces 0, 1, …"""
    pictures = [
        Picture(source=pixels, label=label, name=f"face {i}/{label}")
        for label, faces in drawings.items()
        for i, pixels in enumerate(faces)
    ]
    return Dataset("drawings", tuple(pictures))


def test_characters_with_one_shape_in_two_scripts_are_found() -> None:
    scripts = glyphs(["Armenian", "Hebrew"])
    found = lookalikes(scripts, glyphs(["Latin"]))
    assert found["Armenian/U+0585"] == "Latin/U+006F"  # oh, and o
    assert found["Hebrew/U+05BE"] == "Armenian/U+058A"  # two hyphens
    assert not {"Hebrew/U+05D0", "Armenian/U+0531"} & set(found)  # alef, ayb
    assert len(found) < len(scripts.classes) / 2
    assert not set(found) & set(found.values())


def test_size_is_no_difference() -> None:
    """A dot is a full square within its ink, which has no contrast without a border."""
    found = lookalikes(characters(dot=[bar(4, 4)], square=[bar(40, 40)], stroke=[bar(4, 40)]), NOTHING)
    assert found == {"square": "dot"}


@pytest.mark.parametrize(("same", "is_found"), [(0, False), (1, False), (2, True), (4, True)])
def test_half_of_the_typefaces_decide(same: int, is_found: bool) -> None:
    faces = [bar(8, 40)] * 4
    changed = [bar(8, 40)] * same + [bar(40, 8)] * (4 - same)
    assert lookalikes(characters(b=changed), characters(a=faces)) == ({"b": "a"} if is_found else {})


def test_only_typefaces_that_draw_both_count() -> None:
    assert lookalikes(characters(b=[bar(8, 40)]), characters(a=[bar(8, 40)] * 4)) == {"b": "a"}


def test_what_looks_like_a_character_that_was_found_is_kept() -> None:
    """So that of a chain in which each looks like the next, more than the first is left."""
    chain = characters(a=[bar(20, 8)], b=[bar(20, 10)], c=[bar(20, 12)])
    assert lookalikes(chain, NOTHING, correlation=0.8) == {"b": "a"}


@pytest.mark.parametrize("correlation", [0, 1.1, float("nan")])
def test_a_correlation_out_of_range(correlation: float) -> None:
    with pytest.raises(UsageError, match=r"correlation is .*: it must be above 0 and at most 1"):
        lookalikes(NOTHING, NOTHING, correlation=correlation)
