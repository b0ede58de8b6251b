"""Catalogues beside photos: their pictures belong to the classes of the photos, and both kinds are told apart."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semelha.errors import DatasetError
from semelha.images import Dataset, read_dataset, read_folder

GROCERY = Path(os.environ.get("SEMELHA_DATA", "no data"), "grocery", "open")


def save(root: Path, *names: str) -> None:
    """Save pictures of different content."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(list(name.encode())).integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(root / name)


def rows(dataset: Dataset) -> list[tuple[str, str, str | None]]:
    return [(p.name, p.label, p.domain) for p in dataset]


def remarks(dataset: Dataset, kind: str) -> list[str]:
    return [str(remark) for remark in dataset.remarks if remark.kind == kind]


@pytest.mark.parametrize("name", ["iconic", "Catalogue", "CATALOG"])
def test_a_catalogue_beside_one_folder_of_class_folders(tmp_path: Path, name: str) -> None:
    save(tmp_path, "photos/gala/1.jpg", "photos/fuji/1.jpg", "photos/fuji/burst/2.jpg", f"{name}/gala.jpg")
    save(tmp_path, f"{name}/fuji.png")
    found = read_folder(tmp_path)
    assert sorted(rows(found), key=str) == sorted(
        [
            (f"{name}/fuji.png", "fuji", "iconic"),
            (f"{name}/gala.jpg", "gala", "iconic"),
            ("photos/fuji/1.jpg", "fuji", None),
            ("photos/fuji/burst/2.jpg", "fuji", None),
            ("photos/gala/1.jpg", "gala", None),
        ],
        key=str,
    )
    assert found.warnings == ()
    assert remarks(found, "assumed") == [
        f"assumed: the 2 pictures in {name} are catalogue pictures of classes in photos"
    ]


def test_a_catalogue_beside_class_folders(tmp_path: Path) -> None:
    save(tmp_path, "gala/1.jpg", "kiwi/1.jpg", "iconic/gala.jpg", "iconic/kiwi.jpg")
    found = read_dataset(tmp_path)
    assert rows(found) == [
        ("gala/1.jpg", "gala", None),
        ("iconic/gala.jpg", "gala", "iconic"),
        ("iconic/kiwi.jpg", "kiwi", "iconic"),
        ("kiwi/1.jpg", "kiwi", None),
    ]
    assert "are catalogue pictures of classes beside it" in remarks(found, "assumed")[0]


def test_a_single_class_beside_its_catalogue(tmp_path: Path) -> None:
    save(tmp_path, "gala/1.jpg", "gala/burst/2.jpg", "iconic/gala.jpg")
    assert read_dataset(tmp_path).counts() == {"gala": 3}


def test_a_catalogue_may_have_class_folders_itself(tmp_path: Path) -> None:
    save(tmp_path, "images/gala/1.jpg", "images/fuji/1.jpg", "iconic/gala/front.jpg", "iconic/gala/back.jpg")
    save(tmp_path, "iconic/fuji.jpg")
    found = read_dataset(tmp_path)
    assert [(p.label, p.name) for p in found if p.domain == "iconic"] == [
        ("fuji", "iconic/fuji.jpg"),
        ("gala", "iconic/gala/back.jpg"),
        ("gala", "iconic/gala/front.jpg"),
    ]


def test_products_without_a_photo_are_classes_of_one_picture_and_said(tmp_path: Path) -> None:
    save(tmp_path, "images/gala/1.jpg", "images/fuji/1.jpg", "images/kiwi/1.jpg")
    save(tmp_path, "iconic/gala.jpg", "iconic/fuji.jpg", "iconic/lime.jpg")
    found = read_dataset(tmp_path)
    assert found.counts() == {"fuji": 2, "gala": 2, "kiwi": 1, "lime": 1}
    assert found.warnings == ("names of catalogue pictures that no class of photos has: 1 (lime)",)


