"""Series of pictures by names and by times of capture: what is one, and what says nothing."""

import io
import random
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin
from tests.images.files import file_of

from semelha.errors import PictureError
from semelha.images import Picture
from semelha.images.decode import OpenPicture
from semelha.images.header import capture_time_in
from semelha.images.series import GAP, series_by_name, series_by_time

PIXELS = np.zeros((2, 2), np.uint8)
NOON = datetime(2024, 5, 1, 12)


def named(*names: str, label: str = "a", split: str | None = None) -> list[Picture]:
    return [Picture(PIXELS, label, name, split=split) for name in names]


def numbered(pattern: str, numbers: Iterable[int]) -> list[str]:
    return [pattern.format(number) for number in numbers]


def found(pictures: list[Picture]) -> set[frozenset[str]]:
    return {frozenset(pictures[row].name for row in rows) for rows in series_by_name(pictures)}


def sets(*names: Iterable[str]) -> set[frozenset[str]]:
    return {frozenset(each) for each in names}


VISITS = numbered("a/train_a_{:03}.jpg", range(1, 31)), numbered("a/test_a_{:03}.jpg", range(1, 21))
FOLDERS = numbered("a/monday/{}.png", range(5)), numbered("a/friday/{}.png", range(5))
ENCOUNTERS = ["a/630_left.jpg", "a/630_right.jpg"], ["a/803_left.jpg", "a/803_right.jpg", "a/803_left(1).jpg"]
FRAMES = numbered("a/one/f{}.jpg", range(0, 300, 30)), numbered("a/two/f{}.jpg", range(15, 300, 30))


@pytest.mark.parametrize("series", [VISITS, FOLDERS, ENCOUNTERS, FRAMES])
def test_a_class_of_two_series(series: tuple[list[str], list[str]]) -> None:
    assert found(named(*series[0], *series[1])) == sets(*series)
    assert found(named(*series[0])) == set(), "a single one says nothing"
    assert found(named(*series[0], *series[1][:1])) == sets(series[0]), "the second one may be short"


@pytest.mark.parametrize(
    "names",
    [
        numbered("a/{}.pgm", range(1, 11)),
        numbered("a/0570_{:02}.png", range(1, 21)),
        ["a/noto.png", "a/notoblob.png", "a/emojitwo.png"],
        ["a/1_left.jpg", "a/2_left.jpg", "a/3_right.jpg"],  # each has its own number
        [*numbered("a/x_{}.jpg", (3, 190, 2051)), *numbered("a/y_{}.jpg", (7, 42, 995))],  # numbers at random
        ["a/x_1.jpg", "a/y_1.jpg", "a/z_1.jpg"],
        ["", "/", "..", "a/", "\\", "a/" + "9" * 5000, "a/" + "7" * 5000, "\udc80_1", "x\n1\n", "١٢.jpg", "²_1.jpg"],
    ],
)
def test_names_that_say_nothing(names: list[str]) -> None:
    assert found(named(*names)) == set()


def test_a_few_numbers_may_be_missing() -> None:
    some = numbered("a/x_{}.jpg", (1, 2, 4, 7, 8, 10)), numbered("a/y_{}.jpg", (1, 2))
    assert found(named(*some[0], *some[1])) == sets(*some)


def test_series_are_of_one_class_and_one_split() -> None:
    """The same names in two classes; and parts of the data set that were numbered when they were made."""
    names = numbered("x_{}.jpg", range(3)) + numbered("y_{}.jpg", range(3))
    pictures = named(*names, label="a") + named(*names, label="b") + named(*names, label="")
    rows = list(series_by_name(pictures))
    assert sorted(map(len, rows)) == [3, 3, 3, 3]
    assert all(len({pictures[row].label for row in each}) == 1 and pictures[each[0]].label for each in rows)
    parts = [named(*numbered(f"{split}/a/{{}}.png", range(5)), split=split) for split in ("train", "test")]
    assert found([*parts[0], *parts[1]]) == set()
    assert found([replace(picture, split=None) for part in parts for picture in part]) == set()


def test_the_order_of_pictures_does_not_matter() -> None:
    pictures = named(*VISITS[0], *VISITS[1], *ENCOUNTERS[0], *ENCOUNTERS[1], "a/x.jpg")
    expected = found(pictures)
    random.Random(0).shuffle(pictures)
    assert found(pictures) == expected


