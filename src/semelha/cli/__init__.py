"""`semelha …`: strings become objects here and nowhere else."""

from semelha.cli.app import main

__all__ = ["main"]
