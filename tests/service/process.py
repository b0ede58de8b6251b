"""`semelha serve` as a process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def server(
    *arguments: object, tmp_path: Path, command: str = "serve", model: Path | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running server, and its address. `model` is that of new galleries."""
    warnings = os.environ.get("PYTHONWARNINGS", "error")
    words = [sys.executable, "-W", warnings, "-m", "semelha.cli", command, *map(str, arguments), "--port", "0"]
    environment = {**os.environ, "SEMELHA_KEYS": str(tmp_path / "keys.json"), "SEMELHA_STATE": str(tmp_path / "state")}
    if model is not None:
        environment["SEMELHA_MODEL"] = str(model)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            assert "http://" in line, process.stderr.read() if process.stderr else ""
            yield process, "http" + line.split("http")[1].split(";")[0].strip()
        finally:
            process.kill()
