"""A server of Milvus Lite on loopback, for the time of some tests."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

# Its log is synced after every write only in the mode "batch", which no option of the command sets.
SERVE = """
import resource, sys
from milvus_lite.engine import collection
from milvus_lite.storage import wal
from milvus_lite.adapter.grpc.server import run_server

class SyncedLog(wal.WAL):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **{**options, "sync_mode": "batch"})

collection.WAL = SyncedLog
if most_bytes := int(sys.argv[3]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
# One worker: it does not take writes of several clients at a time.
run_server(sys.argv[1], host="127.0.0.1", port=int(sys.argv[2]), max_workers=1)
"""


class MilvusServer:
    """Starts the server, stops it, kills it, and starts it again with the same data."""

    def __init__(self, data: Path) -> None:
        self.data = data
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self, most_bytes: int = 0) -> None:
        """Start it, and wait until it listens. Its files may have `most_bytes`, if that is not 0."""
        command = [sys.executable, "-c", SERVE, str(self.data), str(self.port), str(most_bytes)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert "listening on 127.0.0.1" in line, line

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it."""
        self._signal(signal.SIGINT)

    def pause(self) -> None:
        """Let it answer nothing until `resume`."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def address(self, collection: str) -> str:
        """The address of a gallery."""
        return f"milvus://127.0.0.1:{self.port}/{collection}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None
