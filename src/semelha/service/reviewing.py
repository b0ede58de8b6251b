"""Keeps pictures for review in a thread of its own: no answer waits for the database or for a small copy."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import ClassVar

from semelha.gallery import Gallery, Probe
from semelha.gallery.curation.reviews import review_kind
from semelha.images import Picture
from semelha.recognition import Identification
from semelha.service.metrics import Metrics

logger = logging.getLogger(__name__)

BATCH = 32  # pictures of one transaction


class ReviewKeeper:
    """Keeps what was not identified for sure. If too much waits, or it cannot be written, it is counted and left out.

    Parameters
    ----------
    gallery : callable
        Returns the gallery that is served at present.
    max_reviews : int
        Reviews of the gallery, of which the oldest are deleted.
    """

    wait_seconds: ClassVar[float] = 0.25  # between two transactions
    max_waiting: ClassVar[int] = 256  # pictures
    max_waiting_bytes: ClassVar[int] = 64 << 20  # of their files

    def __init__(self, gallery: Callable[[], Gallery], max_reviews: int, metrics: Metrics) -> None:
        self._gallery = gallery
        self._max_reviews = max_reviews
        self._metrics = metrics
        self._waiting: deque[tuple[Probe, Identification, Picture]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reviews", daemon=True)
        self._thread.start()

    def add(self, probes: Sequence[Probe], answers: Sequence[Identification], pictures: Sequence[Picture]) -> None:
        """Keep those whose answers need review, soon."""
        for probe, answer, picture in zip(probes, answers, pictures, strict=True):
            if review_kind(answer) is None:
                continue
            size = _size(picture)
            with self._changed:
                is_full = len(self._waiting) >= self.max_waiting or self._bytes + size > self.max_waiting_bytes
                if not is_full and not self._closing.is_set():
                    self._waiting.append((probe, answer, picture))
                    self._bytes += size
                    self._changed.notify()
            if is_full:
                self._metrics.reviews_left_out.inc()

    def close(self) -> None:
        """Keep what waits, and end the thread."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
                if not self._waiting:
                    return
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                self._bytes -= sum(_size(picture) for *_, picture in batch)
            self._keep(batch)
            self._closing.wait(self.wait_seconds)

    def _keep(self, batch: Sequence[tuple[Probe, Identification, Picture]]) -> None:
        probes, answers, pictures = ([one[place] for one in batch] for place in range(3))
        try:
            self._gallery().keep_for_review(probes, answers, pictures, max_reviews=self._max_reviews)  # type: ignore[arg-type]
        except Exception as error:
            self._metrics.reviews_left_out.inc(len(batch))
            logger.warning("%d pictures are not kept for review: %s", len(batch), error)


def _size(picture: Picture) -> int:
    return len(picture.source) if isinstance(picture.source, bytes) else 0
