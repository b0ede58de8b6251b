"""Data sets of other libraries become ours with their labels, splits and boxes; results go back."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import semelha
from semelha import Dataset, Gallery, Picture
from semelha.convert import from_fiftyone, from_huggingface, from_pandas, from_torchvision, to_fiftyone, to_frame
from semelha.errors import DatasetError, UsageError
from tests.test_architecture import BLOCKED
from tests.tiny_model import noise, tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Class folders: two classes of two pictures, and a file that is no picture."""
    for number, label in enumerate(["apple", "apple", "pear", "pear"]):
        path = tmp_path / "photos" / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(number)).save(path)
    (tmp_path / "photos" / "pear" / "broken.png").write_bytes(b"no picture")
    return tmp_path / "photos"


def labels(dataset: Dataset) -> list[tuple[str, str]]:
    return [(Path(picture.name).name, picture.label) for picture in dataset]


WHOLE = [("0.png", "apple"), ("1.png", "apple"), ("2.png", "pear"), ("3.png", "pear")]


# --- pandas ---


def test_a_frame_is_read_as_a_manifest_is(folder: Path) -> None:
    frame = pd.DataFrame(
        {
            "file": ["apple/0.png", "apple/1.png", "pear/2.png", "pear/broken.png"],
            "species": pd.Categorical(["apple", "apple", "pear", "pear"]),
            "visit": [1, 1, None, None],
            "split": ["train", "train", "valid", pd.NA],
            "box": [None, "0 0 10 10", None, None],
        }
    )
    found = from_pandas(frame, root=folder, groups="visit")
    assert labels(found) == WHOLE[:3]
    assert [picture.group for picture in found] == ["1", "1", None]
    assert [picture.split for picture in found] == ["train", "train", "val"]
    assert found.pictures[1].box == (0, 0, 10, 10)
    assert [one.name for one in found.skipped] == ["pear/broken.png"]


def test_a_frame_that_is_not_clear_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match="the frame has the columns photo_of, label: "):
        from_pandas(pd.DataFrame({"photo_of": ["a"], "label": ["b"]}))
    with pytest.raises(DatasetError, match="line 2 of the frame has no label"):
        from_pandas(pd.DataFrame({"path": ["a.png", "b.png"], "label": ["a", np.nan]}))
    with pytest.raises(UsageError, match=r"frame is 12\.5: it must be a DataFrame"):
        from_pandas(12.5)


def test_a_data_set_goes_to_a_frame_and_back(folder: Path) -> None:
    dataset = semelha.read_dataset(folder)
    again = from_pandas(to_frame(dataset))
    assert labels(again) == labels(dataset)
    np.testing.assert_array_equal(again.pictures[2].pixels(), dataset.pictures[2].pixels())


# --- Hugging Face ---


def hugging_face(folder: Path, *, embedded: bool, names: list[str] | None = None) -> Any:
    datasets = pytest.importorskip("datasets")  # here, because importing it takes seconds
    paths = [str(path) for path in sorted(folder.rglob("*.png"))]
    images: list[Any] = [{"path": None, "bytes": Path(path).read_bytes()} for path in paths] if embedded else paths
    label = datasets.ClassLabel(names=["apple", "pear"]) if names is None else datasets.Value("string")
    numbers: list[Any] = [int("pear" in path) for path in paths] if names is None else names
    features = datasets.Features({"id": datasets.Value("int64"), "image": datasets.Image(), "label": label})
    return datasets.Dataset.from_dict(
        {"id": list(range(len(paths))), "image": images, "label": numbers}, features=features
    )


@pytest.mark.parametrize("embedded", [False, True])
def test_a_data_set_of_hugging_face(folder: Path, embedded: bool) -> None:
    found = from_huggingface(hugging_face(folder, embedded=embedded))
    assert [picture.label for picture in found] == ["apple", "apple", "pear", "pear"]
    assert isinstance(found.pictures[0].source, bytes if embedded else Path)
    np.testing.assert_array_equal(found.pictures[3].pixels(), noise(3))
    assert len(found.skipped) == 1  # the broken file
    assert any(str(one).startswith("left out: files that are no pictures") for one in found.remarks)


