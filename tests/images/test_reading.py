"""Reading in threads: in order, errors in their places, bounded memory, and nothing waits for what nobody takes."""

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semelha.errors import PictureError, UsageError
from semelha.images import Dataset, Picture, ReadPicture, read_pictures, readable
from semelha.images import reading as module


def pictures(count: int) -> list[Picture]:
    return [Picture(np.full((2, 2), i % 256, np.uint8), "a", str(i)) for i in range(count)]


def level(image: Image.Image) -> int:
    return int(image.getpixel((0, 0))[0])


@pytest.mark.parametrize("threads", [1, 3, None])
@pytest.mark.parametrize("count", [0, 1, 200])
def test_results_are_in_order(count: int, threads: int | None) -> None:
    found = list(read_pictures(pictures(count), level, threads=threads))
    assert [(each.position, each.name, each.result) for each in found if isinstance(each, ReadPicture)] == [
        (i, str(i), i) for i in range(count)
    ]


def test_a_picture_error_stands_in_its_place() -> None:
    def odd_is_bad(image: Image.Image) -> int:
        if level(image) % 2:
            raise PictureError(str(level(image)))
        return level(image)

    sources = [*pictures(50), b"no picture", np.zeros((2, 2), np.float32)]
    results = list(read_pictures(sources, odd_is_bad, threads=2))
    assert [isinstance(result, PictureError) for result in results] == [False, True] * 25 + [True, True]
    assert [str(result) for result in results[1:50:2]] == [str(i) for i in range(1, 50, 2)]
    assert "picture 50" in str(results[50])
    assert "picture 51" in str(results[51])


def test_another_error_is_raised() -> None:
    def broken(image: Image.Image) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(read_pictures(pictures(5), broken, threads=2))


def test_results_are_made_as_they_are_taken() -> None:
    """Pictures already decoded do not pile up before a slow reader, and an iterator is not read further."""
    taken = []

    def endless() -> Iterator[Picture]:
        while True:
            taken.append(len(taken))
            yield pictures(1)[0]

    results = read_pictures(endless(), level, threads=2)
    next(results)
    results.close()
    assert len(taken) <= 2 * module.READ_AHEAD + 1


def test_who_stops_early_does_not_wait_for_the_rest() -> None:
    gate = threading.Event()
    done = []

    def slow(image: Image.Image) -> None:
        if level(image) >= 4:
            gate.wait(60)
        done.append(level(image))

    results = read_pictures(pictures(100), slow, threads=2, ahead=8)
    next(results)
    threading.Timer(0.1, gate.set).start()
    results.close()
    assert len(done) <= 8


def test_a_pil_image_is_turned_upright(tmp_path: Path) -> None:
    stored = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        (read,) = read_pictures(image, np.array)
    assert np.array_equal(read.result, np.rot90(stored, -1))


class Unreadable(io.BytesIO):
    def read(self, *_: object) -> bytes:
        raise OSError("unplugged")


@pytest.mark.parametrize("source", [Unreadable(), Image.open(io.BytesIO(b"P6 40 40 255\n12"))])
def test_what_fails_before_decoding_is_a_value_too(source: object) -> None:
    bad, good = read_pictures([source, pictures(1)[0]], level)
    assert isinstance(bad, PictureError)
    assert "picture 0" in str(bad)
    assert isinstance(good, ReadPicture)


def test_a_file_of_text_is_no_picture() -> None:
    with pytest.raises(UsageError, match=r"pictures\[1\] is <_io\.StringIO"):
        list(read_pictures([*pictures(1), io.StringIO("x")], level))


@pytest.mark.parametrize("large", [False, True])
def test_the_memory_of_decoding_at_one_time_is_bounded(monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """Threads beyond the bound wait; a picture above it is decoded alone."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((100, 100, 3), np.uint8)).save(file, "PNG")
    monkeypatch.setattr(module, "MAX_DECODING_BYTES", 5_000 if large else 3 * 4 * 100 * 100)
    inside, most, lock = 0, 0, threading.Lock()

    def count(image: Image.Image) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        pause.wait(0.002)
        with lock:
            inside -= 1

    pause = threading.Event()
    results = list(read_pictures([file.getvalue()] * 60, count, threads=8))
    assert len(results) == 60
    assert most <= (1 if large else 3)


def test_readable_keeps_what_decodes_and_lists_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[:3000])
    seen: list[tuple[int, int]] = []
    dataset = Dataset("d", (*pictures(2), Picture(file, "a", "cut.png")))
    kept = readable(dataset, progress=lambda done, count: seen.append((done, count)))
    assert [p.name for p in kept] == ["0", "1"]
    assert [skipped.name for skipped in kept.skipped] == ["cut.png"]
    assert seen == [(1, 3), (2, 3), (3, 3)]
