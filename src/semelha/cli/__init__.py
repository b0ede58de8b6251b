"""The command line, `semelha`: it parses arguments, calls the library and prints."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

__all__ = ["main"]

INTERRUPTED = 130


def main() -> NoReturn:
    """Run the program, and exit with 0 (done), 1 (failed), 2 (wrong usage) or 130 (interrupted).

    Ctrl-C ends it at once while modules are imported and when it is done. In between it raises `KeyboardInterrupt`.
    """
    handled = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if handled:
        signal.signal(signal.SIGINT, _leave)
    from semelha.cli.app import make_program, run  # imports much

    program = make_program(sys.argv[1:])
    try:
        if handled:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run(program, sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        if handled:
            signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)
