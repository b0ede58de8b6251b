"""Threads for short calls, which do not wait for slow ones: those of galleries can all be at work for minutes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import anyio.to_thread
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

THREADS = 4
_limiter: RunVar[CapacityLimiter] = RunVar("short calls")


async def run_short(function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
    """Run a function that takes milliseconds, such as the check of a key, in one of a few threads for such calls."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(THREADS)
        _limiter.set(limiter)
    return await anyio.to_thread.run_sync(function, *arguments, limiter=limiter)