def test_splits_of_hugging_face_are_ours(folder: Path) -> None:
    whole = hugging_face(folder, embedded=False)
    datasets = pytest.importorskip("datasets")
    parts = datasets.DatasetDict({"train": whole.select([0, 3]), "validation": whole.select([1])})
    assert [picture.split for picture in from_huggingface(parts)] == ["train", "train", "val"]


def test_labels_of_hugging_face_may_be_texts_or_missing(folder: Path) -> None:
    whole = hugging_face(folder, embedded=True, names=["a", " a", "b", "", "c"])
    with pytest.raises(DatasetError, match="row 3 of the data set has no label: pass labelled=False"):
        from_huggingface(whole)
    found = from_huggingface(whole, label="label", labelled=False)
    assert [picture.label for picture in found] == ["a", "a", "b", ""]
    unlabelled = whole.remove_columns("label")
    with pytest.raises(DatasetError, match="has no column label: name the label among id, image"):
        from_huggingface(unlabelled)
    assert {picture.label for picture in from_huggingface(unlabelled, labelled=False)} == {""}


def test_the_same_content_in_two_classes_is_reported(folder: Path) -> None:
    data, other = (hugging_face(folder, embedded=True, names=[first, "a", "b", "b", "b"]) for first in ("a", "c"))
    twice = pytest.importorskip("datasets").concatenate_datasets([data, other])
    assert "files with the same content in two classes: 1" in str(from_huggingface(twice).warnings)


def test_what_is_no_data_set_of_hugging_face_is_refused(folder: Path) -> None:
    whole = hugging_face(folder, embedded=False)
    with pytest.raises(UsageError, match="that is not streamed"):
        from_huggingface(whole.to_iterable_dataset())
    with pytest.raises(UsageError, match=r"data is 12\.5"):
        from_huggingface(12.5)
    with pytest.raises(DatasetError, match="the column id of the data set has no pictures"):
        from_huggingface(whole, image="id")


# --- torchvision ---


def test_an_image_folder_of_torchvision_and_its_subsets(folder: Path) -> None:
    torchvision = pytest.importorskip("torchvision.datasets")
    data = pytest.importorskip("torch.utils.data")
    whole = torchvision.ImageFolder(str(folder))
    found = from_torchvision(whole)
    assert labels(found) == WHOLE
    assert found.name == "photos"
    assert found.pictures[0].name == "apple/0.png"
    part = data.Subset(data.Subset(whole, [0, 2, 3]), [2, 0])
    assert labels(from_torchvision(part)) == [WHOLE[3], WHOLE[0]]
    with pytest.raises(UsageError, match=r"data is .*: it must be an ImageFolder"):
        from_torchvision([folder])


# --- FiftyOne ---


class Sample(SimpleNamespace):
    """A sample as FiftyOne has them, as far as it is read."""

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


def test_samples_of_fiftyone_by_their_interface(folder: Path) -> None:
    label = SimpleNamespace(label="apple")
    box = SimpleNamespace(label="pear", bounding_box=[0.5, 0.0, 0.5, 1.0])
    samples = [
        Sample(filepath=str(folder / "apple" / "0.png"), tags=["validation", "mine"], truth=label),
        Sample(filepath=str(folder / "pear" / "2.png"), tags=[], truth=SimpleNamespace(detections=[box, box])),
    ]
    found = from_fiftyone(samples, field="truth")
    assert [(picture.label, picture.split, picture.box) for picture in found] == [
        ("apple", "val", None),
        ("pear", None, (10, 0, 20, 20)),
        ("pear", None, (10, 0, 20, 20)),
    ]
    with pytest.raises(DatasetError, match="has no field other"):
        from_fiftyone(samples, field="other")
    for bad in ([0.5, "nan", 0.5, 1.0], [1, 2], 7):
        odd = Sample(filepath="a.png", tags=[], truth=SimpleNamespace(label="a", bounding_box=bad))
        with pytest.raises(DatasetError, match=r"has the box .*: it must be four"):
            from_fiftyone([odd], field="truth")
    unlabelled = [Sample(filepath=str(folder / "apple" / "0.png"), tags=[], truth=None)]
    with pytest.raises(DatasetError, match="has no label in truth: pass labelled=False"):
        from_fiftyone(unlabelled, field="truth")
    assert from_fiftyone(unlabelled, field="truth", labelled=False).pictures[0].label == ""
    with pytest.raises(UsageError, match="samples is"):
        from_fiftyone([object()])


