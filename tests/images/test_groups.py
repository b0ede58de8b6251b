"""Bursts of a data set: by names, times and vectors together; what is kept, said and refused."""

import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.images.test_near_duplicates import bursts
from tests.images.test_series import NOON, PIXELS, minutes, named, numbered, taken

from semelha.errors import UsageError
from semelha.images import Burst, Dataset, Picture, burst_remark, read_dataset, with_groups
from semelha.images.groups import paired_classes

DATA = Path(os.environ.get("SEMELHA_DATA", "absent"))


def shelves(classes: int = 4, shots: int = 5) -> Dataset:
    """Two series of each class by name, and a picture in none."""
    names = [*numbered("one_{}.jpg", range(shots)), *numbered("two_{}.jpg", range(shots)), "web.jpg"]
    pictures = (picture for label in range(classes) for picture in named(*names, label=f"{label}"))
    return Dataset("shelves", tuple(replace(one, name=f"{one.label}/{one.name}") for one in pictures))


def pictures_of(labels: Sequence[object], names: Sequence[str]) -> Dataset:
    return Dataset("some", tuple(Picture(PIXELS, str(label), name) for label, name in zip(labels, names, strict=True)))


def partition(dataset: Dataset) -> set[frozenset[str]]:
    """The names of the pictures of each group."""
    groups = {picture.group for picture in dataset} - {None}
    return {frozenset(p.name for p in dataset if p.group == group) for group in groups}


def test_pictures_in_a_series_have_a_group_and_others_none() -> None:
    found = with_groups(shelves())
    assert Counter(picture.group for picture in found) == {None: 4, **{f"burst {n}": 5 for n in range(1, 9)}}
    (remark,) = found.remarks
    assert str(remark) == "used: 40 pictures are 8 bursts by file names: no two of one burst are compared"
    assert remark.count == 40
    assert burst_remark(found) == remark.text


def test_bursts_that_share_a_picture_are_one() -> None:
    """By times the first and the second are one, by names the second and the third."""
    names = numbered("x_{}.jpg", (1, 2)) + numbered("y_{}.jpg", (1, 2))
    moments = [NOON.replace(hour=hour) for hour in (1, 5, 5, 9)]
    pictures = [taken(moment, name=name) for moment, name in zip(moments, names, strict=True)]
    found = with_groups(Dataset("some", (*pictures, *minutes(0, label="b"))))
    assert [picture.group for picture in found] == ["burst 1"] * 4 + [None]
    assert "by file names and capture times: " in found.remarks[0].text


def test_near_duplicates_join_names() -> None:
    vectors, labels, expected = bursts()
    names = numbered("{}.jpg", range(len(labels)))
    dataset = pictures_of(labels, names)
    assert with_groups(dataset).groups is None
    found = with_groups(dataset, vectors=vectors)
    assert partition(found) == {frozenset(np.array(names)[expected == one].tolist()) for one in np.unique(expected)}
    assert "200 pictures are 40 bursts by near-duplicates: " in found.remarks[0].text


def test_groups_of_the_data_set_are_kept() -> None:
    first, second, *rest = shelves()
    dataset = Dataset("some", (replace(first, group="shelf"), replace(second, group="shelf"), *rest))
    found = with_groups(dataset)
    assert [picture.group for picture in found] == ["shelf"] * 2 + [None] * len(rest)
    assert [str(one) for one in found.remarks] == [
        "used: 2 pictures are 1 group of the data set: no two of one group are compared"
    ]
    assert burst_remark(found) is None


def test_groups_that_were_found_are_found_again_with_vectors() -> None:
    """A training finds them by names first, and by the features of a network later."""
    vectors, labels, expected = bursts(each=2, shots=2)
    names = ["a_0.jpg", "a_1.jpg", "b_0.jpg", "b_1.jpg", *numbered("{}.jpg", range(4, len(labels)))]
    dataset = pictures_of(labels, names)
    first = with_groups(dataset)
    assert sum(picture.group is not None for picture in first) == 4
    second = with_groups(first, vectors=vectors)
    assert len(second.remarks) == 1
    assert np.unique(np.array([p.group for p in second])).size == len(np.unique(expected))
    assert partition(with_groups(second)) == partition(first)


