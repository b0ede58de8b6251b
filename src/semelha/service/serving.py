"""Runs the application with uvicorn, until a signal stops it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from semelha.errors import UsageError
from semelha.service.protocol import limited
from semelha.service.settings import Settings

KEEP_ALIVE = 5  # seconds that a connection waits for another request
BACKLOG = 2048


class Server(uvicorn.Server):
    """Ends the streams of events when a signal comes: other requests are finished, within the time for it."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called in the main thread, for SIGTERM and SIGINT."""
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.jobs.stop()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let answers arrive, and at the end of the time close connections whose clients read no further."""
        seconds = self.config.timeout_graceful_shutdown or 0
        closing = asyncio.get_running_loop().call_later(seconds, self._close_connections)
        try:
            await super().shutdown(sockets)
        finally:
            closing.cancel()
            self._close_connections()  # the loop must not end with open ones

    def _close_connections(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def serve(
    app: FastAPI, settings: Settings, *, on_ready: Callable[[str], None], listening: socket.socket | None = None
) -> int:
    """Serve until SIGTERM or SIGINT; `on_ready` is called with the address. Returns the number of the signal.

    Requests that were accepted are finished, for at most `settings.shutdown` seconds. `listening` is a socket of
    `listen`, by default a new one. Raises `UsageError` if the address cannot be used.
    """
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=limited(settings.max_connections, settings.header_deadline, settings.body_deadline),
        ws="none",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=round(settings.shutdown) or 1,
    )
    listening = listening or listen(settings)
    server = Server(config)
    stopped: list[int] = []
    before = {each: signal.signal(each, lambda got, _: stopped.append(got)) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        on_ready(address_of(listening, settings))
        server.run(sockets=[listening])  # raises the signal again when it has stopped
    finally:
        listening.close()
        for each, handler in before.items():
            signal.signal(each, handler)
    return stopped[0] if stopped else 0


def address_of(listening: socket.socket, settings: Settings) -> str:
    """The address at which a socket listens, as a URL."""
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{name}:{listening.getsockname()[1]}"


def listen(settings: Settings) -> socket.socket:
    """A socket that listens at the address of the settings. Raises `UsageError`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(BACKLOG)  # connections wait until the server runs
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise UsageError(f"{settings.host}:{settings.port} cannot be served: {error.strerror or error}") from error
    return bound
