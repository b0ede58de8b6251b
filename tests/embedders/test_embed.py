"""From pictures to vectors: in order, bad pictures as values, decoding ahead, JPEGs at a part of their size."""

import io
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image
from tests.tiny_model import noise, tiny_model

import semelha.processors
from semelha import Gallery
from semelha.embedders import EmbeddedPicture, InputSpec, Model, derive, embed_pictures, extractors, load_embedder
from semelha.errors import PictureError, UsageError
from semelha.features import HOG, Histogram, RawPixels
from semelha.images import Picture, content_hash, decode, encode, reading


class Recorder:
    """An extractor that notes what it was called with."""

    side: int | None = 10

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.batches: list[int] = []

    def prepare(self, image: Image.Image) -> np.ndarray:
        self.shapes.append((image.height, image.width))
        return np.float32(image.getpixel((0, 0)))

    def vectors(self, prepared: np.ndarray) -> np.ndarray:
        self.batches.append(len(prepared))
        return prepared


def jpeg(height: int, width: int) -> bytes:
    coarse = np.random.default_rng(height).integers(0, 256, (9, 12, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=92)
    return file.getvalue()


def test_vectors_hashes_and_copies_in_order(tiny: Model) -> None:
    sources: list[Any] = [noise(0), b"no picture", Picture(noise(1), "a", "second"), noise(2), b"", noise(3)]
    told: list[tuple[int, int]] = []
    found = list(
        embed_pictures(
            tiny, sources, hashed=True, keep=encode, batch_size=4, progress=lambda *counts: told.append(counts)
        )
    )
    assert [isinstance(each, PictureError) for each in found] == [False, True, False, False, True, False]
    good = [each for each in found if isinstance(each, EmbeddedPicture)]
    assert [(each.position, each.name) for each in good] == [
        (0, "picture 0"),
        (2, "second"),
        (3, "picture 3"),
        (5, "picture 5"),
    ]
    for number, each in enumerate(good):
        np.testing.assert_allclose(each.vector, tiny.embed([noise(number)])[0], atol=1e-6)
        assert each.content_hash == content_hash(noise(number))
        assert each.kept == encode(noise(number))
    assert told == [(4, 6), (6, 6)]


def test_pictures_whose_hash_is_known_are_not_embedded() -> None:
    sources = [jpeg(60, 80), noise(0), jpeg(90, 120), noise(1), b"bad"]
    recorder = Recorder()
    all_hashes = [each.content_hash for each in embed_pictures(recorder, sources[:4], hashed=True)]  # type: ignore[union-attr]
    recorder = Recorder()
    found = list(embed_pictures(recorder, sources, hashed=True, known=set(all_hashes[:2]), keep=encode))
    good = [each for each in found if isinstance(each, EmbeddedPicture)]
    assert [each.content_hash for each in good] == all_hashes
    assert [each.vector.size > 0 for each in good] == [False, False, True, True]
    assert [each.kept is None for each in good] == [True, True, False, False]
    assert (len(recorder.shapes), recorder.batches) == (2, [2])


def test_without_hash_and_copy() -> None:
    (found,) = embed_pictures(Recorder(), noise(0))
    assert isinstance(found, EmbeddedPicture)
    assert (found.content_hash, found.kept) == ("", None)


def test_only_bad_pictures_are_never_embedded() -> None:
    recorder = Recorder()
    assert len(list(embed_pictures(recorder, [b"bad"] * 5, batch_size=2))) == 5
    assert recorder.batches == []


def test_the_next_pictures_are_decoded_while_a_batch_is_embedded() -> None:
    second_batch_is_read = threading.Event()

    class Slow(Recorder):
        def prepare(self, image: Image.Image) -> np.ndarray:
            prepared = super().prepare(image)
            if len(self.shapes) == 16:
                second_batch_is_read.set()
            return prepared

        def vectors(self, prepared: np.ndarray) -> np.ndarray:
            assert second_batch_is_read.wait(60)
            return super().vectors(prepared)

    slow = Slow()
    assert len(list(embed_pictures(slow, [noise(i) for i in range(16)], batch_size=8))) == 16
    assert slow.batches == [8, 8]


def test_an_iterator_is_read_as_vectors_are_taken() -> None:
    taken = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            taken.append(len(taken))
            yield noise(0)

    told: list[tuple[int, int]] = []
    found = embed_pictures(Recorder(), endless(), batch_size=8, progress=lambda *counts: told.append(counts))
    for _ in range(9):
        next(found)
    found.close()
    assert len(taken) <= 8 + 8 + 16
    assert told == [(8, 0)]


@pytest.mark.parametrize(
    ("side", "more", "shorter"),
    [
        (10, {}, 75),
        (None, {}, 600),
        (10, {"hashed": True}, 75),
        (10, {"hashed": "pixels"}, 600),
        (200, {}, 600),
        (150, {}, 300),
        (10, {"keep": encode}, 600),
    ],
)
def test_jpegs_are_decoded_at_the_scale_that_serves(side: int | None, more: dict[str, Any], shorter: int) -> None:
    recorder = Recorder()
    recorder.side = side
    list(embed_pictures(recorder, [jpeg(600, 800)], **more))
    assert recorder.shapes == [(shorter, shorter * 4 // 3)]


def test_a_kept_copy_of_a_large_picture_is_as_sharp_as_before() -> None:
    data = jpeg(2200, 3000)
    (found,) = embed_pictures(Recorder(), data, keep=encode)
    assert isinstance(found, EmbeddedPicture)
    assert found.kept is not None
    expected = decode(encode(decode(data)))
    assert decode(found.kept).shape == expected.shape
    assert np.abs(decode(found.kept).astype(int) - expected).mean() < 2


def test_the_scale_hardly_changes_a_vector(tiny: Model, tmp_path: Any) -> None:
    """Cosines between pictures decoded in part and in full; a side of 450 pixels is no multiple of the scale."""
    sources = [jpeg(side, side * 4 // 3) for side in (450, 600, 1200)]
    color = tiny_model(tmp_path / "c", channels=3, size=32, seed=1)
    for model in (tiny, color, derive([color], views=5, out=tmp_path / "views")):
        part, full = model.embed(sources), model.embed([decode(data) for data in sources])
        assert not np.array_equal(part, full)
        cosines = (part * full).sum(axis=1) / np.linalg.norm(part, axis=1) / np.linalg.norm(full, axis=1)
        assert cosines[0] > 0.99
        assert cosines[1:].min() > 0.999


def test_what_needs_all_pixels_says_so() -> None:
    spec = {"height": 20, "width": 30, "channels": 3}
    assert [InputSpec(**spec, fit=fit).side for fit in ("pad", "stretch", "ink")] == [30, 30, None]
    features = (RawPixels((8, 12)), RawPixels(centered=True), HOG((40, 32)), Histogram())
    assert [each.side for each in features] == [12, None, 40, None]


class _Options(ort.SessionOptions):  # type: ignore[misc]
    """Records the threads that are asked for."""

    seen: ClassVar[list[int]] = []

    def __setattr__(self, name: str, value: object) -> None:
        if name == "intra_op_num_threads":
            self.seen.append(value)


@pytest.mark.parametrize(
    ("quota", "threads", "runs", "of_a_run", "decoding"),
    [(2.0, None, 2, 1, 2), (99.0, None, 8, 4, 8), (99.0, 3, 3, 1, 3), (99.0, 4, 2, 2, 4)],
)
def test_threads_are_what_the_process_may_use(
    tiny: Model,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    quota: float,
    threads: int | None,
    runs: int,
    of_a_run: int,
    decoding: int,
) -> None:
    """A machine of 64 processors, of which the container may use a few: ONNX Runtime took all."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(semelha.processors, "cpu_quota", lambda: quota)
    monkeypatch.setattr(ort, "SessionOptions", _Options)
    _Options.seen.clear()
    pools: list[int] = []
    computing: list[int] = []
    monkeypatch.setattr(
        extractors, "ThreadPoolExecutor", lambda count, name: computing.append(count) or ThreadPoolExecutor(count, name)
    )
    monkeypatch.setattr(reading, "ThreadPoolExecutor", lambda count: pools.append(count) or ThreadPoolExecutor(count))
    model = load_embedder(tiny.folder, threads=threads)
    model.embed(noise(0))
    model.embed(noise(0), threads=1)
    assert (_Options.seen, computing) == ([of_a_run], [runs])
    assert pools == [decoding, 1]
    with Gallery.create(tmp_path / "gallery", model, threads=threads) as gallery:
        gallery.enroll("a", noise(1))
    assert (set(_Options.seen), set(computing)) == ({of_a_run}, {runs})
    assert pools[2:] == [decoding]


@pytest.mark.parametrize("threads", [0, -1, True])
def test_threads_below_one(tiny: Model, threads: int) -> None:
    with pytest.raises(UsageError, match="threads is"):
        load_embedder(tiny.folder, threads=threads)
    with pytest.raises(UsageError, match="threads is"):
        tiny.embed(noise(0), threads=threads)