def test_names_have_one_form(tmp_path: Path) -> None:
    save(tmp_path, "images/ma\u00e7a/1.jpg", "images/figo/1.jpg", "iconic/mac\u0327a.jpg", "iconic/figo.jpg")
    found = read_dataset(tmp_path)
    assert found.counts() == {"figo": 2, "ma\u00e7a": 2}
    assert "are one class, ma\u00e7a" in found.warnings[0]


def test_a_class_may_be_called_iconic(tmp_path: Path) -> None:
    """Less than half of its files have the name of a class beside it; --layout can say that it is a catalogue."""
    save(tmp_path, "iconic/1.jpg", "iconic/2.jpg", "iconic/retro.jpg", "retro/1.jpg", "modern/1.jpg")
    found = read_dataset(tmp_path)
    assert found.classes == ("iconic", "modern", "retro")
    assert found.domains is None
    assert read_dataset(tmp_path, layout="catalogue").classes == ("1", "2", "modern", "retro")


def test_a_catalogue_of_many_products_without_photos_is_read_by_name(tmp_path: Path) -> None:
    save(tmp_path, "photos/gala/1.jpg", *(f"catalog/{number}.jpg" for number in range(9)), "catalog/gala.jpg")
    assert read_dataset(tmp_path).classes == ("catalog", "photos")
    found = read_dataset(tmp_path, layout="catalogue")
    assert len(found.classes) == 10
    assert found.counts()["gala"] == 2
    assert read_dataset(tmp_path, layout="class-folders").classes == ("catalog", "photos")


def test_files_that_are_no_pictures_count_as_elsewhere(tmp_path: Path) -> None:
    save(tmp_path, "images/gala/1.jpg", "images/fuji/1.jpg", "iconic/gala.jpg", "iconic/fuji.jpg", "images/2.jpg")
    for name in ("iconic/prices.csv", "iconic/sizes.csv", "iconic/notes.txt", "iconic/Thumbs.db", "LICENSE.txt"):
        (tmp_path / name).write_text("text")
    (tmp_path / "iconic" / "gala.txt").write_text("a text about gala")
    (tmp_path / "iconic" / "lime.jpg").write_text("damaged")
    found = read_dataset(tmp_path)
    assert found.counts() == {"fuji": 2, "gala": 2}
    assert [one.name for one in found.skipped] == ["iconic/gala.txt", "iconic/lime.jpg", "images/2.jpg"]
    (ignored,) = [line for line in remarks(found, "ignored") if "files beside the pictures" in line]
    assert ": 4 (LICENSE.txt, iconic/notes.txt, iconic/prices.csv" in ignored


@pytest.mark.parametrize(
    "names", [("gala/1.jpg", "fuji/1.jpg"), ("iconic/gala.jpg",), ("iconic/a.jpg", "catalog/a.jpg", "a/1.jpg")]
)
def test_no_catalogue_where_one_is_named(tmp_path: Path, names: tuple[str, ...]) -> None:
    save(tmp_path, *names)
    with pytest.raises(DatasetError, match="layout catalogue: it needs one folder called iconic, catalogue or catalog"):
        read_dataset(tmp_path, layout="catalogue")


def test_pictures_without_labels_stay_pictures(tmp_path: Path) -> None:
    save(tmp_path, "images/gala/1.jpg", "iconic/gala.jpg", "2.jpg")
    assert len(read_dataset(tmp_path, labelled=False)) == 3


@pytest.mark.skipif(not GROCERY.is_dir(), reason="SEMELHA_DATA names no folder with the grocery pictures")
def test_the_catalogue_of_the_grocery_set_has_its_classes() -> None:
    found = read_dataset(GROCERY, check=False)
    iconic = [p.label for p in found if p.domain == "iconic"]
    photos = {p.label for p in found if p.domain is None}
    assert len(iconic) == 45
    assert set(iconic) == photos == set(found.classes)
    assert "assumed: the 45 pictures in iconic are catalogue pictures of classes in images" in remarks(found, "assumed")
