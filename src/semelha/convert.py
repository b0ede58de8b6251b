"""Data from and to other libraries: Hugging Face `datasets`, torchvision, pandas and FiftyOne.

None of them is imported before it is needed. Pictures in files stay there, and are read when they are used.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from semelha.arguments import check_types, refuse
from semelha.errors import DatasetError, MissingExtra, UsageError
from semelha.evaluation.result import Evaluation
from semelha.images import Dataset, Limits, Picture
from semelha.images.checking import checked
from semelha.images.folder import Entry, FloatBox, Found
from semelha.images.manifest import listed
from semelha.images.names import is_split, split_name
from semelha.images.table import Table, as_cell
from semelha.recognition import Identification, Verification
from semelha.text import as_unicode
from semelha.untrusted import normalized_name

Answers = Sequence[Identification]


@check_types
def from_pandas(
    frame: Any,
    *,
    root: str | os.PathLike[str] = ".",
    labelled: bool = True,
    groups: str | None = None,
    limits: Limits = Limits(),
) -> Dataset:
    """A data set of the pictures that a frame lists, in the columns that a manifest has (docs/datasets.md).

    Parameters
    ----------
    frame : pandas.DataFrame
        With the columns `path` and `label`, and if there `split`, `group`, `domain`, `box`, or other names of these.
    root : path
        Folder of relative paths.
    labelled, groups, limits
        As for `semelha.read_dataset`.

    Raises
    ------
    DatasetError
        A column is missing, a row is invalid, or no file can be used.
    UsageError
        `frame` is no frame.
    """
    if not hasattr(frame, "itertuples") or not hasattr(frame, "columns"):
        refuse("frame", frame, "a DataFrame of pandas")
    plain = frame.astype(object).where(frame.notna(), None)
    rows = (
        (number, [as_cell(one) for one in row])
        for number, row in enumerate(plain.itertuples(index=False, name=None), 1)
    )
    table = Table([str(column) for column in frame.columns], rows)
    found = listed(table, Found("frame"), Path(root), "the frame", labelled=labelled, groups=groups)
    return _dataset(found, labelled, limits)


@check_types
def from_huggingface(
    data: Any, *, image: str | None = None, label: str | None = None, labelled: bool = True, limits: Limits = Limits()
) -> Dataset:
    """A data set of the pictures of a data set of Hugging Face, or of all its splits.

    Pictures that are files stay there. Those that lie in the Arrow file are copied into memory, encoded.

    Parameters
    ----------
    data : datasets.Dataset or DatasetDict
        Of a `DatasetDict` every picture has its split.
    image, label : str, optional
        Columns; by default the only one of pictures, and the only one of class labels, or else "label".
    labelled : bool
        False: pictures need no label, and those without have "".

    Raises
    ------
    DatasetError
        There is no such column or more than one, a row has no label, or no picture can be used.
    UsageError
        `data` is no such data set, or is streamed.
    """
    parts = dict(data) if isinstance(data, Mapping) else {"": data}
    found = Found("dataset")
    for split, part in parts.items():
        if not hasattr(part, "select_columns") or not getattr(part, "features", None) or not hasattr(part, "num_rows"):
            refuse("data", part, "a Dataset of Hugging Face that is not streamed, or a DatasetDict of these")
        image_column = _column(part, image, "Image", "image")
        label_column = _column(part, label, "ClassLabel", "label") if labelled or label is not None else None
        found.name = str(getattr(part.info, "dataset_name", None) or found.name)
        found.entries += _rows_of(part, str(split), image_column, label_column, labelled)
    return _dataset(found, labelled, limits)


@check_types
def from_torchvision(data: Any, *, limits: Limits = Limits()) -> Dataset:
    """A data set of the files of an `ImageFolder` of torchvision, or of a `Subset` of one. They are not decoded yet.

    Raises `UsageError` if `data` has no list of files, and `DatasetError` if none of them can be used.
    """
    rows: Any = None
    while hasattr(data, "indices") and hasattr(data, "dataset"):  # torch.utils.data.Subset
        chosen = [int(row) for row in data.indices]
        rows = chosen if rows is None else [chosen[row] for row in rows]
        data = data.dataset
    if not hasattr(data, "samples") or not hasattr(data, "classes"):
        refuse("data", data, "an ImageFolder of torchvision, or a Subset of one")
    root = str(getattr(data, "root", ""))
    found = Found(os.path.basename(os.path.abspath(root)))
    for row in range(len(data.samples)) if rows is None else rows:
        path, number = data.samples[row]
        name = os.path.relpath(path, root).replace(os.sep, "/")
        found.entries.append(Entry(path, normalized_name(str(data.classes[number])), as_unicode(name)))
    return _dataset(found, True, limits)


@check_types
def from_fiftyone(
    samples: Any, *, field: str = "ground_truth", labelled: bool = True, limits: Limits = Limits()
) -> Dataset:
    """A data set of the samples of a data set or view of FiftyOne. Files are not decoded yet.

    Parameters
    ----------
    samples : iterable of fiftyone.Sample
        A tag such as "train" becomes the split.
    field : str
        Of classifications, or of detections: each of these is a picture of its own, with its box.
    labelled : bool
        False: pictures need no label, and those without have "".

    Raises
    ------
    DatasetError
        A sample has no such field or, with `labelled`, no label; or no file can be used.
    UsageError
        `samples` are no samples.
    """
    found = Found(str(getattr(samples, "name", None) or "samples"))
    if not hasattr(samples, "__iter__") or isinstance(samples, str | bytes | Mapping):
        refuse("samples", samples, "a data set or view of FiftyOne")
    for sample in samples:
        if not hasattr(sample, "filepath"):
            refuse("samples", sample, "samples of FiftyOne, which have a filepath")
        found.entries += _of_sample(sample, field, labelled)
    return _dataset(found, labelled, limits)


@check_types
def to_frame(results: Dataset | Evaluation | Sequence[object], *, names: Sequence[str] | None = None) -> Any:
    """A DataFrame of pandas, with a row for each result.

    Parameters
    ----------
    results : sequence of Identification or Verification, Dataset or Evaluation
        Of an `Identification` the columns are decision, subject, nearest, distance, p_value, probability, target_fpir
        and note; of a `Verification` its fields. Of a `Dataset` they are path, label, split, group, domain and box,
        which `from_pandas` reads. An `Evaluation` has a row for the model and for each baseline.
    names : sequence of str, optional
        The pictures of answers, as the first column `picture`.

    Raises
    ------
    MissingExtra
        pandas is not installed.
    UsageError
        `results` is something else, or there is not one name for each.
    """
    pandas = _imported("pandas")
    if isinstance(results, Evaluation):
        measured = {"model": results.result, **results.baselines}
        frame = pandas.json_normalize([one.to_json() for one in measured.values()])
        return frame.set_index(pandas.Index(list(measured), name="embedder"))
    if isinstance(results, Dataset):
        return pandas.DataFrame([_row_of_picture(one) for one in results])
    rows = [_row_of_answer(one, position) for position, one in enumerate(results)]
    if names is not None:
        if len(names) != len(rows):
            raise UsageError(f"names has {len(names)} elements for {len(rows)} results: pass one for each")
        rows = [{"picture": name, **row} for name, row in zip(names, rows, strict=True)]
    return pandas.DataFrame(rows)


@check_types
def to_fiftyone(answers: Answers, samples: Any, *, field: str = "semelha") -> None:
    """Store identifications as classifications of FiftyOne, in a field of the samples.

    The label is the subject, or the decision if there is none ("unknown", "uncertain"); the confidence is
    `Identification.probability`. The classification also has `decision`, `nearest`, `distance` and `p_value`.

    Parameters
    ----------
    answers : sequence of Identification
        One for each sample, in order: `gallery.identify_many(samples.values("filepath"))`.
    samples : fiftyone.Dataset or view

    Raises
    ------
    MissingExtra
        FiftyOne is not installed.
    UsageError
        `samples` are no samples, or there is not one answer for each.
    """
    if not hasattr(samples, "set_values"):
        refuse("samples", samples, "a data set or view of FiftyOne")
    if len(answers) != len(samples):
        raise UsageError(f"answers has {len(answers)} elements for {len(samples)} samples: pass one for each")
    classification = _imported("fiftyone").Classification
    values: list[Any] = []
    for position, answer in enumerate(answers):
        row = _row_of_answer(answer, position)
        label = answer.subject or answer.decision
        more = {name: row[name] for name in ("decision", "nearest", "distance", "p_value")}
        values.append(classification(label=label, confidence=answer.probability, **more))
    samples.set_values(field, values)


def _row_of_picture(picture: Picture) -> dict[str, Any]:
    return {
        "path": str(picture.source) if isinstance(picture.source, Path) else picture.name,
        "label": picture.label,
        "split": picture.split,
        "group": picture.group,
        "domain": picture.domain,
        "box": None if picture.box is None else " ".join(map(str, picture.box)),
    }


def _row_of_answer(answer: Any, position: int) -> dict[str, Any]:
    if isinstance(answer, Verification):
        return answer.to_json()
    if not isinstance(answer, Identification):
        refuse(f"results[{position}]", answer, "an Identification or a Verification")
    nearest = answer.candidates[0].subject if answer.candidates else None
    row = {"decision": answer.decision, "subject": answer.subject, "nearest": nearest, "distance": answer.distance}
    row |= {"p_value": answer.p_value, "probability": answer.probability, "target_fpir": answer.target_fpir}
    return row | {"note": answer.note}


def _dataset(found: Found, labelled: bool, limits: Limits) -> Dataset:
    """The data set of the files that are pictures, by their headers. Raises `DatasetError` if there are none."""
    if not found.entries:
        raise DatasetError(f"{found.name} has no pictures")
    found.labels = found.labels or list(dict.fromkeys(entry.label for entry in found.entries if entry.label))
    return checked(found, limits, labelled=labelled, check=True)


def _column(data: Any, name: str | None, kind: str, default: str) -> str:
    """The column called `name`, or the only one whose feature is of a class called `kind`, or else `default`."""
    columns = list(data.features)
    if name is None:
        of_kind = [column for column in columns if type(data.features[column]).__name__ == kind]
        name = of_kind[0] if len(of_kind) == 1 else default
    if name not in columns:
        raise DatasetError(f"the data set has no column {name}: name the {default} among {', '.join(columns)}")
    return name


def _rows_of(data: Any, split: str, image: str, label: str | None, labelled: bool) -> Iterator[Entry]:
    feature = data.features[image]
    if type(feature).__name__ != "Image":
        raise DatasetError(f"the column {image} of the data set has no pictures: name the one that has, as image")
    names = getattr(data.features[label], "names", None) if label is not None else None
    encoded = data.select_columns([image] if label is None else [image, label])
    encoded = encoded.cast_column(image, type(feature)(decode=False)).with_format(None)
    for number, row in enumerate(encoded):
        value = None if label is None else row[label]
        if names is not None and value is not None:
            value = names[value] if 0 <= value < len(names) else None  # −1: no label
        text = normalized_name(as_cell(value))
        if labelled and not text:
            raise DatasetError(f"row {number} of {split or 'the data set'} has no {label}: pass labelled=False")
        stored = row[image] or {}
        path, content = stored.get("path") or "", stored.get("bytes")
        name = as_unicode(path) or f"{split}{'/' if split else ''}row {number}"
        if content is None and not path:
            content = b""  # left out, and counted
        yield Entry(path or name, text, name, split=split_name(split) or None, content=content)


def _of_sample(sample: Any, field: str, labelled: bool) -> Iterator[Entry]:
    path = str(sample.filepath)
    try:
        value = sample[field]
    except (AttributeError, KeyError) as error:
        raise DatasetError(f"{as_unicode(path)} has no field {field}: name the one that has the labels") from error
    words = [tag for tag in sample.tags or () if is_split(tag)]
    split = split_name(words[0]) if len(words) == 1 else None
    for one in getattr(value, "detections", None) or [value]:
        label = normalized_name(as_cell(getattr(one, "label", None)))
        if labelled and not label:
            raise DatasetError(f"{as_unicode(path)} has no label in {field}: pass labelled=False")
        entry = Entry(path, label, as_unicode(path), split=split)
        box = getattr(one, "bounding_box", None)
        if box is not None:
            entry.box, entry.relative_box = _corners(box, path), True
        yield entry


def _corners(box: Any, path: str) -> FloatBox:
    """Left, top, right and bottom of a box (left, top, width, height). Raises `DatasetError`."""
    try:
        left, top, width, height = (float(number) for number in box)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{as_unicode(path)} has the box {box!r:.60}: it must be four numbers") from error
    if not all(math.isfinite(number) for number in (left, top, width, height)):
        raise DatasetError(f"{as_unicode(path)} has the box {box!r:.60}: it must be four finite numbers")
    return left, top, left + width, top + height


def _imported(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingExtra(f"this needs {package}: pip install {package}") from error
