"""Find series of pictures that were taken in one go, by the names of files and by the time of capture.

A series is a list of rows of the pictures, all of one class. A picture without a class is in none.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import PurePosixPath

import numpy as np

from semelha.errors import PictureError
from semelha.images.formats import quiet
from semelha.images.names import is_split, split_name
from semelha.images.packed import Packed
from semelha.images.picture import Picture
from semelha.processors import processors

GAP = timedelta(minutes=30)
"""Pictures of a class taken at most this long after one another are one series.

Camera-trap studies count pictures of a species as independent after half an hour (O'Brien, Kinnaird and Wibisono,
2003). A gap that is too long leaves fewer pictures to compare; one that is too short compares near-duplicates.
"""
BATCH = 64  # pictures whose header a thread reads at a time
MAX_THREADS = 8
_NUMBERED = re.compile(r"(.*?)([0-9]{1,18})([^0-9]*)", re.DOTALL)  # the last run of digits
_LEADING = re.compile(r"([0-9]{1,18})[^0-9]", re.DOTALL)


def series_by_name(pictures: Sequence[Picture]) -> Iterator[list[int]]:
    """Series of two or more pictures by the numbers in the names of their files.

    `shelf_01.jpg`, `shelf_02.jpg`, … are a series: their folder is the same, and their names, but for the last number,
    of which half from the first to the last are there; three or more may be numbered in larger steps. So are
    `630_left.jpg` and `630_right.jpg`, which begin with the same number. The names of a class count only if they tell
    two series apart: `1.jpg` to `10.jpg` say nothing. Pictures of two splits are never one series, and folders that are
    called like splits do not tell series apart, because pictures are often numbered when they are split.
    """
    numbered: dict[tuple[str, str], dict[object, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    leading: dict[tuple[str, str], dict[object, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, picture in enumerate(pictures):
        if not picture.label:
            continue
        path = PurePosixPath(picture.name.replace("\\", "/"))
        folder = tuple(part for part in path.parts[:-1] if not is_split(part))
        of = picture.label, split_name(picture.split or "")
        found = _NUMBERED.fullmatch(path.stem)
        if found is not None and (found[1] or not found[3]):  # else it begins with its only number
            numbered[of][folder, found[1], found[3]][row] = int(found[2])
        if (first := _LEADING.match(path.stem)) is not None:
            leading[of][folder, int(first[1])].append(row)
    in_sequence = [
        [list(rows) for rows in series.values() if _in_sequence(rows.values())] for series in numbered.values()
    ]
    for several in (*in_sequence, *(list(series.values()) for series in leading.values())):
        if len(several) > 1:
            yield from (rows for rows in several if len(rows) > 1)


def _in_sequence(numbers: Iterable[int]) -> bool:
    """Whether half of the numbers from the first to the last are there, in steps of one or, if more than two, equal."""
    ordered = sorted(set(numbers))
    step = math.gcd(*np.diff(ordered).tolist()) if len(ordered) > 2 else 1
    return ordered[-1] - ordered[0] < 2 * step * len(ordered)


def series_by_time(pictures: Sequence[Picture]) -> Iterator[list[int]]:
    """Series of two or more pictures by the time of capture: each at most `GAP` after the one before it.

    The time is DateTimeOriginal of EXIF data. Only headers are read; a picture without a time is in no series. Pictures
    in archives are not read: `write_shards` found their groups.
    """
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, picture in enumerate(pictures):
        if picture.label and not isinstance(picture.source, np.ndarray | Packed):
            rows_of[picture.label].append(row)
    several = [rows for rows in rows_of.values() if len(rows) > 1]
    times = dict(_capture_times(pictures, [row for rows in several for row in rows]))
    for rows in several:
        ordered = sorted((times[row], row) for row in rows if row in times)
        breaks = [place for place, (one, other) in enumerate(pairwise(ordered), 1) if other[0] - one[0] > GAP]
        for start, end in pairwise((0, *breaks, len(ordered))):
            if end - start > 1:
                yield [row for _, row in ordered[start:end]]


def _capture_times(pictures: Sequence[Picture], rows: list[int]) -> Iterator[tuple[int, datetime]]:
    """The time of capture of each picture that has one."""

    def read(batch: list[int]) -> list[tuple[int, datetime]]:
        found = []
        with quiet:
            for row in batch:
                try:
                    with pictures[row].open() as opened:
                        time = opened.capture_time()
                except PictureError:
                    continue
                if time is not None:
                    found.append((row, time))
        return found

    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    with ThreadPoolExecutor(min(MAX_THREADS, processors())) as pool:
        for found in pool.map(read, batches):
            yield from found
