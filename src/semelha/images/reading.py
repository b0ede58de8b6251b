"""Many pictures, in threads: Pillow lets go of the interpreter while it decodes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from semelha.errors import PictureError
from semelha.images.dataset import Picture

Result = TypeVar("Result")


def read_all(
    pictures: Sequence[Picture], function: Callable[[Picture], Result], *, threads: int | None = None
) -> Iterator[Result | PictureError]:
    """`function` of every picture, in order; the error in its place where a picture cannot be used.

    Parameters
    ----------
    pictures : sequence of Picture
    function : callable
        Called in threads; may raise `PictureError`.
    threads : int, optional
        As many as there are processors if not given.
    """

    def attempt(picture: Picture) -> Result | PictureError:
        try:
            return function(picture)
        except PictureError as error:
            return error

    workers = threads or os.cpu_count() or 1
    remaining = iter(pictures)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Result | PictureError]] = deque(
            pool.submit(attempt, picture) for picture in islice(remaining, 8 * workers)
        )
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(attempt, picture) for picture in islice(remaining, 1))
