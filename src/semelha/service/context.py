"""The outermost layer of a request: its id, its path as it was sent, headers of safety, the log, unexpected errors."""

from __future__ import annotations

import logging
import re
import secrets
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from semelha.service.logs import SERVICE
from semelha.service.logs import request_id as current_id
from semelha.service.metrics import Metrics, known_method
from semelha.service.paths import route_of
from semelha.service.problems import problem_response

logger = logging.getLogger(SERVICE)

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
POLICY = "default-src 'none'; frame-ancestors 'none'"
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class Context:
    """Gives each request an id, and every answer headers of safety. Writes one line of the log for each.

    Routes are matched on the path as it was sent, so that names with slashes can be in it: see `paths.py`.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        token = current_id.set(request_id)
        if raw := scope.get("raw_path"):
            scope["path"] = raw.split(b"?")[0].decode("ascii", "replace")
        status, start = 0, time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, request_id, scope["path"])
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:
            logger.exception("request %s failed", request_id)
            if not status:
                await problem_response(error, scope)(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - start
            route = route_of(scope)
            self.metrics.answered(scope["method"], route, status, seconds)
            values = {
                "method": known_method(scope["method"]),
                "route": route,
                "status": status,
                "seconds": round(seconds, 4),
                "caller": scope["state"].get("caller", "-"),
            }
            extra = {**values, "event": "request", "gallery": scope["state"].get("gallery")}
            logger.info("%s %s %s %d %.4f %s", request_id, *values.values(), extra=extra)
            current_id.reset(token)


def _add_headers(message: Message, request_id: str, path: str) -> None:
    present = {name for name, _ in message["headers"]}
    wanted = {
        **HEADERS,
        "x-request-id": request_id,
        "content-security-policy": DOCS_POLICY if path.startswith("/docs") else POLICY,
        "cache-control": "no-store",
    }
    added = [(name.encode(), value.encode()) for name, value in wanted.items() if name.encode() not in present]
    message["headers"] = [*message["headers"], *added]
