"""Writes that may be sent twice: with the header `Idempotency-Key` the second one gets the answer of the first.

Answers are in the state file, so that another process of the server and its next start know them too. An answer has
names of subjects. So it is encrypted under the request's key, which is not stored: nobody but the client can have it
decrypted, and what a removed subject was called cannot be read from the file.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from semelha.errors import SemelhaError
from semelha.service.problems import Problem, problem_response
from semelha.service.state import State
from semelha.service.threads import run_short

logger = logging.getLogger(__name__)

METHODS = ("POST", "PATCH", "DELETE", "PUT")
MAX_KEY = 200
MAX_ANSWERS = 10_000
MAX_BODY = 1 << 16  # bytes of an answer that is remembered
LIFE = 24 * 3600.0  # seconds of a clock that starts with the machine, and that nobody sets
RETRIED = (408, 429, 500, 503, 507)
"""Answers that are not remembered, because the request may be sent again."""


@dataclass(frozen=True)
class _Answer:
    """The keyed hash of a request's body, and the messages of its answer."""

    digest: bytes
    messages: list[Message]


class Answers:
    """The remembered answers of the state file, by the secrets of their requests."""

    def __init__(self, state: State) -> None:
        self._state = state

    def claim(self, secret: bytes) -> _Answer | None:
        """The answer to a request that was answered; None if it is the first, which then must `keep` or `release`.

        Raises `Problem` (409) while the first one is being answered, in any process that has not been killed.
        """
        place, now = _derived(secret, b"place"), time.monotonic()
        with self._state.transaction() as db:
            last = db.execute("SELECT max(number) FROM answers").fetchone()[0] or 0
            db.execute("UPDATE answers SET since = ? WHERE since > ?", (now, now))  # of before the machine's last start
            db.execute("DELETE FROM answers WHERE since < ? OR number <= ?", (now - LIFE, last - MAX_ANSWERS))
            row = db.execute("SELECT process, digest, salt, answer FROM answers WHERE place = ?", (place,)).fetchone()
            if row is None or (row[3] is None and not self._state.is_alive(row[0])):
                values = place, now, self._state.process
                db.execute("INSERT OR REPLACE INTO answers (place, since, process) VALUES (?, ?, ?)", values)
                return None
        _, digest, salt, answer = row
        if answer is None:
            raise Problem(409, "in-progress", "a request with this Idempotency-Key is being answered")
        return _Answer(digest, _unpacked(_mixed(answer, secret, salt)))

    def keep(self, secret: bytes, answer: _Answer) -> None:
        """Remember an answer, durably."""
        salt = secrets.token_bytes(16)
        sealed = _mixed(_packed(answer.messages), secret, salt)
        with self._state.transaction(durable=True) as db:
            db.execute(
                "UPDATE answers SET digest = ?, salt = ?, answer = ? WHERE place = ?",
                (answer.digest, salt, sealed, _derived(secret, b"place")),
            )

    def release(self, secret: bytes) -> None:
        """Let the next request with this key be the first, unless this one has an answer that is remembered."""
        with self._state.transaction() as db:
            db.execute("DELETE FROM answers WHERE place = ? AND answer IS NULL", (_derived(secret, b"place"),))


class Idempotency:
    """Remembers answers to writes that have a key, for a day, for each caller and path.

    The same key with another body is refused (422), and while the first request is being answered (409).
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self._answers = Answers(state)

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
            secret = hashlib.sha256(json.dumps(place).encode()).digest()
            known = await run_short(self._answers.claim, secret)
            if known is None:
                await self._first(secret, scope, receive, send)
            else:
                await self._again(known, secret, receive, send)
        except (Problem, SemelhaError) as problem:
            await problem_response(problem, scope)(scope, receive, send)

    async def _first(self, secret: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(secret, receive)
        held: list[Message] = []
        is_held, size = True, 0

        async def remembered_send(message: Message) -> None:
            """Send the answer when it is remembered; one that is too large as it comes."""
            nonlocal is_held, size
            if not is_held:
                await send(message)
                return
            held.append(message)
            size += len(message.get("body", b""))
            is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)
            if is_whole and size <= MAX_BODY and held[0]["status"] not in RETRIED and await body.read_rest():
                await self._try(self._answers.keep, secret, _Answer(body.digest(), held))
            if is_whole or size > MAX_BODY:
                is_held = False
                for each in held:
                    await send(each)

        try:
            await self.app(scope, body.receive, remembered_send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._try(self._answers.release, secret)

    async def _try(self, change: Callable[..., None], *values: Any) -> None:
        """Make a change that the answer does not wait for: on a full disk the request was carried out nevertheless."""
        try:
            await run_short(change, *values)
        except SemelhaError as error:
            logger.error("the answer to a request with an Idempotency-Key is not remembered: %s", error)

    async def _again(self, known: _Answer, secret: bytes, receive: Receive, send: Send) -> None:
        body = _Body(secret, receive)
        if not await body.read_rest():
            return
        if body.digest() != known.digest:
            raise Problem(422, "key-reused", "another request was sent with this Idempotency-Key")
        start, *rest = known.messages
        headers = [pair for pair in start["headers"] if pair[0] != b"x-request-id"]
        await send({**start, "headers": [*headers, (b"idempotent-replayed", b"true")]})
        for message in rest:
            await send(message)


class _Body:
    """The body of a request, and its hash under a secret."""

    def __init__(self, secret: bytes, receive: Receive) -> None:
        self._hash = hashlib.blake2b(key=secret, digest_size=32)
        self._receive = receive
        self._is_whole = False
        self.digest: Callable[[], bytes] = self._hash.digest

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._hash.update(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
        return message

    async def read_rest(self) -> bool:
        """Read what the application has not read; False if the client goes away, or the rest is refused."""
        try:
            while not self._is_whole:
                if (await self.receive())["type"] != "http.request":
                    return False
        except Problem:
            return False
        return True


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return hashlib.blake2b(purpose, key=secret, digest_size=32).digest()


def _mixed(data: bytes, secret: bytes, salt: bytes) -> bytes:
    """Encrypt or decrypt: SHAKE-256 of the secret and a random salt as a stream cipher."""
    stream = hashlib.shake_256(_derived(secret, b"answer") + salt).digest(len(data))
    return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(data), "big")


def _packed(messages: list[Message]) -> bytes:
    start, *bodies = messages
    headers = [[part.decode("latin-1") for part in pair] for pair in start["headers"]]
    head = json.dumps({"status": start["status"], "headers": headers}).encode()
    return head + b"\n" + b"".join(each.get("body", b"") for each in bodies)


def _unpacked(data: bytes) -> list[Message]:
    head, _, body = data.partition(b"\n")
    stored: dict[str, Any] = json.loads(head)
    headers = [tuple(part.encode("latin-1") for part in pair) for pair in stored["headers"]]
    start = {"type": "http.response.start", "status": stored["status"], "headers": headers}
    return [start, {"type": "http.response.body", "body": body}]
