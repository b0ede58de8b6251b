"""Methods are compared on classes that they did not learn from, within a budget, and a killed comparison goes on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.comparison.pictures import pictures
from tests.tiny_model import tiny_model

import semelha
from semelha.comparison import RESULT, Comparison, preparation
from semelha.comparison.study import FOLDS, MIN_CLASSES, SELECTION, Study, divide, some_classes
from semelha.embedders.published import DEFAULT, published_folder
from semelha.errors import DatasetError, SemelhaError, UsageError
from semelha.images import paired_classes

CHEAP = ["pixels", "hog", "gmml", "nca"]


@pytest.fixture(autouse=True)
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model in a moment in place of the default one."""
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path / "cache"))
    tiny_model(published_folder(DEFAULT), published=DEFAULT)


def test_every_class_has_one_part_and_nothing_is_measured_that_was_learned(tmp_path: Path) -> None:
    data = pictures()
    study = Study(data, divide(data, 0), tmp_path, 0)
    parts = [set(data.labels[study.measured(fold)]) for fold in (SELECTION, *range(FOLDS))]
    assert [len(part) for part in parts] == [3, 3, 3, 3]
    assert len(set.union(*parts)) == 12
    for fold in range(FOLDS):
        learned = set(data.labels[study.learned(fold)])
        assert not learned & (parts[0] | parts[1 + fold])
        assert set(data.labels[study.learned(fold, 0.25)]) <= learned


def test_a_comparison_measures_recommends_and_is_kept(tmp_path: Path) -> None:
    found = semelha.compare(pictures(), folder=tmp_path / "out", methods=CHEAP)
    assert Comparison.read(tmp_path / "out" / RESULT) == found
    assert {one.name for one in found.methods if one.state == "measured"} == {
        "pixels",
        "hog",
        "gmml on hog",
        "nca on hog",
        "gmml on tiny",
        "nca on tiny",
    }
    best = found.methods[0]
    assert best.r_at_1 is not None
    assert best.r_at_1.value > 0.9
    assert best.difference is None
    assert all(one.difference is not None and 0 < one.difference.p <= 1 for one in found.methods[1:])
    assert [fold.queries for fold in best.folds] == [12, 12, 12]
    assert len(found.queries) == 36
    assert found.recommendation is not None
    assert found.recommendation.command.startswith("semelha train noise --out model --method")
    assert found.premise is not None
    assert (found.premise.known_classes, found.premise.new_classes) == (6, 3)
    right = [found.is_right(best, query) for query in range(len(found.queries))]
    assert np.mean(right) == pytest.approx(best.r_at_1.value)


def test_pictures_of_one_group_never_match(tmp_path: Path) -> None:
    data = pictures(each=3)
    grouped = [
        replace(one, group=f"{one.label} {'visit' if number % 3 else 'shop'}") for number, one in enumerate(data)
    ]
    found = semelha.compare(replace(data, pictures=tuple(grouped)), folder=tmp_path / "out", methods=["pixels"])
    pixels = found["pixels"]
    for number, (query, nearest) in enumerate(zip(found.queries, pixels.nearest, strict=True)):
        if found.is_right(pixels, number):
            pair = [found.pictures[one].name for one in (query.picture, nearest[0])]
            assert any(name.endswith("/0") for name in pair)
    with pytest.raises(UsageError, match="other pictures"):
        semelha.compare(data, folder=tmp_path / "out", methods=["pixels"], resume=True)


def test_a_killed_comparison_goes_on_and_measures_nothing_twice(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(text: str, seconds: float) -> None:
        if text.startswith("nca on hog"):
            raise Killed

    with pytest.raises(Killed):
        semelha.compare(pictures(), folder=tmp_path / "out", methods=CHEAP, callback=kill)
    files = {file: file.read_bytes() for file in (tmp_path / "out" / "measurements").iterdir()}
    assert len(files) == 4  # of pixels, hog and gmml on both, in the first fold
    with pytest.raises(SemelhaError, match="exists already"):
        semelha.compare(pictures(), folder=tmp_path / "out", methods=CHEAP)
    found = semelha.compare(pictures(), folder=tmp_path / "out", methods=CHEAP, resume=True)
    assert files.items() <= {file: file.read_bytes() for file in (tmp_path / "out" / "measurements").iterdir()}.items()
    again = semelha.compare(pictures(), folder=tmp_path / "out", methods=CHEAP, resume=True)
    assert replace(again, budget=found.budget, premise=found.premise) == found


@pytest.mark.parametrize("change", [{"seed": 1}, {"methods": ["pixels"]}, {"budget": 1.0}, {"data": pictures(each=5)}])
def test_another_comparison_is_not_resumed(tmp_path: Path, change: dict[str, object]) -> None:
    semelha.compare(pictures(), folder=tmp_path / "out", methods=CHEAP[:1] + CHEAP[2:3])
    arguments = {"data": pictures(), "methods": CHEAP[:1] + CHEAP[2:3], **change}
    with pytest.raises(UsageError, match="other pictures, or with other arguments"):
        semelha.compare(arguments.pop("data"), folder=tmp_path / "out", resume=True, **arguments)


def test_a_budget_that_is_too_small_says_what_was_cut(tmp_path: Path) -> None:
    found = semelha.compare(
        pictures(), folder=tmp_path / "out", methods=["pixels", "network", "network without labels"], budget=0.1
    )
    cut = [one for one in found.methods if one.state == "cut"]
    assert len(cut) == 8
    assert all("are too few: one of them takes" in one.reason for one in cut)
    assert found.recommendation is None


def test_classes_are_drawn_if_features_take_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "SAMPLE", 4)
    monkeypatch.setattr(preparation, "_seconds_each", lambda *arguments: 1.0)
    found = semelha.compare(pictures(classes=20), folder=tmp_path / "out", methods=["pixels", "nca"], budget=4.0)
    assert 8 <= found.data.classes < 20
    assert f"{found.data.classes} of 20 classes were drawn" in " ".join(found.data.remarks)


def test_enough_classes_of_two_pictures_are_drawn() -> None:
    many = pictures(classes=12)
    single = tuple(replace(one, label=f"single {number}") for number, one in enumerate(pictures(classes=100, each=1)))
    few = some_classes(replace(many, pictures=(*single, *many.pictures)), 1, 0)
    assert len(paired_classes(few.labels, None)) == MIN_CLASSES
    divide(few, 0)


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="needs 8"):
        semelha.compare(pictures(classes=7), folder=tmp_path / "a", methods=["pixels"])
    with pytest.raises(UsageError, match="no method is called 'best'"):
        semelha.compare(pictures(), folder=tmp_path / "b", methods=["best"])
    with pytest.raises(UsageError, match="budget"):
        semelha.compare(pictures(), folder=tmp_path / "c", budget=0.0)


def test_a_damaged_measurement_is_reported(tmp_path: Path) -> None:
    semelha.compare(pictures(), folder=tmp_path / "out", methods=["pixels"])
    file = next((tmp_path / "out" / "measurements").iterdir())
    file.write_text('{"method": 3}')
    with pytest.raises(SemelhaError, match="is damaged"):
        semelha.compare(pictures(), folder=tmp_path / "out", methods=["pixels"], resume=True)
