"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_most = math.inf


def processors() -> int:
    """Processors that this process may use: its CPU affinity, and the CPU quota of its control group on Linux."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, cpu_quota(), _most)))


def use_at_most(count: int | None) -> None:
    """Limit what `processors` returns in this process, for a program such as the command line; None lifts the limit."""
    global _most
    _most = math.inf if count is None else count


@cache
def cpu_quota(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> float:
    """Processors' worth of time that control groups (version 1 or 2), mounted at `root`, allow; infinite without one.

    Each line of the file `membership` names a group of this process: "number:controllers:path".
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return math.inf
    groups = [line.split(":", 2) for line in lines if line.count(":") >= 2]
    quotas = [quota for _, controllers, path in groups for quota in _quotas(root, controllers, path)]
    return min(quotas, default=math.inf)


def _quotas(root: Path, controllers: str, path: str) -> Iterator[float]:
    """The limit of a group and of each group above it; a limit above it holds too."""
    if controllers == "":  # version 2, alone or beside version 1
        mounts = [root, root / "unified"]
    elif "cpu" in controllers.split(","):
        mounts = [root / controllers, root / "cpu"]
    else:
        return
    group = Path(path.lstrip("/"))
    for mount in mounts:
        for folder in (mount / group, *(mount / above for above in group.parents)):
            numbers = _numbers(folder / "cpu.max") or (
                *_numbers(folder / "cpu.cfs_quota_us"),
                *_numbers(folder / "cpu.cfs_period_us"),
            )
            if len(numbers) == 2 and numbers[0] > 0 and numbers[1] > 0:
                yield numbers[0] / numbers[1]


def _numbers(file: Path) -> tuple[float, ...]:
    """Whole numbers of a file; () if it has none, or "max", which is no limit."""
    try:
        return tuple(float(word) for word in file.read_text().split())
    except (OSError, ValueError):
        return ()
