"""Which splits of a data set each use takes, and what is said about it."""

import numpy as np
import pytest

from semelha.errors import DatasetError
from semelha.images import Dataset, Picture, for_use
from semelha.images.splits import one_split


def dataset(**splits: str) -> Dataset:
    """Two pictures of each class; `train="ab"` is the split train with the classes a and b."""
    pictures = [
        Picture(np.full((4, 4), number, np.uint8), label, f"{split}/{label}/{number}", split=split or None)
        for split, labels in splits.items()
        for label in labels
        for number in range(2)
    ]
    return Dataset("some", tuple(pictures))


def used(data: Dataset, use: str) -> set[str | None]:
    return {picture.split for picture in for_use(data, use)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("use", "splits", "expected"),
    [
        ("training", "train val test", {"train", "val"}),
        ("training", "Train validation Test", {"Train", "validation"}),
        ("training without labels", "train valid test", {"train"}),
        ("enrolling", "train test", {"train"}),
        ("enrolling", "train gallery query", {"gallery"}),
        ("probes", "train gallery query test", {"query"}),
        ("probes", "train test", {"test"}),
        ("evaluating", "train val test", {"train", "test"}),
        ("evaluating", "train gallery query", {"gallery", "query"}),
        ("evaluating", "train dev", {"dev"}),
    ],
)
def test_each_use_takes_its_splits_whatever_their_case_and_spelling(use: str, splits: str, expected: set[str]) -> None:
    data = dataset(**dict.fromkeys(splits.split(), "ab"))
    assert used(data, use) == expected
    kinds = [remark.kind for remark in for_use(data, use).remarks]  # type: ignore[arg-type]
    assert kinds[0] == "used"
    assert ("left out" in kinds) == (len(expected) < len(splits.split()))


def test_a_test_split_of_unseen_classes_is_searched_among_itself() -> None:
    assert used(dataset(train="abc", test="def"), "evaluating") == {"test"}
    assert used(dataset(train="abc", val="xy", test="def"), "evaluating") == {"test"}


def test_without_splits_or_with_one_everything_is_used_and_nothing_said() -> None:
    for data in (dataset(test="ab"), Dataset("none", dataset(test="ab").pictures[:0])):
        assert for_use(data, "training") is data


def test_splits_that_are_not_for_a_use_are_an_error_that_says_what_to_do() -> None:
    with pytest.raises(DatasetError, match=r"has the splits fold1, fold2, and training needs train: .*--split NAME"):
        for_use(dataset(fold1="ab", fold2="ab"), "training")


def test_one_split_by_name_or_all_of_them() -> None:
    data = dataset(Train="ab", Validation="c")
    assert one_split(data, "VAL").classes == ("c",)
    assert used(one_split(data, "train"), "enrolling") == {"Train"}
    everything = one_split(data, "all")
    assert len(everything) == 6
    assert used(everything, "training") == {None}
    with pytest.raises(DatasetError, match="no split test: it has train, val"):
        one_split(data, "test")


def test_training_validates_with_val_beside_train_only() -> None:
    assert dataset(train="ab", valid="c").is_validation.tolist() == [False] * 4 + [True] * 2
    assert not dataset(valid="c", test="d").is_validation.any()
