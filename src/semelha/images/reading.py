"""Read many pictures at once: threads decode ahead, results come in order, memory is bounded."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar, cast

import numpy as np
from PIL import Image

from semelha.arguments import check_int
from semelha.errors import PictureError
from semelha.images.content import HashBasis, content_hash, hash_of
from semelha.images.dataset import Dataset, Skipped
from semelha.images.picture import Picture, Source, as_picture, iterate_sources
from semelha.processors import processors
from semelha.tracing import span

Result = TypeVar("Result")
Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all); the latter is 0 if their number is unknown."""

MAX_THREADS = 8
READ_AHEAD = 16  # pictures per thread that are read before they are taken
MAX_DECODING_BYTES = 2**28  # of pictures that are decoded at one time


@dataclass(frozen=True, eq=False)
class ReadPicture(Generic[Result]):
    """A picture that was read: its place in the sequence that was passed, and what `work` made of it.

    `content_hash` is "" unless `hashed`. `result` is None if the content hash was `known`.
    """

    position: int
    name: str
    result: Result
    content_hash: str


def read_pictures(
    pictures: Source | Iterable[Source],
    work: Callable[[Image.Image], Result],
    *,
    at_least: int | None = None,
    hashed: bool | HashBasis = False,
    known: Container[str] = (),
    progress: Progress | None = None,
    threads: int | None = None,
    ahead: int | None = None,
) -> Generator[ReadPicture[Result] | PictureError]:
    """Decode pictures in threads and call `work` with each.

    Pillow releases the interpreter lock while it decodes. The threads live as long as the iteration, and read at most
    `ahead` pictures before they are taken. Decoding takes at most `MAX_DECODING_BYTES` of memory at one time; a picture
    that takes more is decoded alone.

    Parameters
    ----------
    pictures : picture or iterable of pictures
        Paths, bytes, binary files, pixels (h, w[, 3]) uint8, PIL images or `Picture`.
    work : callable
        From an RGB image of Pillow, upright, to a result. Called in the threads; may raise `PictureError`.
    at_least : int, optional
        Side to which `work` resizes: JPEGs may be decoded at a part of their size, as `decode` says. In full by
        default.
    hashed : bool or {"encoded", "pixels"}
        Compute the content hash of each picture too; True is "encoded". See `semelha.images.content`.
    known : container of str, optional
        Content hashes of pictures with which `work` is not called; JPEGs of these are not decoded if `hashed` is True.
    progress : callable, optional
        Called with (pictures done, pictures in all).
    threads : int, optional
        As many as this process may use processors, at most `MAX_THREADS`, by default.
    ahead : int, optional
        `READ_AHEAD` per thread by default.

    Yields
    ------
    ReadPicture, or PictureError if the picture cannot be used
        In the order of `pictures`.

    Raises
    ------
    UsageError
        An element of `pictures` is no picture, or `threads` is below 1.
    """
    basis: HashBasis | None = ("encoded" if hashed else None) if isinstance(hashed, bool) else hashed
    budget = _MemoryBudget(MAX_DECODING_BYTES)

    def read(picture: Picture, position: int) -> ReadPicture[Result] | PictureError:
        try:
            with span("decode"):
                if isinstance(picture.source, np.ndarray):
                    pixels = picture.pixels()
                    digest = content_hash(pixels) if basis else ""
                    return ReadPicture(position, picture.name, worked(Image.fromarray(pixels), digest), digest)
                with (
                    picture.open(at_least=None if basis == "pixels" else at_least) as opened,
                    budget.reserved(opened.decoding_bytes),
                ):
                    early = hash_of(opened, basis) if basis else ""
                    if early and early in known:
                        return ReadPicture(position, picture.name, cast("Result", None), early)
                    image = opened.image()
                    digest = content_hash(image) if early is None else early
                    return ReadPicture(position, picture.name, worked(image, digest), digest)
        except PictureError as error:
            return error

    def worked(image: Image.Image, digest: str) -> Result:
        return cast("Result", None) if digest and digest in known else work(image)

    def submit(source: Source, position: int) -> Future[ReadPicture[Result] | PictureError] | PictureError:
        try:
            return pool.submit(copy_context().run, read, as_picture(source, position=position), position)
        except PictureError as error:
            return error

    threads = min(MAX_THREADS, processors()) if threads is None else check_int("threads", threads, 1, 1024)
    total = len(pictures) if isinstance(pictures, Sequence | Dataset | np.ndarray) else 0
    remaining = (submit(source, position) for position, source in enumerate(iterate_sources(pictures)))
    with ThreadPoolExecutor(threads) as pool:
        try:
            waiting = deque(islice(remaining, ahead or READ_AHEAD * threads))
            done = 0
            while waiting:  # for half of them at a time: to wake for each costs the threads a tenth of their speed
                half = [waiting.popleft() for _ in range((len(waiting) + 1) // 2)]
                wait([each for each in half if isinstance(each, Future)])
                for each in half:
                    waiting.extend(islice(remaining, 1))
                    done += 1
                    if progress is not None:
                        progress(done, total)
                    yield each if isinstance(each, PictureError) else each.result()
        finally:  # a caller that stops early does not wait for pictures that are not begun
            pool.shutdown(wait=False, cancel_futures=True)


class _MemoryBudget:
    """Lets threads decode as long as their pictures take at most `most` bytes together, or one picture alone."""

    def __init__(self, most: int) -> None:
        self._most, self._used = most, 0
        self._released = threading.Condition()

    @contextmanager
    def reserved(self, size: int) -> Iterator[None]:
        with self._released:
            self._released.wait_for(lambda: self._used == 0 or self._used + size <= self._most)
            self._used += size
        try:
            yield
        finally:
            with self._released:
                self._used -= size
                self._released.notify_all()


def readable(dataset: Dataset, *, progress: Progress | None = None) -> Dataset:
    """Decode every picture; those that cannot be decoded move to `Dataset.skipped`."""
    kept, skipped = [], []
    for number, result in enumerate(read_pictures(dataset, lambda image: None, at_least=1, progress=progress)):
        if isinstance(result, PictureError):
            skipped.append(Skipped(dataset.pictures[number].name, str(result)))
        else:
            kept.append(number)
    return dataset.select(kept).with_skipped(skipped)