def test_fiftyone_itself(folder: Path, tmp_path: Path) -> None:
    """Its samples and classifications, which need no database."""
    fiftyone = pytest.importorskip("fiftyone")
    files = sorted(folder.rglob("?.png"))
    samples = Samples(
        fiftyone.Sample(filepath=file, tags=["train"], ground_truth=fiftyone.Classification(label=file.parent.name))
        for file in files
    )
    assert labels(from_fiftyone(samples)) == WHOLE
    with gallery_of(tmp_path) as gallery:
        answers = gallery.identify_many(files)
    to_fiftyone(answers, samples, field="answer")
    assert [one.label for one in samples.stored["answer"]] == [answer.subject for answer in answers]
    assert samples.stored["answer"][0].distance == answers[0].distance


class Samples(list[Any]):
    """What a data set of FiftyOne does with values."""

    def __init__(self, samples: Iterable[Any]) -> None:
        super().__init__(samples)
        self.stored: dict[str, list[Any]] = {}

    def set_values(self, field: str, values: list[Any]) -> None:
        self.stored[field] = values


# --- results ---


def gallery_of(tmp_path: Path) -> Gallery:
    gallery = Gallery.create(tmp_path / "gallery", tiny_model(tmp_path / "model"))
    for number in range(12):
        gallery.enroll(f"subject {number}", [noise(number)])
    return gallery


def test_answers_become_rows(tmp_path: Path) -> None:
    with gallery_of(tmp_path) as gallery:
        gallery.calibrate(fpir=0.2, scoring=semelha.recognition.NEAREST)
        answers = gallery.identify_many([noise(3), noise(99)])
        same = gallery.verify(noise(3), noise(4))
    frame = to_frame(answers, names=["a.png", "b.png"])
    assert list(frame["picture"]) == ["a.png", "b.png"]
    assert list(frame["nearest"]) == [answer.candidates[0].subject for answer in answers]
    assert frame["decision"][0] == "known"
    assert frame["distance"].dtype == float
    assert list(to_frame([same])["same"]) == [same.same]
    with pytest.raises(UsageError, match="names has 1 elements for 2 results"):
        to_frame(answers, names=["a.png"])
    with pytest.raises(UsageError, match=r"results\[0\] is 7"):
        to_frame([7])


def test_an_evaluation_has_a_row_for_each_embedder(tmp_path: Path) -> None:
    pictures = tuple(Picture(noise(number), str(number // 2), f"{number}.png") for number in range(8))
    raw = semelha.embedders.raw_pixels()
    model = tiny_model(tmp_path / "model")
    found = semelha.evaluate(model, Dataset("things", pictures), baselines={"raw": raw}, resamples=0)
    frame = to_frame(found)
    assert list(frame.index) == ["model", "raw"]
    assert frame.loc["model", "r_at_1"] == found.to_json()["r_at_1"]


def test_answers_for_other_samples_are_refused() -> None:
    with pytest.raises(UsageError, match="answers has 0 elements for 1 samples"):
        to_fiftyone([], Samples([1]))
    with pytest.raises(UsageError, match=r"samples is 12\.5"):
        to_fiftyone([], 12.5)


def test_a_missing_package_is_named_with_its_command() -> None:
    script = BLOCKED.format(names={"pandas", "datasets", "fiftyone", "torch"}) + (
        "import semelha.convert\n"
        "try: semelha.convert.to_frame([])\n"
        "except semelha.errors.MissingExtra as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "this needs pandas: pip install pandas\n"
