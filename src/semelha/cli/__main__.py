"""`python -m semelha.cli`."""

from semelha.cli import main

main()
