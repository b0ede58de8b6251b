"""Spans of OpenTelemetry around the steps of an answer, where a program has loaded it; otherwise nothing.

A span has numbers and the kind of an error alone: no names, no messages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAME = "semelha"


def loaded() -> Any:
    """The module `opentelemetry.trace`; None if the program has not imported it."""
    return sys.modules.get("opentelemetry.trace")


@contextmanager
def span(name: str, **arguments: Any) -> Iterator[Any]:
    """A span of the global tracer, which is the current one inside the block. Yields it, or None.

    `arguments` are those of `Tracer.start_as_current_span`. An exception is recorded by its type, not by its message.
    """
    trace = loaded()
    if trace is None:
        yield None
        return
    quiet = {"record_exception": False, "set_status_on_exception": False}
    with trace.get_tracer(NAME).start_as_current_span(name, **quiet, **arguments) as made:
        try:
            yield made
        except BaseException as error:
            made.set_attribute("error.type", type(error).__name__)
            made.set_status(trace.StatusCode.ERROR)
            raise
