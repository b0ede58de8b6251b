"""Layouts of well-known data sets and programs: recognized where their files say so, and read by name."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from semelha.errors import DatasetError, UsageError
from semelha.images import LAYOUTS, Dataset, read_dataset

Row = tuple[str, str, str | None]


def save(root: Path, *names: str) -> None:
    """Save pictures of different content."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(list(name.encode())).integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(root / name)


def write(root: Path, name: str, *lines: str) -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root / name


def rows(dataset: Dataset) -> list[Row]:
    return sorted((p.name, p.label, p.split) for p in dataset)


def assumed(dataset: Dataset) -> str:
    return " ".join(remark.text for remark in dataset.remarks if remark.kind == "assumed")


def sop(root: Path) -> list[Row]:
    save(root, "chair_final/1_0.JPG", "chair_final/2_0.JPG")
    head = "image_id class_id super_class_id path"
    write(root, "Ebay_train.txt", head, "1 1 1 chair_final/1_0.JPG")
    write(root, "Ebay_test.txt", head, "2 2 1 chair_final/2_0.JPG")
    return [("chair_final/1_0.JPG", "1", "train"), ("chair_final/2_0.JPG", "2", "test")]


def in_shop(root: Path) -> list[Row]:
    save(root, "Img/img/a/1.jpg", "Img/img/a/2.jpg", "Img/img/b/3.jpg")
    write(
        root,
        "Eval/list_eval_partition.txt",
        "3",
        "image_name item_id evaluation_status",
        "img/a/1.jpg    id_1  query",
        "img/a/2.jpg id_1 gallery",
        "img/b/3.jpg id_2 train",
    )
    return [("img/a/1.jpg", "id_1", "query"), ("img/a/2.jpg", "id_1", "gallery"), ("img/b/3.jpg", "id_2", "train")]


def cub(root: Path) -> list[Row]:
    save(root, "images/001.Crow/1.jpg", "images/002.Gull/2.jpg")
    write(root, "images.txt", "1 001.Crow/1.jpg", "2 002.Gull/2.jpg")
    write(root, "image_class_labels.txt", "1 1", "2 2")
    write(root, "classes.txt", "1 001.Crow", "2 002.Gull")
    write(root, "train_test_split.txt", "1 1", "2 0")
    write(root, "bounding_boxes.txt", "1 1.0 2.0 3.0 4.0", "2 1.0 2.0 3.0 4.0")
    return [("001.Crow/1.jpg", "001.Crow", "train"), ("002.Gull/2.jpg", "002.Gull", "test")]


def cars(root: Path) -> list[Row]:
    save(root, "car_ims/000001.jpg", "car_ims/000002.jpg")
    kind = [("relative_im_path", object), ("class", object), ("test", object)]
    annotations = np.array([("car_ims/000001.jpg", 1, 0), ("car_ims/000002.jpg", 2, 1)], kind)
    names = np.array(["Audi A4", "BMW M3"], object)
    savemat(root / "cars_annos.mat", {"annotations": annotations, "class_names": names})
    return [("car_ims/000001.jpg", "Audi A4", "train"), ("car_ims/000002.jpg", "BMW M3", "test")]


def cars_devkit(root: Path) -> list[Row]:
    save(root, "cars_train/1.jpg", "cars_test/1.jpg")
    (root / "devkit").mkdir()
    kind = [("fname", object), ("class", object)]
    for name, label in (("cars_train_annos", 1), ("cars_test_annos_withlabels", 2)):
        savemat(root / "devkit" / f"{name}.mat", {"annotations": np.array([("1.jpg", label)], kind)})
    savemat(root / "devkit" / "cars_meta.mat", {"class_names": np.array(["Audi A4", "BMW M3"], object)})
    return [("cars_test/1.jpg", "BMW M3", "test"), ("cars_train/1.jpg", "Audi A4", "train")]


def lfw(root: Path) -> list[Row]:
    save(root, "lfw-deepfunneled/Ann_Lee/Ann_Lee_0001.jpg", "lfw-deepfunneled/Bo_Ek/Bo_Ek_0001.jpg")
    write(root, "peopleDevTrain.txt", "1", "Ann_Lee\t1")
    write(root, "peopleDevTest.txt", "1", "Bo_Ek\t1")
    return [("Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee", "train"), ("Bo_Ek/Bo_Ek_0001.jpg", "Bo_Ek", "test")]


def market(root: Path) -> list[Row]:
    names = (
        *("bounding_box_train/0002_c1s1_000451_03.jpg", "bounding_box_test/0003_c2s1_000001_01.jpg"),
        *("bounding_box_test/-1_c1s1_000401_03.jpg", "bounding_box_test/0000_c1s1_000151_01.jpg"),
        *("query/0003_c1s1_000001_00.jpg", "bounding_box_test/other.jpg"),
    )
    save(root, *names)
    write(root, "bounding_box_test/notes.txt", "no picture")
    return [(names[1], "0003", "gallery"), (names[0], "0002", "train"), (names[4], "0003", "query")]