def test_long_names_take_no_time() -> None:
    start = time.monotonic()
    assert found(named("1a" * 50_000, "9" * 100_000, "a" * 100_000)) == set()
    assert time.monotonic() - start < 5


# --- times of capture ---


def exif_of(written: str) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 1  # Pillow writes no EXIF data whose first directory is empty
    exif[0x8769] = {0x9003: written}
    return exif


def taken(moment: datetime | str | None, format: str = "JPEG", *, label: str = "a", name: str = "x.jpg") -> Picture:
    written = moment.strftime("%Y:%m:%d %H:%M:%S") if isinstance(moment, datetime) else moment
    if written is None:
        options: dict[str, object] = {}
    elif format == "TIFF":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[0x8769] = {0x9003: written}
        options = {"tiffinfo": tags}
    else:
        options = {"exif": exif_of(written)}
    return Picture(file_of(Image.new("RGB", (8, 8)), format, **options), label, name)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_time_of_capture(format: str) -> None:
    with taken(NOON, format).open() as opened:
        assert opened.capture_time() == NOON
        assert opened.pixels().shape == (8, 8, 3)
    with taken(None, format).open() as opened:
        assert opened.capture_time() is None


def minutes(*after: float, label: str = "a") -> list[Picture]:
    return [taken(NOON + timedelta(minutes=each), label=label) for each in after]


def test_a_gap_ends_a_series() -> None:
    gap = GAP / timedelta(minutes=1)
    assert sorted(series_by_time(minutes(0, gap, 2 * gap, 3 * gap + 1, 3 * gap + 2, 9 * gap))) == [[0, 1, 2], [3, 4]]


def test_times_are_those_of_one_class() -> None:
    pictures = [*minutes(0, 2, label="a"), *minutes(1, label="b"), *minutes(1, 1, label="")]
    assert list(series_by_time(pictures)) == [[0, 1]]


def test_the_order_of_pictures_is_not_that_of_times() -> None:
    assert sorted(map(sorted, series_by_time(minutes(100, 0, 101, 1)))) == [[0, 2], [1, 3]]


@pytest.mark.parametrize(
    "written",
    ["", "yesterday", "0000:00:00 00:00:00", "2024:13:45 99:99:99", "2024:05:01 12:00", "é" * 19, "\0" * 19],
)
def test_a_broken_time_is_none(written: str) -> None:
    pictures = [taken(written), taken(written), *minutes(0, 1)]
    assert list(series_by_time(pictures)) == [[2, 3]]


def test_files_that_cannot_be_read_have_no_time(tmp_path: Path) -> None:
    (tmp_path / "damaged.jpg").write_bytes(file_of(Image.new("RGB", (8, 8)), "JPEG")[:20])
    bad = [Picture(tmp_path / name, "a", name) for name in ("damaged.jpg", "absent.jpg", ".")]
    array = Picture(PIXELS, "a", "array")
    assert list(series_by_time([*bad, array, *minutes(0, 1)])) == [[4, 5]]


def directory(*entries: tuple[int, int, int, int]) -> bytes:
    return struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)


def test_hostile_tags_end_soon() -> None:
    """Directories that refer to themselves, to places outside, and to one another thousands of times."""
    start = b"II*\0\x08\0\0\0"
    many = directory(*[(34665, 4, 1, 8)] * 60_000)
    hostile = [
        *(start + directory((34665, 4, 1, place)) for place in (0, 8, 2**31, 2**32 - 1)),
        *(start + directory((34665, kind, 1, 8), (36867, 2, 20, 2**32 - 1)) for kind in (0, 2, 4, 99)),
        start + many,
        start[:6],
        b"",
        b"MM\0+" + bytes(20),
    ]
    began = time.monotonic()
    for data in hostile:
        assert capture_time_in(io.BytesIO(data), len(data)) in (None, "")
    assert time.monotonic() - began < 5


def test_random_damage_of_exif_raises_nothing() -> None:
    data = taken(NOON).source
    assert isinstance(data, bytes)
    chance = random.Random(0)
    place = data.index(b"Exif")
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(4):
            damaged[place + chance.randrange(6, 90)] = chance.randrange(256)
        with suppress(PictureError), OpenPicture(bytes(damaged)) as opened:
            opened.capture_time()
