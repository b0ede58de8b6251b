"""Options of the commands that read pictures: `--threads`, `--max-pixels` and `--bits`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from typer import Option

from semelha.images import Limits, Picture
from semelha.processors import processors, use_at_most

COMMANDS = frozenset(
    {
        "train",
        "shards",
        "embed",
        "enroll",
        "identify",
        "verify",
        "explain",
        "reject",
        "calibrate",
        "cluster",
        "migrate",
        "evaluate",
        "compare",
        "tune",
    }
)
"""The commands that have these options."""

OPTIONS: dict[str, Any] = {
    "threads": Annotated[
        int | None,
        Option(help="Threads that decode and compute.", min=1, max=1024, show_default="processors of this process"),
    ],
    "max_pixels": Annotated[
        int | None,
        Option(help="Pixels of a picture; memory for 8 bytes each.", min=1, show_default=f"{Limits.max_pixels:,}"),
    ],
    "bits": Annotated[
        int | None,
        Option(help="Bits that count in grey pictures of 16 bits.", min=8, max=32, show_default="by the picture"),
    ],
}

_limits = Limits()


def limits() -> Limits:
    """The limits that the command line sets for pictures."""
    return _limits


def picture_of(path: Path) -> Picture:
    """A picture that an argument names."""
    return Picture(path, "", str(path), limits=limits())


def with_reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with these options, which hold for every picture that it reads."""

    @wraps(command)
    def run(*args: Any, threads: int | None, max_pixels: int | None, bits: int | None, **kwargs: Any) -> Any:
        global _limits
        use_at_most(threads)
        _limit_torch()
        most = Limits.max_pixels if max_pixels is None else max_pixels
        _limits = Limits(max_pixels=most, max_memory=max(Limits.max_memory, 8 * most), bits=bits)
        return command(*args, **kwargs)

    own = signature(command, eval_str=True)
    added = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kind) for name, kind in OPTIONS.items()]
    run.__signature__ = own.replace(parameters=[*own.parameters.values(), *added])  # type: ignore[attr-defined]
    run.__annotations__ = {**get_type_hints(command, include_extras=True), **OPTIONS}
    return run


def _limit_torch() -> None:
    """Let torch use the processors that this process may use: it looks at the affinity, and not at the quota."""
    os.environ.setdefault("OMP_NUM_THREADS", str(processors()))  # if it is imported later
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > processors():
        torch.set_num_threads(processors())
