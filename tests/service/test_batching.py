"""Batches: requests are answered together as they would be alone, and what is accepted is finished."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.service.made import near

from semelha.errors import PictureError
from semelha.gallery import Gallery
from semelha.images import Picture
from semelha.recognition import Identification
from semelha.service.batching import Batcher
from semelha.service.metrics import Metrics
from semelha.service.problems import Busy, PrematureStop
from semelha.service.settings import Settings


@pytest.fixture
def gallery(shop: Path) -> Iterator[Gallery]:
    with Gallery(shop) as opened:
        yield opened


def picture(seed: int) -> Picture:
    return Picture(near(seed), "", f"picture {seed}")


BAD = Picture(b"no picture", "", "bad")


def batcher(gallery: Any, **settings: Any) -> Batcher:
    return Batcher(lambda: gallery, Settings(**settings), Metrics())


class Slow:
    """A gallery whose answers wait for an event."""

    def __init__(self) -> None:
        self.begun, self.release = threading.Semaphore(0), threading.Event()
        self.sizes: list[int] = []

    def embed_probes(self, pictures: list[Picture]) -> list[str]:
        self.sizes.append(len(pictures))
        self.begun.release()
        self.release.wait(10)
        return [one.name for one in pictures]


def test_requests_are_answered_together_as_they_are_alone(gallery: Gallery) -> None:
    made = batcher(gallery, batch_wait=0.05)
    sizes: list[int] = []
    embed = gallery.embed_probes

    async def many() -> list[Any]:
        requests = [made.identify([picture(n), picture(n + 1)], 1 + n % 3) for n in range(8)]
        return await asyncio.gather(*requests, made.identify([BAD, picture(3)], 2), made.embed([picture(5), BAD]))

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(gallery, name)

        def embed_probes(self, pictures: list[Picture]) -> Any:
            sizes.append(len(pictures))
            return embed(pictures)

    made._gallery = lambda: Counting()  # type: ignore[assignment, return-value]
    *found, mixed, embedded = asyncio.run(many())
    made.close()
    assert sum(sizes) == 20
    assert max(sizes) > 4
    for number, answers in enumerate(found):
        assert answers == gallery.identify_many([picture(number), picture(number + 1)], k=1 + number % 3)
    assert isinstance(mixed[0], PictureError)
    assert mixed[1] == gallery.identify(picture(3), k=2)
    assert embedded[0].name == "picture 5"
    assert isinstance(embedded[1], PictureError)


def test_a_lone_request_is_embedded_at_once_and_those_after_it_wait_for_one_another() -> None:
    slow = Slow()
    made = batcher(slow, batch_size=3, batch_wait=1.0)

    async def many() -> None:
        alone = asyncio.create_task(made.embed([picture(0)]))
        assert await asyncio.to_thread(slow.begun.acquire, timeout=10)
        others = [asyncio.create_task(made.embed([picture(number)])) for number in range(2)]
        assert not await asyncio.to_thread(slow.begun.acquire, timeout=0.1)
        others.append(asyncio.create_task(made.embed([picture(2)])))
        assert await asyncio.to_thread(slow.begun.acquire, timeout=10)
        slow.release.set()
        await asyncio.gather(alone, *others)

    asyncio.run(many())
    made.close()
    assert slow.sizes == [1, 3]


def test_an_error_of_one_request_is_not_that_of_others(gallery: Gallery) -> None:
    class Failing:
        def embed_probes(self, pictures: list[Picture]) -> Any:
            if BAD in pictures:
                raise MemoryError
            return gallery.embed_probes(pictures)

        def identify_probes(self, probes: Any, *, k: int) -> Any:
            return gallery.identify_probes(probes, k=k)

    made = batcher(Failing(), batch_wait=0.05)

    async def many() -> list[Any]:
        requests = (made.identify([BAD], 1), made.identify([picture(2)], 2))
        return await asyncio.gather(*requests, return_exceptions=True)

    wrong, right = asyncio.run(many())
    made.close()
    assert isinstance(wrong, MemoryError)
    assert isinstance(right[0], Identification)


def test_a_full_queue_refuses_and_a_large_request_waits_for_an_empty_one() -> None:
    slow = Slow()
    made = batcher(slow, max_queue=4, batch_size=1, batch_wait=0.0)

    async def fill() -> list[Any]:
        running = []
        for count in (9, 1):
            running.append(asyncio.create_task(made.embed([BAD] * count)))
            await asyncio.to_thread(slow.begun.acquire, timeout=10)
        waiting = [asyncio.create_task(made.embed([BAD, BAD])) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(Busy):
            await made.embed([BAD])
        slow.release.set()
        return await asyncio.gather(*running, *waiting)

    found = asyncio.run(fill())
    made.close()
    assert [len(one) for one in found] == [9, 1, 2, 2]


def test_what_is_accepted_is_finished_at_the_end_and_no_more_is_accepted() -> None:
    slow = Slow()
    made = batcher(slow, batch_size=1, batch_wait=0.0)

    async def stop() -> list[Any]:
        accepted = [asyncio.create_task(made.embed([BAD])) for _ in range(6)]
        await asyncio.to_thread(slow.begun.acquire, timeout=10)
        closing = asyncio.create_task(asyncio.to_thread(made.close))
        await asyncio.sleep(0.05)
        with pytest.raises(PrematureStop):
            await made.embed([BAD])
        slow.release.set()
        await closing
        return await asyncio.gather(*accepted)

    assert asyncio.run(stop()) == [["bad"]] * 6


def test_a_request_that_is_given_up_is_not_computed() -> None:
    slow = Slow()
    made = batcher(slow, batch_size=1, batch_wait=0.0)

    async def give_up() -> None:
        running = [asyncio.create_task(made.embed([BAD])) for _ in range(2)]
        await asyncio.to_thread(lambda: [slow.begun.acquire(timeout=10) for _ in range(2)])
        waiting = asyncio.create_task(made.embed([BAD]))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        slow.release.set()
        await asyncio.gather(*running)

    asyncio.run(give_up())
    made.close()
    assert not slow.begun.acquire(blocking=False)
