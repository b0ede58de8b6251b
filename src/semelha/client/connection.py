"""The connection to a server: its address and key, checked, and the HTTP library, which is loaded when it is used.

The library is httpx2, the maintained continuation of httpx: it sends synchronously and asynchronously, and calls an
application in the same process, as Starlette's test client does.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from semelha._version import __version__
from semelha.arguments import check_float, check_int, refuse
from semelha.client.calls import Calls
from semelha.client.exchange import Answer, NoAnswer
from semelha.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    import httpx2

CONNECT = 10.0  # seconds
MAX_RETRIES, MAX_TIMEOUT = 100, 86_400
TIMEOUT = 75.0  # longer than the deadline of a server, whose answer says what happened


def http_library() -> ModuleType:
    """The module httpx2. Raises `MissingExtra`."""
    try:
        return import_module("httpx2")
    except ModuleNotFoundError as error:
        raise MissingExtra(f'the client needs {error.name}: pip install "semelha[client]"') from error


def annotated_types() -> dict[str, Any]:
    """The types of arguments that are imported when they are checked."""
    return {"httpx2": http_library()}


def checked_address(url: str) -> str:
    """The address of a server without a slash at the end. Raises `UsageError` unless it is one."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    if not is_address or not url.isascii() or not url.isprintable() or " " in url:
        refuse("url", url, "the address of a server, such as http://127.0.0.1:8000")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError("url has a key, a query or a fragment: pass the address alone, and the key as key")
    return url.rstrip("/")


def calls_of(url: str, gallery: str | None, timeout: float, retries: int) -> Calls:
    """The calls of a gallery of a server. Raises `UsageError`."""
    if gallery is not None and not gallery.strip():
        refuse("gallery", gallery, "the name of a gallery, or None for the first one")
    check_float("timeout", timeout, 0.001, MAX_TIMEOUT)
    return Calls(checked_address(url), gallery, check_int("retries", retries, 0, MAX_RETRIES), timeout)


def options(key: str | None, timeout: float) -> dict[str, Any]:
    """Arguments of a client of httpx2."""
    headers = {"User-Agent": f"semelha/{__version__}", "Accept": "application/json, */*;q=0.5"}
    if key is not None:
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise UsageError("key must be what `semelha keys create` prints: it has other characters")
        headers["Authorization"] = f"Bearer {key}"
    limit = http_library().Timeout(timeout, connect=min(CONNECT, timeout))
    return {"headers": headers, "timeout": limit, "follow_redirects": False}


def answer_of(response: httpx2.Response) -> Answer:
    """A response that was read."""
    return Answer(response.status_code, {name.lower(): one for name, one in response.headers.items()}, response.content)


def no_answer(error: httpx2.HTTPError) -> NoAnswer:
    """The failure of a connection."""
    is_timeout = isinstance(error, http_library().ReadTimeout)
    reason = "no answer in time" if is_timeout else str(error) or type(error).__name__
    return NoAnswer(reason, is_timeout=is_timeout)
