"""The thread that keeps pictures for review: what it cannot keep is counted, and nobody waits for it."""

from pathlib import Path
from typing import Any

from tests.tiny_model import noise

from semelha.gallery import Gallery
from semelha.images import Picture
from semelha.service.metrics import Metrics
from semelha.service.reviewing import ReviewKeeper


def test_what_cannot_be_kept_is_counted(shop: Path) -> None:
    """Neither a database that cannot be written nor too much at a time ends the server."""
    with Gallery(shop) as gallery:
        probes = gallery.embed_probes([noise(500)] * 3)
        answers = gallery.identify_probes(probes)

    class Broken:
        def keep_for_review(self, *given: Any, **more: Any) -> None:
            raise OSError("no")

    metrics = Metrics()
    keeper = ReviewKeeper(lambda: Broken(), 10, metrics)  # type: ignore[arg-type, return-value]
    keeper.max_waiting = 2  # type: ignore[misc]
    with keeper._changed:  # the thread waits
        keeper.add(probes, answers, [Picture(b"", "", "a")] * 3)
        assert len(keeper._waiting) == 2
    keeper.close()
    assert b"semelha_reviews_left_out_total 3.0" in metrics.text()