def coco(root: Path) -> list[Row]:
    save(root, "val2017/1.jpg", "val2017/2.jpg")
    content = {
        "images": [{"id": 7, "file_name": "1.jpg"}, {"id": 8, "file_name": "2.jpg"}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [1.2, 2, 10, 11]},
            {"image_id": 7, "category_id": 2, "bbox": [12, 2, 18.9, 11]},
            {"image_id": 7, "category_id": 2, "bbox": [0, 0, 30, 20], "iscrowd": 1},
        ],
    }
    write(root, "annotations/instances_val2017.json", json.dumps(content))
    return [("1.jpg", "cat", "val"), ("1.jpg", "dog", "val")]


def roboflow(root: Path) -> list[Row]:
    for split in ("train", "valid"):
        save(root, f"{split}/{split}.jpg")
        content = {
            "images": [{"id": 0, "file_name": f"{split}.jpg"}],
            "categories": [{"id": 0, "name": "cat"}],
            "annotations": [{"image_id": 0, "category_id": 0, "bbox": [0, 0, 10, 10]}],
        }
        write(root, f"{split}/_annotations.coco.json", json.dumps(content))
    return [("train.jpg", "cat", "train"), ("valid.jpg", "cat", "val")]


def fiftyone_labels(root: Path) -> list[Row]:
    save(root, "data/a.jpg", "data/b.png", "data/c.jpg")
    content = {"classes": ["cat", "dog"], "labels": {"a": 1, "b": "cat", "c": None}}
    write(root, "labels.json", json.dumps(content))
    return [("data/a.jpg", "dog", None), ("data/b.png", "cat", None)]


def fiftyone_samples(root: Path) -> list[Row]:
    save(root, "data/a.jpg", "data/b.jpg")
    boxes = [{"label": "dog", "bounding_box": [0.1, 0.1, 0.5, 0.5]}]
    samples = [
        {"filepath": "data/a.jpg", "tags": ["train"], "ground_truth": {"_cls": "Classification", "label": "cat"}},
        {"filepath": "data/b.jpg", "tags": ["x", "validation"], "ground_truth": {"detections": boxes}},
    ]
    write(root, "samples.json", json.dumps({"samples": samples}))
    write(root, "metadata.json", "{}")
    return [("data/a.jpg", "cat", "train"), ("data/b.jpg", "dog", "val")]


def huggingface(root: Path) -> list[Row]:
    save(root, "train/1.png", "validation/2.png")
    write(root, "train/metadata.jsonl", '{"file_name": "1.png", "label": "cat", "note": "x"}')
    write(root, "validation/metadata.csv", "file_name,label", "2.png,dog")
    return [("1.png", "cat", "train"), ("2.png", "dog", "val")]


def huggingface_folders(root: Path) -> list[Row]:
    save(root, "train/cat/1.png", "test/dog/2.png")
    write(root, "metadata.csv", "file_name,note", "train/cat/1.png,x", "test/dog/2.png,y")
    return [("test/dog/2.png", "dog", "test"), ("train/cat/1.png", "cat", "train")]


MADE = {
    sop: "sop",
    in_shop: "in-shop",
    cub: "cub",
    cars: "cars196",
    cars_devkit: "cars196",
    lfw: "lfw",
    market: "market1501",
    coco: "coco",
    roboflow: "coco",
    fiftyone_labels: "fiftyone",
    fiftyone_samples: "fiftyone",
    huggingface: "huggingface",
    huggingface_folders: "huggingface",
}


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_a_well_known_layout_is_recognized_and_read(tmp_path: Path, make: object) -> None:
    expected = make(tmp_path)  # type: ignore[operator]
    found = read_dataset(tmp_path)
    assert rows(found) == sorted(expected)
    assert f"the layout is {MADE[make]}" in assumed(found)  # type: ignore[index]
    assert rows(read_dataset(tmp_path, layout=MADE[make])) == rows(found)  # type: ignore[index]


def test_every_layout_has_a_test() -> None:
    """Those of catalogues and shards in `test_catalogue.py` and `test_shards.py`."""
    assert set(LAYOUTS) == {"class-folders", "split-folders", "catalogue", "manifest", "shards", *MADE.values()}


def test_what_a_layout_does_not_use_is_said(tmp_path: Path) -> None:
    cub(tmp_path)
    found = read_dataset(tmp_path)
    assert any("bounding_boxes.txt" in remark.text for remark in found.remarks if remark.kind == "ignored")


def test_distractors_of_market1501_are_counted_and_one_camera_matches_never(tmp_path: Path) -> None:
    market(tmp_path)
    found = read_dataset(tmp_path)
    assert {p.group for p in found} == {"0002_c1", "0003_c1", "0003_c2"}
    (distractors,) = [remark for remark in found.remarks if "distractors" in remark.text]
    assert distractors.count == 2
    assert [one.name for one in found.skipped] == ["bounding_box_test/other.jpg"]


