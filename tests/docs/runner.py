"""Runs the code of a page in order, commands in this process, servers in others, and compares the outputs it shows."""

import contextlib
import io
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
    r"^(<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<kind>bash|python)\n(?P<code>.*?)^```\n"
    r"(?:\n```text\n(?P<shown>.*?)^```$)?",
    re.M | re.S,
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Block:
    """A block of code of a page; `reason` says why it is not run, if it is not, and `shown` is the output after it."""

    kind: str
    code: str
    reason: str | None = None
    shown: str | None = None

    def without_comments(self) -> str:
        """The code alone: comments are translated."""
        return re.sub(r" *#.*", "", self.code)


def blocks(text: str) -> list[Block]:
    """The blocks of commands and of Python in a page; raises `ValueError` if a block of another kind is in it."""
    kinds = re.findall(r"^ *(?:```|~~~)(.*)", text, flags=re.MULTILINE)[::2]
    found = [Block(**match.groupdict()) for match in _BLOCK.finditer(text)]
    if set(kinds) - {"bash", "python", "text"} or len(found) != len(kinds) - kinds.count("text"):
        raise ValueError(f"blocks are bash, python or text; the page has {kinds}")
    return found


def follow(text: str, model: Path) -> None:
    """Run the blocks of a page in the present folder, except those that are marked; stop at the first that fails."""
    reader = Reader(model)
    try:
        for block in blocks(text):
            if block.reason is None:
                reader.run(block)
    finally:
        reader.stop()


@dataclass
class Reader:
    """Somebody who types what a page says, in the present folder; `model` stands for what takes long to train."""

    model: Path
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    names: dict[str, object] = field(default_factory=dict)
    port: int = field(default_factory=lambda: free_port())

    def run(self, block: Block) -> None:
        """Run a block; raises the error of the code, or `AssertionError`, also if another output is shown."""
        code = block.code.replace("8000", str(self.port))
        if block.kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(code, "page", "exec"), self.names)
            output = printed.getvalue()
        else:
            lines = code.replace("\\\n", " ").splitlines()
            output = "".join(self.command(line) for line in lines if line.strip())
        if block.shown is not None:
            assert words_of(output) == words_of(block.shown), f"{block.code}prints {output!r}"

    def command(self, line: str) -> str:
        """Run one command line, and return what it prints."""
        words = shlex.split(line, comments=True)
        if not words:
            return ""
        if words[0] != "semelha":
            assert words[0] != "curl" or "--fail" in words, f"without --fail curl hides an error: {line}"
            bash = ["bash", "-o", "pipefail", "-c", line]
            return subprocess.run(bash, check=True, timeout=SECONDS, stdout=subprocess.PIPE, text=True).stdout
        if words[1] in SERVERS:
            self.serve(words[1:])
            return ""
        if trains_a_network(words[1:]):
            return self.plan_only(words[1:])
        if ">" not in words:
            return call(words[1:])
        place = words.index(">")
        Path(words[place + 1]).write_text(call([*words[1:place], *words[place + 2 :]]), encoding="utf-8")
        return ""

    def plan_only(self, words: list[str]) -> str:
        """Plan the training, which checks every argument, and take the ready model as its result."""
        place = words.index("--out")
        planned = call([*words[:place], *words[place + 2 :], "--plan"])
        shutil.copytree(self.model, words[place + 1])
        return planned

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


def words_of(output: str) -> list[str]:
    """Words of an output, each number as `#`: numbers depend on the pictures, and spaces on the width of numbers."""
    return _NUMBER.sub("#", output).split()


def call(words: list[str]) -> str:
    """Run the program in this process, and return what it prints; raises `AssertionError` if it fails."""
    with contextlib.redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0, f"semelha {' '.join(words)} ended with {ended.value.code}"
    return printed.getvalue()


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
