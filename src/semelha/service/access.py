"""Who may call: API keys in a header, roles, a rate for each key, and no calls from other web pages."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from semelha.errors import SemelhaError
from semelha.gallery import acting_as
from semelha.service.keys import ROLES, KeyFile, Role
from semelha.service.metrics import Metrics
from semelha.service.problems import Busy, Problem, problem_response
from semelha.service.settings import Settings, is_loopback
from semelha.service.state import State
from semelha.service.threads import run_short

logger = logging.getLogger(__name__)

READY = "/readyz"
"""It says more to who may call."""
OPEN = ("/", "/icon.svg", "/healthz", READY, "/docs", "/docs/page.css", "/openapi.json")
OPEN_FOLDER = "/assets/"
"""Paths that need no key: of the page its files, which say nothing of a gallery."""
ANONYMOUS = "anonymous"
"""The caller where no key is needed."""
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="semelha"'}


class Access:
    """Finds the caller of a request and what it may do, or answers 401, 403 or 429."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics, state: State) -> None:
        self.app = app
        self._keys = KeyFile(settings.keys) if settings.needs_keys else None
        self._rate = RateLimit(settings.rate, state) if settings.rate else None
        self._checks_host = is_loopback(settings.host)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self._admit(scope)
        except Problem as problem:
            self._metrics.refused.labels(problem.kind).inc()
            await problem_response(problem, scope)(scope, receive, send)
            return
        with acting_as(scope["state"]["actor"]):
            await self.app(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        state = scope.setdefault("state", {})
        state["caller"], state["actor"], state["role"] = ANONYMOUS, ANONYMOUS, None
        if is_open(scope["path"]):
            if scope["path"] == READY:
                with suppress(Problem, SemelhaError):
                    await self._identify(scope)
            return
        await self._identify(scope)
        if self._rate is not None:
            await run_short(self._rate.take, state["caller"])

    async def _identify(self, scope: Scope) -> None:
        """Find who sends a request, and what it may do. Raises `Problem` if it may do nothing."""
        headers, state = Headers(scope=scope), scope["state"]
        if self._keys is None:
            self._check_site(headers)
            state["role"] = "admin"
            return
        key = key_of(headers)
        found = None if key is None else await run_short(self._keys.find, key)
        if found is None:
            what = "no key" if key is None else "a key that is not valid"
            where = "send it in the header Authorization: Bearer, or x-api-key"
            raise Problem(401, "unauthorized", f"the request has {what}: {where}", headers=CHALLENGE)
        state["caller"], state["actor"], state["role"] = found.id, found.name, found.role

    def _check_site(self, headers: Headers) -> None:
        """Without keys, refuse what a page of another site sends through the browser of this machine."""
        host = headers.get("host", "")
        if self._checks_host and not is_loopback(_parsed(f"//{host}").hostname or ""):
            raise Problem(403, "foreign-host", "the server listens on this machine alone: call it as localhost")
        origin = headers.get("origin")
        is_foreign = origin is not None and _parsed(origin).netloc != host
        if is_foreign or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Problem(403, "foreign-origin", "requests of other web sites are refused")


class RateLimit:
    """A token bucket for each caller: `rate` requests per second, and twice as many at once, to all processes."""

    def __init__(self, rate: float, state: State) -> None:
        self._rate, self._most = rate, max(1.0, 2 * rate)
        self._state = state

    def take(self, caller: str, now: float | None = None) -> None:
        """Count a request, at a time of a clock that never goes back. Raises `Busy` if there are too many."""
        now = time.monotonic() if now is None else now
        try:
            tokens = self._taken(caller, now)
        except SemelhaError as error:  # such as a full disk: reads go on
            logger.error("a request is not counted: %s", error)
            return
        if tokens < 1:
            after = max(1, round((1 - tokens) / self._rate))
            raise Busy(f"this key may send {self._rate:g} requests per second", after=after)

    def _taken(self, caller: str, now: float) -> float:
        """The tokens of a caller before one is taken; below 1 none is."""
        with self._state.transaction() as db:
            row = db.execute("SELECT tokens, at FROM rates WHERE caller = ?", (caller,)).fetchone()
            # The clock starts with the machine: a later time is one from before its last start.
            tokens, before = row if row and row[1] <= now else (self._most, now)
            tokens = min(self._most, tokens + (now - before) * self._rate)
            values = caller, tokens - 1 if tokens >= 1 else tokens, now
            db.execute("INSERT OR REPLACE INTO rates VALUES (?, ?, ?)", values)
        return tokens


def _parsed(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        raise Problem(400, "invalid-request", "the header Host or Origin is no address") from None


def is_open(path: str) -> bool:
    """Whether a path needs no key."""
    return path in OPEN or path.startswith(OPEN_FOLDER)


def key_of(headers: Mapping[str, str]) -> str | None:
    """The key of a request, from its headers alone."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    return headers.get("x-api-key")


def needs(role: Role) -> Any:
    """A dependency: the key must have this role, or a higher one."""

    async def check(request: Request) -> None:
        if ROLES.index(request.state.role) < ROLES.index(role):
            raise Problem(403, "forbidden", f"the key has the role {request.state.role}, and this needs {role}")

    return Depends(check)