def test_none_removes_groups_and_what_was_said_of_them() -> None:
    dataset = shelves()
    found = with_groups(with_groups(dataset), how="none")
    assert found.groups is None
    assert found.remarks == ()
    given = replace(dataset, pictures=tuple(replace(picture, group="shelf") for picture in dataset))
    assert with_groups(given, how="none").groups is None


def test_no_group_crosses_classes_and_the_order_does_not_matter() -> None:
    """Names, times and vectors drawn at random."""
    for seed in range(5):
        chance = random.Random(seed)
        words = ["a_{}", "b_{}", "{}_c", "x/{}", "y/{}", "z"]
        pictures = []
        for number in range(60):
            name = chance.choice(words).format(chance.randrange(8))
            moment = (
                NOON.replace(hour=chance.randrange(24), minute=chance.randrange(60)) if chance.random() < 0.3 else None
            )
            pictures.append(taken(moment, label=chance.choice("abcd"), name=f"{name}.{number}.jpg"))
        vectors = np.random.default_rng(seed).normal(size=(60, 3)).astype(np.float32)
        found = with_groups(Dataset("some", tuple(pictures)), vectors=vectors)
        again = with_groups(Dataset("some", tuple(pictures)), vectors=vectors)
        assert [p.group for p in found] == [p.group for p in again]
        known = {picture.group: picture.label for picture in found if picture.group}
        assert known
        assert all(known[picture.group] == picture.label for picture in found if picture.group)
        order = np.random.default_rng(seed).permutation(60)
        shuffled = with_groups(Dataset("some", tuple(pictures[i] for i in order)), vectors=vectors[order])
        assert [p.group for p in shuffled] == [found.pictures[i].group for i in order]


def test_a_burst_is_a_string() -> None:
    assert Burst("burst 1") == "burst 1"
    assert isinstance(with_groups(shelves()).pictures[0].group, Burst)


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="how is 'all': it must be one of auto, none"):
        with_groups(shelves(), how="all")
    for shape in ((3, 2), (44,)):
        with pytest.raises(UsageError, match="one row for each of 44 pictures"):
            with_groups(shelves(), vectors=np.zeros(shape, np.float32))


def test_paired_classes() -> None:
    labels = np.array(list("aabbccd"))
    assert paired_classes(labels, None) == ["a", "b", "c"]
    groups = np.array(["x", "x", "x", "y", None, "x", None], object)
    assert paired_classes(labels, groups) == ["b", "c"]


# --- real pictures ---


def real(*parts: str) -> Dataset:
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"SEMELHA_DATA has no {'/'.join(parts)}")
    return read_dataset(path)


def test_each_visit_to_the_shops_is_a_burst() -> None:
    dataset = real("grocery", "open", "images")
    found = with_groups(dataset)
    of_visit: dict[tuple[str, str], set[str | None]] = {}
    for picture in found:
        of_visit.setdefault((picture.label, picture.name.split("/")[-1].split("_")[0]), set()).add(picture.group)
    assert all(len(groups) == 1 for groups in of_visit.values())
    assert len({picture.group for picture in found}) == len(of_visit)


def test_each_encounter_of_an_animal_is_a_burst() -> None:
    """Of animals that were met twice or more."""
    dataset = real("nyala", "open", "images.csv")
    read = read_dataset(DATA / "nyala" / "open" / "images.csv", groups="encounter")
    met = {label: {p.group for p in read if p.label == label} for label in read.classes}
    counts = Counter((p.label, p.group) for p in read)
    expected = {
        frozenset(p.name for p in read if (p.label, p.group) == one)
        for one, count in counts.items()
        if count > 1 and len(met[one[0]]) > 1
    }
    assert partition(with_groups(with_groups(dataset, how="none"))) == expected


def test_pictures_of_one_domain_are_a_group_if_wanted() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    shop = Dataset(
        "shop",
        tuple(Picture(pixels, "gala", str(n), domain=of) for n, of in enumerate(["iconic", None, None, "sketch"])),
    )
    assert [one.group for one in with_groups(shop, how="domain")] == ["iconic", "other", "other", "sketch"]
    with pytest.raises(UsageError, match="no picture of photos has a domain"):
        with_groups(Dataset("photos", (Picture(pixels, "gala", "1"),)), how="domain")


@pytest.mark.parametrize("name", ["orl_faces", "emoji", "omniglot"])
def test_data_sets_without_bursts(name: str) -> None:
    assert with_groups(real(name, "open")).groups is None
