"""The commands in one program, and what happens when one fails."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import NoReturn

from rich.markup import escape
from typer import Typer

from semelha.cli import (
    care,
    demo,
    derived,
    doctor,
    evidence,
    galleries,
    indexes,
    migrating,
    models,
    rejections,
    training,
)
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
app.command("explain")(evidence.explain)
app.command("reject")(rejections.reject)
app.add_typer(galleries.subjects, name="subjects")
app.command("calibrate")(galleries.calibrate)
app.command("check")(care.check)
app.command("cluster")(care.cluster)
app.command("migrate")(migrating.migrate)
app.command("index")(indexes.index)
app.command("evaluate")(models.evaluate)
app.command("doctor")(doctor.doctor)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    rank, processes = (int(os.environ.get(name, default)) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
    level = logging.WARNING if rank == 0 or processes == 1 else logging.CRITICAL
    logging.basicConfig(format="%(message)s", level=level, stream=sys.stderr)
    logging.getLogger("lightning").propagate = False  # it writes by itself
    try:
        if processes == 1:
            app(arguments, standalone_mode=True)
        else:
            with _one_voice(rank):
                _check_command(sys.argv[1:] if arguments is None else arguments)
                app(arguments, standalone_mode=True)
    except BrokenPipeError:  # such as `| head`: nobody reads the rest, so let nothing complain of it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (SemelhaError, OSError) as error:
        status = 2 if isinstance(error, UsageError) else 1
        if processes == 1 or _speaks(error):
            stderr.print(f"[bold red]error:[/] {escape(_told(error))}", soft_wrap=True, highlight=False)
        sys.exit(status)
    sys.exit(0)


@contextmanager
def _one_voice(rank: int) -> Iterator[None]:
    """Of several processes the first alone prints."""
    if rank == 0:
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _check_command(arguments: Sequence[str]) -> None:
    if arguments and arguments[0] in ("train", "--help"):
        return
    raise UsageError("several processes are for training: torchrun --nproc-per-node 2 -m semelha.cli train …")


def _speaks(error: Exception) -> bool:
    """Which of several processes says what is wrong."""
    try:
        from semelha.deep.distributed import failed_first
    except ModuleNotFoundError:
        return os.environ.get("RANK", "0") == "0"
    return failed_first(error)


def _told(error: SemelhaError | OSError) -> str:
    """What is said of it: of a full disk, or a folder that may not be written, the place too."""
    if isinstance(error, SemelhaError):
        return str(error)
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"
