"""The kinds of gallery that one contract is for, in the same calls: `Gallery`, `Client` and `AsyncClient`."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from fastapi.testclient import TestClient

from semelha import AsyncClient, Client
from semelha.gallery import Gallery
from semelha.service.app import create_app
from semelha.service.settings import Settings

KINDS = ("Gallery", "Client", "AsyncClient")
ODD_NAMES = ("a/b", "..", ".", "%2F", "what?#", "Äpfel & Birnen", "سيب", "x" * 200)


class InProcess(httpx2.BaseTransport):
    """Sends requests to an application in this process."""

    def __init__(self, app: TestClient) -> None:
        self._app = app

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        sent = {"headers": dict(request.headers), "content": request.read()}
        answer = self._app.request(request.method, str(request.url), **sent)
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)


class Waiting:
    """An `AsyncClient` whose calls wait for their results, so that it is used as `Gallery` is."""

    def __init__(self, client: AsyncClient, runner: asyncio.Runner) -> None:
        self._client, self._runner = client, runner

    def __len__(self) -> int:
        return self._runner.run(self._client.subject_count())

    def __contains__(self, name: str) -> bool:
        return self._runner.run(self._client.has_subject(name))

    def __iter__(self) -> Iterator[str]:
        async def names() -> list[str]:
            return [name async for name in self._client]

        return iter(self._runner.run(names()))

    @property
    def revision(self) -> int:
        return self._runner.run(self._client.revision())

    @property
    def calibration(self) -> Any:
        return self._runner.run(self._client.calibration())

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._runner.run(getattr(self._client, name)(*args, **kwargs))


@contextmanager
def opened(kind: str, path: Path) -> Iterator[Any]:
    """A gallery, or a client of a server of it."""
    if kind == "Gallery":
        with Gallery(path) as gallery:
            yield gallery
        return
    app = create_app(Settings(galleries=(path,), keys=path.parent / "keys.json"))
    if kind == "Client":
        with TestClient(app) as inner, Client("http://localhost", transport=InProcess(inner)) as client:
            yield client
        return
    with asyncio.Runner() as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        client = AsyncClient("http://localhost", transport=httpx2.ASGITransport(app=app))
        yield Waiting(client, runner)
        runner.run(client.close())
        runner.run(lifespan.__aexit__(None, None, None))