def test_boxes_of_coco_are_corner_and_size(tmp_path: Path) -> None:
    coco(tmp_path)
    found = read_dataset(tmp_path / "annotations" / "instances_val2017.json")
    assert [p.box for p in found] == [(1, 2, 11, 13), (12, 2, 30, 13)], "clipped by one pixel"
    assert {remark.count for remark in found.remarks if "crowds" in remark.text} == {1}
    assert [one.reason for one in found.skipped] == ["it has no label"]
    assert len(read_dataset(tmp_path / "annotations" / "instances_val2017.json", labelled=False)) == 3


def test_boxes_of_fiftyone_are_fractions(tmp_path: Path) -> None:
    fiftyone_samples(tmp_path)
    assert [p.box for p in read_dataset(tmp_path)] == [None, (3, 2, 18, 12)]


def test_the_json_of_inaturalist_has_no_boxes(tmp_path: Path) -> None:
    save(tmp_path, "train_mini/00001_x/1.jpg")
    content = {
        "images": [{"id": 0, "file_name": "train_mini/00001_x/1.jpg"}],
        "categories": [{"id": 5, "name": "Lumbricus terrestris", "kingdom": "Animalia"}],
        "annotations": [{"id": 0, "image_id": 0, "category_id": 5}],
    }
    file = write(tmp_path, "train_mini.json", json.dumps(content))
    assert rows(read_dataset(file)) == [("train_mini/00001_x/1.jpg", "Lumbricus terrestris", None)]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{", "is damaged"),
        ("a.json", "[]", "no 'images' and 'annotations'"),
        ("a.json", '{"images": [{}], "annotations": []}', "incomplete: 'id'"),
        ("a.json", '{"images": [], "annotations": [{"image_id": 1}]}', "incomplete: 1"),
        ("Ebay_train.txt", "image_id class_id super_class_id path\n1 2", "line 2 of .* has 2 words: it needs 4"),
        ("samples.json", '{"samples": [1]}', "no 'samples' with a 'filepath'"),
        ("labels.json", '{"labels": {"a": 3}, "classes": ["x"]}', "the class 3, and has 1 classes"),
        ("cars_annos.mat", "no such thing", r"no \.mat file"),
    ],
)
def test_damaged_annotations_are_one_sentence(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / "data").mkdir()
    for other in ("Ebay_test.txt", "metadata.json") if name in ("Ebay_train.txt", "samples.json") else ():
        write(tmp_path, other, "{}")
    write(tmp_path, name, text)
    with pytest.raises(DatasetError, match=said):
        read_dataset(tmp_path / name if name == "a.json" else tmp_path)


def test_a_layout_by_name_that_is_not_there(tmp_path: Path) -> None:
    save(tmp_path, "a/1.png")
    with pytest.raises(UsageError, match="layout is 'imagenet': it must be one of class-folders"):
        read_dataset(tmp_path, layout="imagenet")
    with pytest.raises(DatasetError, match="does not have the files of the layout cub"):
        read_dataset(tmp_path, layout="cub")
    with pytest.raises(DatasetError, match="is a folder: the layout manifest"):
        read_dataset(tmp_path, layout="manifest")
    with pytest.raises(DatasetError, match="is a file: the layout class-folders"):
        read_dataset(write(tmp_path, "a.csv", "path,label"), layout="class-folders")


def test_files_of_two_layouts_are_refused_with_their_names(tmp_path: Path) -> None:
    sop(tmp_path)
    cub(tmp_path)
    with pytest.raises(DatasetError, match="the layout sop or cub: say which with layout"):
        read_dataset(tmp_path)
    assert len(read_dataset(tmp_path, layout="sop")) == 2


# --- splits as folders ---


def test_folders_of_splits_are_recognized(tmp_path: Path) -> None:
    save(tmp_path, "train/cat/1.png", "Val/dog/2.png", "test/cat/3.png")
    found = read_dataset(tmp_path)
    assert rows(found) == [("Val/dog/2.png", "dog", "val"), ("test/cat/3.png", "cat", "test"),
                           ("train/cat/1.png", "cat", "train")]  # fmt: skip
    assert "splits" in assumed(found)
    assert read_dataset(tmp_path, layout="class-folders").classes == ("Val", "test", "train")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    save(tmp_path, "train/1.png", "bus/2.png")
    assert read_dataset(tmp_path).classes == ("bus", "train")


@pytest.mark.parametrize(
    "names",
    [
        ("train/1.png", "test/2.png"),
        ("train/cat/1.png", "test/cat/2.png", "extra/cat/3.png"),
        ("train/cat/1.png", "train/2.png", "test/cat/3.png"),
    ],
)
def test_folders_that_may_be_splits_or_classes_are_refused_with_the_two_ways(tmp_path: Path, names: list[str]) -> None:
    save(tmp_path, *names)
    with pytest.raises(DatasetError, match=r"--layout class-folders.*--layout split-folders"):
        read_dataset(tmp_path)
    assert len(read_dataset(tmp_path, layout="class-folders")) == len(names)


def test_one_folder_above_the_classes_is_said(tmp_path: Path) -> None:
    save(tmp_path, "photos/cat/1.png", "photos/dog/2.png")
    (warning,) = read_dataset(tmp_path).warnings
    assert "one class photos, in 2 folders" in warning
