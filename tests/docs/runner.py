"""Runs the code of a guide in order: commands in this process, servers in others, Python as it stands."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from semelha.cli.app import main

SERVERS = ("serve", "open")
WITHOUT_NETWORK = {"gmml", "rca", "pca-whitening", "lda", "nca", "lmnn", "itml", "ranksvm"}
SECONDS = 60  # that a server may take to start on a busy machine

_BLOCK = re.compile(
    r"^(<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<kind>bash|python)\n(?P<code>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A block of code of a guide; `reason` says why it is not run, if it is not."""

    kind: str
    code: str
    reason: str | None

    def without_comments(self) -> str:
        """The code alone: comments are translated."""
        return re.sub(r" *#.*", "", self.code)


def blocks(path: Path) -> list[Block]:
    """The blocks of commands and of Python in a page."""
    found = _BLOCK.finditer(path.read_text(encoding="utf-8"))
    return [Block(each["kind"], each["code"], each["reason"]) for each in found]


@dataclass
class Reader:
    """Somebody who types what a guide says, in the present folder; `model` stands for what takes long to train."""

    model: Path
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    names: dict[str, object] = field(default_factory=dict)
    port: int = field(default_factory=lambda: free_port())

    def run(self, block: Block) -> None:
        """Run a block that is not marked; raises `AssertionError` or the error of the code."""
        code = block.code.replace("8000", str(self.port))
        if block.kind == "python":
            exec(compile(code, "guide", "exec"), self.names)
            return
        for line in code.splitlines():
            if line.strip():
                self.command(line)

    def command(self, line: str) -> None:
        """Run one command line."""
        words = shlex.split(line, comments=True)
        if words[0] != "semelha":
            subprocess.run(["bash", "-c", line], check=True, timeout=SECONDS, stdout=subprocess.DEVNULL)
        elif words[1] in SERVERS:
            self.serve(words[1:])
        elif trains_a_network(words[1:]):
            self.plan_only(words[1:])
        else:
            output = Path(words[words.index(">") + 1]) if ">" in words else None
            call(words[1 : words.index(">")] if output else words[1:])

    def plan_only(self, words: list[str]) -> None:
        """Plan the training, which checks every argument, and take the ready model as its result."""
        place = words.index("--out")
        call([*words[:place], *words[place + 2 :], "--plan"])
        shutil.copytree(self.model, words[place + 1])

    def serve(self, words: list[str]) -> None:
        """Start a server and wait until it answers."""
        self.stop()
        extra = ["--no-browser"] if words[0] == "open" else []
        server = subprocess.Popen(
            [sys.executable, "-m", "semelha.cli", *words, *extra, "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.servers.append(server)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            assert server.poll() is None, f"semelha {' '.join(words)} ended with {server.returncode}"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"semelha {' '.join(words)} did not answer")

    def stop(self) -> None:
        """End the servers that were started."""
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.wait(SECONDS)
        self.servers.clear()


def trains_a_network(words: list[str]) -> bool:
    """Whether a command takes minutes; a plan does not, nor does a method that learns a distance."""
    method = words[words.index("--method") + 1] if "--method" in words else None
    return words[0] == "train" and "--plan" not in words and method not in WITHOUT_NETWORK


def call(words: list[str]) -> None:
    """Run the program in this process; raises `AssertionError` if it fails."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0, f"semelha {' '.join(words)} ended with {ended.value.code}"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(folder: Path) -> dict[str, str]:
    """What a command of a guide finds in the environment: the model of `folder`, and this checkout."""
    source = Path(__file__).parents[2] / "src"
    return {
        "SEMELHA_MODEL": str(folder / "model"),
        "PYTHONPATH": os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")]),
        "COLUMNS": "200",
    }
