"""The command-line program: its commands, exit codes and error messages."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from keyword import iskeyword
from typing import Annotated, Any, NoReturn

from typer import Abort, BadParameter, Exit, Option, Typer

from semelha import __version__
from semelha.cli import reading
from semelha.cli.console import accept_any_text, escape, log_to_stderr
from semelha.cli.output import stderr, stdout
from semelha.cli.reading import with_reading_options
from semelha.errors import MissingExtra, SemelhaError, UsageError
from semelha.text import shown_lines

COMMANDS = {
    "demo": "demo",
    "train": "training",
    "shards": "sharding",
    "pretrained": "weights",
    "import": "models",
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
    "audit": "audit",
    "backup": "backups",
    "restore": "backups",
    "copy": "backups",
    "open": "service",
    "serve": "service",
    "keys": "service",
    "evaluate": "evaluation",
    "compare": "comparing",
    "tune": "tuning",
    "doctor": "doctor",
    "weights": "weights",
}
"""Commands in the order of the help, and the module of `semelha.cli` that defines each under the same name, or, as
`import` cannot be one, that name and an underscore."""

CommandLineError: Any = next(kind for kind in BadParameter.__mro__ if kind.__name__ == "ClickException")
"""The base of what is raised for a command line that cannot be parsed; Typer does not name it."""

INTERRUPTED = 130
"""Exit status after Ctrl-C; `semelha.cli` has it too, because it must not import this module first."""

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
        callback=_options,  # with it one command alone is still called by its name
    )
    for name in names:
        command = getattr(import_module(f"semelha.cli.{COMMANDS[name]}"), f"{name}_" if iskeyword(name) else name)
        if isinstance(command, Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(with_reading_options(command) if name in reading.COMMANDS else command)
    return app


def _print_version(is_asked: bool) -> None:
    if is_asked:
        stdout.print(f"semelha {__version__}", highlight=False)
        raise Exit


def _options(
    version: Annotated[
        bool, Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """The options before the command."""


def make_program(words: Sequence[str]) -> Typer:
    """Make the program for a command line: of one command if it names one, which imports less.

    Help, suggestions and completion need all commands. `identify` needs no module of training or evaluation.
    """
    return make_app([words[0]] if words and words[0] in COMMANDS else COMMANDS)


def main(arguments: Sequence[str]) -> NoReturn:
    """Run a command: `run` with the program for it."""
    run(make_program(arguments), arguments)


def run(app: Typer, arguments: Sequence[str]) -> NoReturn:
    """Run a command and exit with 0 (done), 1 (failed), 2 (wrong usage) or 130 (interrupted)."""
    rank, processes = (int(os.environ.get(name, default)) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
    accept_any_text()
    log_to_stderr(logging.WARNING if rank == 0 or processes == 1 else logging.CRITICAL)
    logging.getLogger("lightning").propagate = False  # it has a handler already
    words = list(arguments)
    status: object = 0
    try:
        if processes == 1:
            status = app(words, standalone_mode=False)
        else:
            with _silent_unless_first(rank):
                if words[:1] not in (["train"], ["--help"]):
                    raise UsageError(
                        "several processes are for training only: torchrun --nproc-per-node 2 -m semelha.cli train …"
                    )
                status = app(words, standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # such as `| head`: nothing more can be printed, so avoid an error at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except CommandLineError as error:
        if rank == 0:  # all processes have the same command line
            from typer.rich_utils import rich_format_error  # imports a parser of Markdown

            error.message = shown_lines(error.message)
            rich_format_error(error)
        status = error.exit_code
    except Abort as error:  # of a question: by Ctrl-C, or by the end of the input
        stderr.print("Aborted.")
        status = INTERRUPTED if isinstance(error.__context__, KeyboardInterrupt) else 1
    except (SemelhaError, OSError) as error:
        status = 2 if isinstance(error, UsageError) else 1
        if processes == 1 or _reports(error):
            stderr.print(f"[bold red]error:[/] {escape(_message(error))}", soft_wrap=True, highlight=False)
    sys.exit(status if isinstance(status, int) else 0)


@contextmanager
def _silent_unless_first(rank: int) -> Iterator[None]:
    """Let only the first of several processes print."""
    if rank == 0:
        yield
        return
    with (
        open(os.devnull, "w", encoding="utf-8", errors="replace") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
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
