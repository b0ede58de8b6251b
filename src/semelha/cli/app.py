"""The commands in one program, and what happens when one fails."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from rich.markup import escape
from typer import Typer

from semelha.cli import demo, derived, doctor, galleries, indexes, models, training
from semelha.cli.output import stderr
from semelha.errors import SemelhaError, UsageError

app = Typer(
    name="semelha",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Recognize objects by similarity: learn an embedding, enroll a few pictures, name new ones, or say unknown.",
    epilog="Start with: semelha demo",
)
app.command("demo")(demo.demo)
app.command("train")(training.train)
app.command("derive")(derived.derive)
app.command("embed")(models.embed)
app.command("enroll")(galleries.enroll)
app.command("identify")(galleries.identify)
app.command("verify")(galleries.verify)
app.add_typer(galleries.subjects, name="subjects")
app.command("calibrate")(galleries.calibrate)
app.command("index")(indexes.index)
app.command("evaluate")(models.evaluate)
app.command("doctor")(doctor.doctor)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("lightning").propagate = False  # it writes by itself
    try:
        app(arguments, standalone_mode=True)
    except UsageError as error:
        _fail(str(error), 2)
    except SemelhaError as error:
        _fail(str(error), 1)
    except BrokenPipeError:  # such as `| head`: nobody reads the rest, so let nothing complain of it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that may not be written, wherever it was met
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or error}", 1)
    sys.exit(0)


def _fail(message: str, status: int) -> NoReturn:
    stderr.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True, highlight=False)
    sys.exit(status)
