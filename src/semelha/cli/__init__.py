"""The command line, `semelha`: it parses arguments, calls the library and prints."""

from semelha.cli.app import main

__all__ = ["main"]
