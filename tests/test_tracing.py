"""Without OpenTelemetry a span is nothing, and the library does not load it."""

import subprocess
import sys

import pytest

from semelha import tracing

SCRIPT = """
import sys
import semelha.gallery
from semelha.tracing import span

with span("embed", attributes={"a": 1}) as made:
    assert made is None
assert not any(name.startswith("opentelemetry") for name in sys.modules)
"""


def test_nothing_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_an_error_inside_is_the_callers() -> None:
    with pytest.raises(KeyError), tracing.span("embed"):
        raise KeyError
