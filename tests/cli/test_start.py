"""A command starts at once: what takes a second to import and few commands need is imported where it is needed."""

import subprocess
import sys


def test_no_command_waits_for_what_it_does_not_need() -> None:
    slow = ("torch", "scipy.stats", "sklearn", "matplotlib.axes")
    code = f"import sys, semelha.cli.app; print([name for name in {slow!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
