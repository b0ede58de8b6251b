"""Training on several machines: which of them share a disk, and the files that must be on each disk.

The processes of a machine share its disk. Machines may share one too, such as a network disk. On every other disk the
first process of its machine does what rank 0 does on its own: it makes the folder of the training and decodes the
pictures. At the end the model is copied to every disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from semelha.deep.checkpoint import TrainingState
from semelha.deep.distributed import ProcessGroup
from semelha.errors import TrainingError
from semelha.files import atomic_folder

T = TypeVar("T")


@dataclass(frozen=True)
class Disk:
    """The disk on which this process has the folder of the training."""

    processes: ProcessGroup
    is_of_rank_zero: bool = True  # whether this process sees the files of rank 0
    is_only_one: bool = True  # whether all processes do

    @property
    def is_led(self) -> bool:
        """Whether this process works for all processes of this disk."""
        is_first = int(os.environ.get("LOCAL_RANK", "0")) == 0
        return self.processes.is_rank_zero or (is_first and not self.is_of_rank_zero)

    def on_each(self, work: Callable[[], T]) -> T | None:
        """Call `work` in one process for each disk while the others wait. The others return None.

        After an error all raise `TrainingError` with its message.
        """
        return self.processes.where(self.is_led, work)


def find_disk(folder: Path, processes: ProcessGroup) -> Disk:
    """The disk of this process; `folder` exists on that of rank 0. All processes must call it."""
    if processes.size == 1:
        return Disk(processes)
    mark = folder / f".{processes.broadcast_bytes(secrets.token_hex(8).encode()).decode()}"
    processes.on_rank_zero(mark.touch)
    seen = mark.exists()
    seen_by = processes.sizes(int(seen))
    processes.on_rank_zero(mark.unlink)
    return Disk(processes, seen, all(seen_by))


def check_equal(own: str, processes: ProcessGroup, what: str) -> None:
    """Raise `TrainingError` in all processes unless they have the same text; `what` names it in the message."""
    digests = processes.all_texts(hashlib.sha256(own.encode(errors="backslashreplace")).hexdigest())
    if len(set(digests)) > 1:
        different = next(rank for rank, digest in enumerate(digests) if digest != digests[0])
        raise TrainingError(f"process {different} has other {what} than process 0: give all machines the same")


def load_latest(state: TrainingState, path: Path, *, plan: str, processes: ProcessGroup) -> None:
    """Load the checkpoint with the most steps that a process finds at `path`. If none finds one, nothing changes.

    Raises `TrainingError` for one that is damaged, or of another plan.
    """
    if path.exists():
        state.load(path, plan=plan)
    steps = processes.sizes(state.step)
    source = steps.index(max(steps))
    if min(steps) == steps[source]:
        return
    data = processes.broadcast_bytes(path.read_bytes() if processes.rank == source else b"", source=source)
    if state.step < steps[source]:
        state.load(path, plan=plan, content=io.BytesIO(data))


def copy_to_each(folder: Path, disk: Disk) -> None:
    """Copy the folder of rank 0 to the same path on every other disk. Raises `TrainingError`."""
    if disk.is_only_one:
        return
    processes = disk.processes
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()] if processes.is_rank_zero else []
    listed = json.dumps([file.relative_to(folder).as_posix() for file in files]).encode()
    names: list[str] = json.loads(processes.broadcast_bytes(listed))
    is_copied_here = disk.is_led and not disk.is_of_rank_zero
    contents = {}
    for name in names:
        data = processes.broadcast_bytes((folder / name).read_bytes() if processes.is_rank_zero else b"")
        if is_copied_here:
            contents[name] = data

    def write() -> None:
        with atomic_folder(folder, error=TrainingError) as made:
            for name, data in contents.items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).write_bytes(data)

    processes.where(is_copied_here, write)


def remove_files(folder: Path, *patterns: str) -> None:
    """Remove files of a training that is done, and its folder if nothing else is in it."""
    for pattern in patterns:
        for file in folder.glob(pattern):
            file.unlink()
    with contextlib.suppress(OSError):  # the log is in it
        folder.rmdir()
