"""Many pictures, in threads: Pillow lets go of the interpreter while it decodes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from semelha.errors import PictureError
from semelha.images.dataset import Dataset, Skipped

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_all(
    pictures: Sequence[Item], function: Callable[[Item], Result], *, threads: int | None = None
) -> Iterator[Result | PictureError]:
    """`function` of every picture, in order; the error in its place where a picture cannot be used.

    Parameters
    ----------
    pictures : sequence of Picture, or of what the function makes one of
    function : callable
        Called in threads; may raise `PictureError`.
    threads : int, optional
        As many as there are processors if not given.
    """

    def attempt(picture: Item) -> Result | PictureError:
        try:
            return function(picture)
        except PictureError as error:
            return error

    workers = threads or os.cpu_count() or 1
    remaining = iter(pictures)
    pool = ThreadPoolExecutor(workers)
    try:
        waiting: deque[Future[Result | PictureError]] = deque(
            pool.submit(attempt, picture) for picture in islice(remaining, 8 * workers)
        )
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(attempt, picture) for picture in islice(remaining, 1))
    finally:  # whoever stops reading early does not wait for what is still in line
        pool.shutdown(cancel_futures=True)


def readable(dataset: Dataset, *, progress: Callable[[int, int], None] | None = None) -> Dataset:
    """The pictures that decode; the others are among the result's `skipped`.

    Parameters
    ----------
    dataset : Dataset
    progress : callable, optional
        Called with (pictures done, pictures in all).
    """
    kept, skipped = [], []
    for number, result in enumerate(read_all(dataset.pictures, lambda picture: picture.pixels().shape)):
        if isinstance(result, PictureError):
            skipped.append(Skipped(dataset.pictures[number].name, str(result)))
        else:
            kept.append(number)
        if progress is not None:
            progress(number + 1, len(dataset))
    return dataset.select(kept).with_skipped(skipped)
