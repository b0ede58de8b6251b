"""Requests to one gallery of a server: records of all pages, jobs until they end, writes with a key."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from semelha.client.answers import parsed
from semelha.client.exchange import Answer, Request, Steps, error_of, exchange
from semelha.embedders import Progress
from semelha.errors import ServiceError
from semelha.store import Subject
from semelha.text import as_unicode

T = TypeVar("T")

PAGE = 1000  # records of a page
POLL = 0.5  # seconds between looks at a job
JOB_WAIT = 10.0  # seconds that a server waits for the end of a job before it answers


class Requests:
    """Requests to a gallery of a server, by default its first; each is sent up to `retries` times again."""

    def __init__(self, address: str, gallery: str | None, retries: int, timeout: float) -> None:
        self._galleries = f"{address}/api/v1/galleries"
        self._gallery = gallery
        self._root = f"{address}/api/v1" if gallery is None else f"{self._galleries}/{segment(gallery)}"
        self._retries = retries
        self._job_wait = min(JOB_WAIT, timeout / 2)

    def gallery(self) -> Steps[Any]:
        """The record of the gallery."""
        if self._gallery is not None:
            return (yield from self.json("GET", ""))
        found = yield from self.json("GET", "", root=self._galleries)
        return parsed(lambda one: one["galleries"][0], found)

    def job(self, path: str, query: dict[str, str], content: Any, progress: Progress | None) -> Steps[Any]:
        """Start a job and wait for its end. Returns its result, or raises the error that ended it."""
        job = yield from self.write("POST", path, content, {**query, "wait": f"{self._job_wait:g}"})
        while True:
            state, done, total = parsed(lambda one: (one["state"], one["done"], one["total"]), job)
            if progress is not None and total:
                progress(done, total)
            if state == "done":
                return job["result"]
            if state == "failed":
                raise parsed(lambda one: error_of(one["status"], one["kind"], one["detail"]), job["problem"])
            if state == "cancelled":
                raise ServiceError("the job was cancelled")
            yield POLL
            job = yield from self.json("GET", f"/jobs/{segment(str(job['id']))}")

    def pages(
        self, path: str, field: str, parse: Callable[[Any], T], query: dict[str, str] | None = None
    ) -> Steps[list[T]]:
        """The records of all pages of a list."""
        records: list[T] = []
        query = {**(query or {}), "limit": str(PAGE)}
        while True:
            page = yield from self.json("GET", path, query)
            records += parsed(lambda one: [parse(each) for each in one[field]], page)
            following = parsed(lambda one: one["next"], page)
            if following is None:
                return records
            query["cursor"] = str(following)

    def write(self, method: str, path: str, content: Any = None, query: dict[str, str] | None = None) -> Steps[Any]:
        """Send a request that may change something, with a key by which the server knows it if it is repeated."""
        return (yield from self.send(method, path, query, content, is_write=True)).json()

    def json(
        self, method: str, path: str, query: dict[str, str] | None = None, content: Any = None, *, root: str = ""
    ) -> Steps[Any]:
        """Send a request that changes nothing, and return its answer as JSON."""
        return (yield from self.send(method, path, query, content, root=root)).json()

    def send(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        content: Any = None,
        *,
        is_write: bool = False,
        accepted: str = "",
        root: str = "",
    ) -> Steps[Answer]:
        """Send a request and return its answer: see `exchange`."""
        url = f"{root or self._root}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Idempotency-Key": secrets.token_hex(16)} if is_write else {}
        body = None
        if content is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(content).encode()
        request = Request(method, url, body, headers, is_write)
        return (yield from exchange(request, self._retries, accepted=accepted))


def segment(name: str) -> str:
    """A name as one part of a path. A part of dots alone would be resolved as a folder."""
    return quote(as_unicode(name), safe="").replace(".", "%2E")


def cursor_after(last: Subject) -> str:
    """The cursor of the page after a subject, as the server makes it."""
    return cursor_of([last.name, last.examples, last.created])


def cursor_of(values: list[Any]) -> str:
    """Numbers and texts as a cursor, as the server makes it."""
    text = json.dumps(values, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
