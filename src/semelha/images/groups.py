"""Find bursts, groups of pictures that were taken in one go: evaluation and validation never match two of one group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.arguments import check_choice
from semelha.errors import UsageError
from semelha.images.dataset import Dataset
from semelha.images.near_duplicates import connected, near_duplicates
from semelha.images.report import Remark
from semelha.images.series import series_by_name, series_by_time

GROUPINGS = ("auto", "none", "domain")
"""How `with_groups` groups the pictures of a data set."""
ENDING = "no two of one {} are compared"


class Burst(str):
    """The name of a group that was found, in contrast to one that the data set has."""

    __slots__ = ()


def with_groups(dataset: Dataset, *, how: str = "auto", vectors: NDArray[np.floating[Any]] | None = None) -> Dataset:
    """A copy of a data set whose pictures have a group if they were taken in one burst.

    Pictures of one class are one burst if their names or times of capture say so (`semelha.images.series`), or if their
    vectors show near-duplicates (`semelha.images.near_duplicates`); bursts that share a picture are one. A remark says
    how many there are. If any picture has a group that this function did not find, such as from a manifest, all keep
    theirs and nothing is searched.

    Parameters
    ----------
    how : {"auto", "none", "domain"}
        "none": no picture has a group. "domain": pictures of one domain are a group, so that photos are compared with
        pictures of a catalogue only.
    vectors : (n, d) float, optional
        An embedding of each picture, compared by cosine.

    Raises
    ------
    UsageError
        `how` is another word, no picture has a domain, or there is not one vector for each picture.
    """
    check_choice("how", how, GROUPINGS)
    if vectors is not None and (vectors.ndim != 2 or len(vectors) != len(dataset)):
        raise UsageError(f"vectors is an array {vectors.shape}: it must be one row for each of {len(dataset)} pictures")
    endings = tuple(ENDING.format(word) for word in ("burst", "group"))
    dataset = replace(dataset, remarks=tuple(one for one in dataset.remarks if not one.text.endswith(endings)))
    given = {picture.group for picture in dataset} - {None}
    if how == "none":
        return _grouped(dataset, [None] * len(dataset)) if given else dataset
    if how == "domain":
        if dataset.domains is None:
            raise UsageError(f"no picture of {dataset.name} has a domain: see docs/datasets.md, Catalogues")
        return _with_remark(_grouped(dataset, [one.domain or "other" for one in dataset]), "group", "by their domain")
    if not all(isinstance(group, Burst) for group in given):
        return _with_remark(dataset, "group", "of the data set")
    found = {
        "file names": list(series_by_name(dataset.pictures)),
        "capture times": list(series_by_time(dataset.pictures)),
        "near-duplicates": [] if vectors is None else list(near_duplicates(vectors, dataset.labels)),
    }
    pairs = [(rows[0], row) for several in found.values() for rows in several for row in rows[1:]]
    if not pairs and not given:
        return dataset
    numbers = connected(len(dataset), *np.array(pairs, np.int64).reshape(-1, 2).T)
    grouped = _grouped(dataset, _names(dataset, numbers))
    return _with_remark(grouped, "burst", f"by {_listed([name for name, rows in found.items() if rows])}")


def paired_classes(labels: NDArray[np.str_], groups: NDArray[Any] | None) -> list[str]:
    """The classes with two pictures that may match: not both of one group."""
    known: dict[str, list[object]] = {}
    for label, group in zip(labels, [None] * len(labels) if groups is None else groups, strict=True):
        known.setdefault(str(label), []).append(group)
    return [label for label, of in known.items() if len(of) > 1 and (None in of or len(set(of)) > 1)]


def burst_remark(dataset: Dataset) -> str | None:
    """How many bursts `with_groups` found, as one sentence; None if it found none."""
    ending = ENDING.format("burst")
    return next((remark.text for remark in dataset.remarks if remark.text.endswith(ending)), None)


def _names(dataset: Dataset, numbers: NDArray[np.int64]) -> list[Burst | None]:
    """The group of each picture: a number in the order of classes and names, so that the order of pictures is none."""
    members: dict[int, list[tuple[str, str]]] = {}
    for picture, number in zip(dataset, numbers.tolist(), strict=True):
        members.setdefault(number, []).append((picture.label, picture.name))
    bursts = sorted((sorted(of), number) for number, of in members.items() if len(of) > 1)
    names = {number: Burst(f"burst {place}") for place, (_, number) in enumerate(bursts, 1)}
    return [names.get(number) for number in numbers.tolist()]


def _grouped(dataset: Dataset, groups: Sequence[str | None]) -> Dataset:
    pictures = zip(dataset, groups, strict=True)
    return replace(dataset, pictures=tuple(replace(picture, group=group) for picture, group in pictures))


def _with_remark(dataset: Dataset, word: str, source: str) -> Dataset:
    """With a remark of how many pictures are in how many groups, if any is."""
    groups = [picture.group for picture in dataset if picture.group is not None]
    if not groups:
        return dataset
    count = len(set(groups))
    text = f"{len(groups):,} pictures are {count:,} {word}{'s' if count > 1 else ''} {source}: {ENDING.format(word)}"
    remarks = (*dataset.remarks, Remark("used", text, len(groups)))
    return replace(dataset, remarks=tuple(sorted(remarks, key=lambda remark: remark.kind != "used")))


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
