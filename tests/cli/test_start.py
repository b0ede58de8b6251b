"""Start-up time: slow modules are imported by the commands that need them."""

import subprocess
import sys


def test_the_command_line_imports_no_slow_modules() -> None:
    slow = ("torch", "scipy.stats", "sklearn", "matplotlib.axes", "typer.rich_utils")
    code = f"import sys, semelha.cli.app; print([name for name in {slow!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
