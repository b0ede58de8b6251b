"""Writes that may be sent twice: with the header `Idempotency-Key` the second one gets the answer of the first."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from semelha.service.problems import Problem, problem_response

METHODS = ("POST", "PATCH", "DELETE", "PUT")
MAX_KEY = 200
MAX_ANSWERS = 1024
MAX_BODY = 1 << 16  # bytes of an answer that is remembered
LIFE = 24 * 3600.0  # seconds
RETRIED = (408, 429, 500, 503, 507)
"""Answers that are not remembered, because the request may be sent again."""


@dataclass
class _Kept:
    """The first request with a key: the hash of its body, and its answer when it is there."""

    since: float
    digest: bytes = b""
    messages: list[Message] = field(default_factory=list)
    is_complete: bool = False


class Idempotency:
    """Remembers answers to writes that have a key, for a day and in memory, for each caller and path.

    The same key with another body is refused (422), and while the first request is being answered (409).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = Headers(scope=scope).get("idempotency-key") if scope["type"] == "http" else None
        if key is None or scope["method"] not in METHODS:
            await self.app(scope, receive, send)
            return
        try:
            if not 0 < len(key) <= MAX_KEY:
                raise Problem(400, "invalid-request", f"Idempotency-Key must have 1 to {MAX_KEY} characters")
            query = scope.get("query_string", b"").decode("latin-1")
            place = (scope["state"]["caller"], scope["method"], scope["path"], query, key)
            self._forget()
            kept = self._kept.get(place)
            if kept is None:
                await self._first(place, scope, receive, send)
            else:
                await self._again(kept, receive, send)
        except Problem as problem:
            await problem_response(problem, scope)(scope, receive, send)

    async def _first(self, place: tuple[str, ...], scope: Scope, receive: Receive, send: Send) -> None:
        kept = self._kept[place] = _Kept(time.monotonic())
        digest, size, status = hashlib.sha256(), 0, 0

        async def hashed_receive() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                digest.update(message.get("body", b""))
            return message

        async def recorded_send(message: Message) -> None:
            nonlocal size, status
            if message["type"] == "http.response.start":
                status = message["status"]
            size += len(message.get("body", b""))
            if size <= MAX_BODY:
                kept.messages.append(message)
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                kept.is_complete = size <= MAX_BODY and status not in RETRIED

        try:
            await self.app(scope, hashed_receive, recorded_send)
        finally:
            kept.digest = digest.digest()
            if not kept.is_complete:
                self._kept.pop(place, None)

    async def _again(self, kept: _Kept, receive: Receive, send: Send) -> None:
        digest, more = hashlib.sha256(), True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            digest.update(message.get("body", b""))
            more = message.get("more_body", False)
        if not kept.is_complete:
            raise Problem(409, "in-progress", "a request with this Idempotency-Key is being answered")
        if digest.digest() != kept.digest:
            raise Problem(422, "key-reused", "another request was sent with this Idempotency-Key")
        start, *rest = kept.messages
        headers = [pair for pair in start["headers"] if pair[0] != b"x-request-id"]
        await send({**start, "headers": [*headers, (b"idempotent-replayed", b"true")]})
        for message in rest:
            await send(message)

    def _forget(self) -> None:
        """Drop what is too old, and the oldest if there are too many."""
        end = time.monotonic() - LIFE
        while self._kept and (len(self._kept) > MAX_ANSWERS or next(iter(self._kept.values())).since < end):
            self._kept.popitem(last=False)
