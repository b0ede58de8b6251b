"""Pictures with labels: what is known of them, and splits without a class on both sides."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semelha.errors import DatasetError, PictureError
from semelha.images import Dataset, Picture, Skipped, as_rgb, split_classes


def picture(label: str, number: int = 0, **known: str) -> Picture:
    return Picture(np.full((4, 6), number, np.uint8), label, f"{label}/{number}", **known)


def dataset(classes: int, each: int = 2) -> Dataset:
    return Dataset("test", tuple(picture(f"c{i:02}", n) for i in range(classes) for n in range(each)))


def test_labels_classes_and_counts() -> None:
    few = Dataset("few", (picture("b"), picture("a"), picture("b", 1)))
    assert few.labels.tolist() == ["b", "a", "b"]
    assert few.classes == ("a", "b")
    assert few.counts() == {"b": 2, "a": 1}
    assert len(few) == 3
    assert [p.name for p in few] == ["b/0", "a/0", "b/1"]


def test_no_pictures() -> None:
    none = Dataset("none", ())
    assert len(none) == len(none.labels) == 0
    assert none.classes == ()
    assert none.groups is None
    assert none.domains is None


def test_groups_are_none_unless_a_picture_has_one() -> None:
    assert dataset(2).groups is None
    groups = Dataset("g", (picture("a", group="shelf"), picture("a", 1))).groups
    assert groups is not None
    assert groups.tolist() == ["shelf", None]


def test_domains_are_none_unless_a_picture_has_one() -> None:
    assert dataset(2).domains is None
    domains = Dataset("d", (picture("a", domain="iconic"), picture("a", 1))).domains
    assert domains is not None
    assert domains.tolist() == ["iconic", None]


def test_select_and_with_split_keep_the_order_and_what_was_skipped() -> None:
    whole = Dataset("s", (picture("a", split="train"), picture("b", split="test"), picture("c", split="train")))
    whole = whole.with_skipped([Skipped("d", "damaged")])
    assert whole.select([2, 0]).labels.tolist() == ["c", "a"]
    assert whole.with_split("train").labels.tolist() == ["a", "c"]
    assert whole.with_split("train").skipped == (Skipped("d", "damaged"),)


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.5, 0.99])
def test_no_class_is_on_both_sides_of_a_split(fraction: float) -> None:
    first, second = split_classes(dataset(20), fraction, seed=0)
    assert not set(first.classes) & set(second.classes)
    assert len(first) + len(second) == 40
    assert len(second.classes) == min(max(round(20 * fraction), 2), 18)
    assert all(count == 2 for side in (first, second) for count in side.counts().values())


def test_a_split_is_the_same_for_a_seed_and_whatever_the_order_of_the_pictures() -> None:
    whole = dataset(20)
    again = whole.select(np.random.default_rng(1).permutation(len(whole)))
    sides = split_classes(whole, 0.5, seed=7)
    assert [side.classes for side in split_classes(again, 0.5, seed=7)] == [side.classes for side in sides]
    assert split_classes(whole, 0.5, seed=8)[0].classes != sides[0].classes


def test_a_split_needs_two_classes_on_each_side() -> None:
    assert [len(side.classes) for side in split_classes(dataset(4), 0.9, seed=0)] == [2, 2]
    with pytest.raises(DatasetError, match="3 classes"):
        split_classes(dataset(3), 0.5, seed=0)
    with pytest.raises(DatasetError, match="between 0 and 1"):
        split_classes(dataset(9), 1.0, seed=0)


def test_pixels_of_a_file_and_of_an_array(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    box = (1, 2, 5, 8)
    assert np.array_equal(Picture(tmp_path / "a.png", "a", "a.png", box=box).pixels(), pixels[2:8, 1:5])
    assert np.array_equal(Picture(pixels, "a", "a", box=box).pixels(), pixels[2:8, 1:5])
    assert np.array_equal(Picture(pixels[..., 0], "a", "a").pixels(), pixels[..., :1].repeat(3, axis=2))


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros(4, np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_an_array_that_is_no_picture(array: np.ndarray) -> None:
    with pytest.raises(PictureError, match="cat"):
        as_rgb(array, name="cat")
