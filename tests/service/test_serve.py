"""`semelha serve` as a process: it starts, answers over HTTP, and stops when it is told to."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.service.made import near, png, text
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.gallery import Gallery


@contextmanager
def server(*arguments: object, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running server, and its address."""
    words = [sys.executable, "-W", "error", "-m", "semelha.cli", "serve", *map(str, arguments), "--port", "0"]
    environment = {**os.environ, "SEMELHA_KEYS": str(tmp_path / "keys.json")}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            assert "http://" in line, process.stderr.read() if process.stderr else ""
            yield process, "http" + line.split("http")[1].split(";")[0].strip()
        finally:
            process.kill()


def call(address: str, path: str, content: Any = None, **headers: str) -> Any:
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(address + path, data, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_enroll_identify_and_stop(tiny: Model, tmp_path: Path) -> None:
    Gallery.create(tmp_path / "shop", tiny).close()
    with server(tmp_path / "shop", tmp_path=tmp_path) as (process, address):
        for number in range(3):
            pictures = [{"data": text(png(noise(number)))}]
            done = call(address, "/api/v1/subjects", {"name": f"s{number}", "pictures": pictures})
            assert done["added"] == 1
        found = call(address, "/api/v1/identify?k=2", {"pictures": [{"data": text(near(1))}]})
        assert found["answers"][0]["subject"] == "s1"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        assert process.returncode in (0, -signal.SIGTERM), err
        assert "Traceback" not in err
    with Gallery(tmp_path / "shop") as gallery:
        assert list(gallery) == ["s0", "s1", "s2"]
