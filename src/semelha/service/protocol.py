"""Connections: how many there are, how long headers are, how long a client takes to send them and to read answers."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADERS = 64 << 10  # bytes of the address and the headers of a request
HEADER_SECONDS = 10.0
UNREAD_SECONDS = 30.0
LINGER_SECONDS = 2.0
TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n"
TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class LimitedProtocol(HttpToolsProtocol):
    """HTTP of uvicorn, which has no such limits itself."""

    max_connections = 2048
    header_seconds = HEADER_SECONDS
    unread_seconds = UNREAD_SECONDS
    """How long a client may read nothing of an answer, which stays in memory."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waiting: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        if len(self.connections) > self.max_connections:
            self._end(TOO_MANY)
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_reading()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_reading()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_reading()

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_bytes = 0
        self._wait()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Read what else the client sends for some seconds: closed at once, the connection would lose the answer."""
        super().on_response_complete()
        if self.cycle.more_body and self._waiting is None:
            self._waiting = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _wait_for_reader(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._reading = self.loop.call_later(self.unread_seconds, self._check_reader, unread)

    def _check_reader(self, before: int) -> None:
        """Close the connection if the client has read nothing since."""
        if self.transport.get_write_buffer_size() >= before:
            self.transport.abort()
        else:
            self._wait_for_reader()

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADERS and not self.transport.is_closing():
            self._end(TOO_LONG)

    def _wait(self) -> None:
        """Begin to wait for the end of the headers."""
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.header_seconds, self._end, TOO_SLOW)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _end(self, answer: bytes) -> None:
        self._stop_waiting()
        self.transport.write(answer)
        self.transport.close()


def limited(most: int, header_seconds: float, unread_seconds: float) -> type[Any]:
    """The protocol with so many connections at one time, and so much time for headers and for reading answers."""
    values = {"max_connections": most, "header_seconds": header_seconds, "unread_seconds": unread_seconds}
    return type("Limited", (LimitedProtocol,), values)
