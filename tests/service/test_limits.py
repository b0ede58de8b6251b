"""How much and how long: bodies, also in chunks; slow bodies; slow answers; too many at one time."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.made import near, text

from semelha.service.limits import Limits
from semelha.service.metrics import Metrics
from semelha.service.settings import Settings

Serving = Callable[..., TestClient]
JSON = {"Content-Type": "application/json"}


def test_a_body_that_is_too_large_is_refused_before_it_is_read(shop: Path, serving: Serving) -> None:
    client = serving(shop, max_body=2000)
    answer = client.post("/api/v1/identify", content=b"x" * 2001, headers=JSON)
    assert answer.status_code == 413
    assert "2,000 bytes" in answer.json()["detail"]
    for length in ("-1", "abc", "1_0", "٣"):
        given = {**JSON, "Content-Length": length.encode()}
        assert client.post("/api/v1/identify", content=b"", headers=given).status_code == 400
    given = {**JSON, "Content-Length": "9" * 30}
    assert client.post("/api/v1/identify", content=b"", headers=given).status_code == 413


@pytest.mark.parametrize("path", ["/api/v1/identify", "/api/v1/calibration", "/nothing/imports"])
def test_a_body_in_chunks_is_counted_while_it_arrives(shop: Path, serving: Serving, path: str) -> None:
    client = serving(shop, max_body=2000, max_import=2000)

    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    answer = client.post(path, content=chunks(), headers=JSON)
    assert answer.status_code == (404 if "nothing" in path else 413)
    assert (
        client.post("/api/v1/imports", content=chunks(), headers={"Content-Type": "application/zip"}).status_code == 413
    )


def test_a_subject_called_imports_takes_no_archive(shop: Path, serving: Serving) -> None:
    """Its path ends as that of an import, whose body may be large because it is not read into memory."""
    client = serving(shop, max_body=2000)
    for prefix in ("/api/v1", "/api/v1/galleries/shop"):
        answer = client.patch(f"{prefix}/subjects/imports", content=b" " * 2001, headers=JSON)
        assert answer.status_code == 413
        assert client.post(f"{prefix}/imports", content=b" " * 2001, headers=JSON).status_code == 415


class Calls:
    """Calls an ASGI application with a body whose parts come when they come."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, body: AsyncIterator[bytes], path: str = "/x") -> tuple[int, bytes]:
        headers = [(b"transfer-encoding", b"chunked")]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "state": {}}
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            try:
                return {"type": "http.request", "body": await anext(body), "more_body": True}
            except StopAsyncIteration:
                return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])


async def reads(scope: Any, receive: Any, send: Any) -> None:
    """Answers when the body is complete."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


def limited(app: Any = reads, **settings: Any) -> Calls:
    return Calls(Limits(app, Settings(**settings), Metrics()))


async def parts(*waits: float) -> AsyncIterator[bytes]:
    for seconds in waits:
        await asyncio.sleep(seconds)
        yield b"x" * 500


def test_a_slow_body_is_given_up() -> None:
    call = limited(body_deadline=0.1)
    assert asyncio.run(call(parts(0.0, 0.0)))[0] == 200
    status, body = asyncio.run(call(parts(*[0.04] * 100)))
    assert status == 408
    assert b"0.1 seconds" in body


def test_an_answer_that_does_not_begin_is_given_up() -> None:
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(10)

    status, body = asyncio.run(limited(waits, deadline=0.05)(parts()))
    assert status == 503
    assert b"may still be carried out" in body


def test_work_that_goes_on_after_the_deadline_is_counted_until_it_ends() -> None:
    """A thread cannot be interrupted: were it not counted, slow calls would fill the server without limit."""
    ends, ended = threading.Event(), []

    async def works(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await asyncio.to_thread(ends.wait)
            ended.append(scope["path"])
        await reads(scope, receive, send)

    async def calls() -> list[int]:
        call = limited(works, deadline=0.05, max_in_flight=2)
        statuses = [(await call(parts(), path))[0] for path in ("/slow", "/slow", "/x")]
        ends.set()
        while len(ended) < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        return [*statuses, (await call(parts()))[0]]

    assert asyncio.run(calls()) == [503, 503, 429, 200]


def test_a_request_that_is_cancelled_ends_and_is_counted_no_more() -> None:
    ended = []

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(10)
        finally:
            ended.append(True)

    async def calls() -> int:
        call = limited(waits, max_in_flight=1)
        first = asyncio.create_task(call(parts()))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.wait({first})
        await asyncio.sleep(0.01)
        call.app.app = reads
        return (await call(parts()))[0]

    assert asyncio.run(calls()) == 200
    assert ended == [True]


def test_an_answer_that_has_begun_has_all_the_time() -> None:
    async def streams(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.1)
        await send({"type": "http.response.body", "body": b"late"})

    assert asyncio.run(limited(streams, deadline=0.05)(parts())) == (200, b"late")


def test_requests_and_their_bytes_at_one_time_are_limited() -> None:
    async def many(call: Calls, count: int) -> list[int]:
        found = await asyncio.gather(*(call(parts(0.05, 0.05, 0.05)) for _ in range(count)))
        return sorted(status for status, _ in found)

    call = limited(max_in_flight=3)
    assert asyncio.run(many(call, 5)) == [200, 200, 200, 429, 429]
    assert asyncio.run(many(call, 3)) == [200, 200, 200]
    call = limited(max_bytes_in_flight=3200)
    statuses = asyncio.run(many(call, 4))
    assert statuses.count(200) == 2 or statuses.count(200) == 3
    assert 429 in statuses
    assert asyncio.run(many(call, 2)) == [200, 200]


def test_a_busy_server_is_still_seen_to_live(shop: Path, serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serving(shop, max_in_flight=1)
    gallery = client.app.state.galleries.get(None).gallery  # type: ignore[attr-defined]
    begun, release = threading.Event(), threading.Event()
    whole = gallery.find_subjects

    def slow(*args: Any, **kwargs: Any) -> Any:
        begun.set()
        release.wait(10)
        return whole(*args, **kwargs)

    monkeypatch.setattr(gallery, "find_subjects", slow)
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(client.get("/api/v1/subjects").status_code))
    thread.start()
    begun.wait(10)
    refused = client.post("/api/v1/identify", json={"pictures": [{"data": text(near(1))}]})
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert [client.get(path).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 200]
    release.set()
    thread.join()
    assert answers == [200]
