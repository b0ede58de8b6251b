"""Reading in threads: in order, errors in their places, and nothing waits for what nobody wants."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semelha.errors import PictureError
from semelha.images import Dataset, Picture, read_all, readable


def pictures(count: int) -> list[Picture]:
    return [Picture(np.full((2, 2), i % 256, np.uint8), "a", str(i)) for i in range(count)]


@pytest.mark.parametrize("threads", [1, 3, None])
@pytest.mark.parametrize("count", [0, 1, 200])
def test_results_are_in_order(count: int, threads: int | None) -> None:
    assert list(read_all(pictures(count), lambda p: p.name, threads=threads)) == [str(i) for i in range(count)]


def test_a_picture_error_stands_in_its_place() -> None:
    def odd_is_bad(picture: Picture) -> str:
        if int(picture.name) % 2:
            raise PictureError(picture.name)
        return picture.name

    results = list(read_all(pictures(50), odd_is_bad, threads=2))
    assert [str(result) for result in results] == [str(i) for i in range(50)]
    assert [isinstance(result, PictureError) for result in results] == [False, True] * 25


def test_another_error_is_raised() -> None:
    def broken(picture: Picture) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(read_all(pictures(5), broken, threads=2))


def test_results_are_made_as_they_are_taken() -> None:
    """Pictures already decoded do not pile up before a slow reader."""
    done = []
    results = read_all(pictures(1000), lambda p: done.append(p.name), threads=2)
    next(results)
    results.close()
    assert len(done) <= 2 * 8 + 1


def test_who_stops_early_does_not_wait_for_the_rest() -> None:
    gate = threading.Event()
    done = []

    def held(picture: Picture) -> None:
        if picture.name != "0":
            gate.wait(60)
        done.append(picture.name)

    results = read_all(pictures(100), held, threads=2)
    next(results)
    threading.Timer(0.1, gate.set).start()
    results.close()
    assert len(done) <= 4


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
