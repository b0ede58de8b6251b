"""The log of a server: as text, or as one JSON object a line, without names of subjects or files, keys, pictures."""

from __future__ import annotations

import json
import logging
import traceback
import warnings
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO

LogFormat = Literal["text", "json"]
SERVICE = "semelha.service"
FIELDS = ("method", "route", "status", "seconds", "caller", "gallery", "kind")
"""What a message may have beside its text, as `extra`."""
OURS = ("semelha", "uvicorn")
"""Loggers whose messages are constant but for their arguments."""
LEFT_OUT = "…"

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that this task or thread works on."""


class JsonFormatter(logging.Formatter):
    """A line for each record: time, level, logger, message, request_id, `FIELDS`, error and stack, as far as known.

    Of the arguments of a message only numbers are written, because any other may be a name of a subject or a file; of
    an exception its type and where it was raised, without its message.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if number := request_id.get():
            line["request_id"] = number
        line |= {name: getattr(record, name) for name in FIELDS if getattr(record, name, None) is not None}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            line["causes"] = _causes(record.exc_info[1])
            line["stack"] = _stack(record.exc_info[2])
        return json.dumps(line, ensure_ascii=False)


def configure(log_format: LogFormat, *, verbose: bool = False) -> None:
    """Write the log of this process in a format, with a line for each request if it is JSON or `verbose`."""
    if log_format == "json":
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
        logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
        warnings.showwarning = _log_warning
    if log_format == "json" or verbose:
        logging.getLogger(SERVICE).setLevel(logging.INFO)


def _message(record: logging.LogRecord) -> str:
    if (event := getattr(record, "event", None)) is not None:
        return str(event)
    if record.name.split(".")[0] not in OURS:
        return f"{record.module}:{record.lineno}"
    arguments = record.args if isinstance(record.args, tuple) else ()
    try:
        return str(record.msg) % tuple(map(_shown, arguments)) if arguments else str(record.msg)
    except (TypeError, ValueError):
        return str(record.msg)


def _shown(argument: object) -> object:
    if isinstance(argument, BaseException):
        return type(argument).__name__
    return argument if isinstance(argument, int | float) else LEFT_OUT


def _causes(error: BaseException) -> list[str]:
    """The types of the exceptions that led to one, the nearest first."""
    found: list[str] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(found) < 10:
        found.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    return found


def _stack(place: TracebackType | None) -> list[str]:
    """Where an exception was raised, the place itself last."""
    return [f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in traceback.extract_tb(place)[-20:]]


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Instead of `warnings.showwarning`: the message of a warning may have any text."""
    where = f"{Path(filename).name}:{lineno}"
    event = f"a warning of Python: {category.__name__} at {where}"
    logging.getLogger("semelha").warning("%s", event, extra={"event": event})
