"""The command-line program: its commands, exit codes and error messages."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from typing import NoReturn

from rich.markup import escape
from typer import Typer

from semelha.cli.output import stderr
from semelha.errors import MissingExtra, SemelhaError, UsageError

COMMANDS = {
    "demo": "demo",
    "train": "training",
    "derive": "models",
    "embed": "models",
    "enroll": "galleries",
    "identify": "galleries",
    "verify": "galleries",
    "explain": "galleries",
    "reject": "subjects",
    "subjects": "subjects",
    "calibrate": "galleries",
    "check": "maintenance",
    "cluster": "maintenance",
    "migrate": "maintenance",
    "index": "maintenance",
    "evaluate": "evaluation",
    "doctor": "doctor",
}
"""Commands in the order of the help, and the module of `semelha.cli` that defines each under the same name."""

HELP = "Recognize objects by similarity: learn an embedding, enroll a few pictures, name new ones, or say unknown."


def make_app(names: Iterable[str] = COMMANDS) -> Typer:
    """Make the program with these commands, importing the modules of these alone."""
    app = Typer(
        name="semelha",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        help=HELP,
        epilog="Start with: semelha demo",
        callback=lambda: None,  # so that one command alone is still called by its name
    )
    for name in names:
        command = getattr(import_module(f"semelha.cli.{COMMANDS[name]}"), name)
        if isinstance(command, Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with 0 (done), 1 (failed), 2 (wrong usage) or 130 (interrupted)."""
    rank, processes = (int(os.environ.get(name, default)) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
    level = logging.WARNING if rank == 0 or processes == 1 else logging.CRITICAL
    logging.basicConfig(format="%(message)s", level=level, stream=sys.stderr)
    logging.getLogger("lightning").propagate = False  # it has a handler already
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # Help, suggestions and completion need all commands. `identify` needs no module of training or evaluation.
        app = make_app([words[0]] if words and words[0] in COMMANDS else COMMANDS)
        if processes == 1:
            app(words, standalone_mode=True)
        else:
            with _silent_unless_first(rank):
                if words[:1] not in (["train"], ["--help"]):
                    raise UsageError(
                        "several processes are for training only: torchrun --nproc-per-node 2 -m semelha.cli train …"
                    )
                app(words, standalone_mode=True)
    except BrokenPipeError:  # such as `| head`: nothing more can be printed, so avoid an error at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (SemelhaError, OSError) as error:
        status = 2 if isinstance(error, UsageError) else 1
        if processes == 1 or _reports(error):
            stderr.print(f"[bold red]error:[/] {escape(_message(error))}", soft_wrap=True, highlight=False)
        sys.exit(status)
    sys.exit(0)


@contextmanager
def _silent_unless_first(rank: int) -> Iterator[None]:
    """Let only the first of several processes print."""
    if rank == 0:
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _reports(error: Exception) -> bool:
    """Whether this one of several processes reports the error."""
    try:
        from semelha.deep.distributed import failed_first
    except MissingExtra:
        return os.environ.get("RANK", "0") == "0"
    return failed_first(error)


def _message(error: SemelhaError | OSError) -> str:
    """The message, with the file name for an error of the operating system."""
    if isinstance(error, SemelhaError):
        return str(error)
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"
