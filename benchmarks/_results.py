"""Keeps benchmarks/RESULTS.md: each benchmark replaces its own section, and only that."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
HEAD = "# Results\n\nWritten by the scripts of this folder (`make bench`); no figure here is typed by hand.\n"
PACKAGES = (
    "torch",
    "timm",
    "onnxruntime",
    "numpy",
    "scipy",
    "scikit-learn",
    "faiss-cpu",
    "kornia",
    "pytorch-metric-learning",
    "usearch",
    "voyager",
    "hnswlib",
)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; floats with three digits after the point."""
    lines = [columns, ["---"] * len(columns), *([_cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_section(title: str, body: str) -> None:
    """Put `body` under `title`, with machine, date, versions and command, in place of what stood there."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEAD
    section = f"\n## {title}\n\n{_circumstances()}\n\n{body.strip()}\n"
    found = re.search(rf"\n## {re.escape(title)}\n.*?(?=\n## |\Z)", text, flags=re.DOTALL)
    text = text[: found.start()] + section + text[found.end() :] if found else text.rstrip("\n") + "\n" + section
    partial = RESULTS.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(RESULTS)
    print(section)


def _circumstances() -> str:
    versions = ", ".join(f"{name} {found}" for name in PACKAGES if (found := version_of(name)))
    # Folders of one machine are left out: where builds are kept, and another checkout to compare with.
    arguments = sys.argv[1:]
    for option in ("--cache", "--base"):
        if option in arguments:
            place = arguments.index(option)
            del arguments[place : place + 2]
    threads = [f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']}"] if "OMP_NUM_THREADS" in os.environ else []
    command = " ".join([*threads, "python", f"benchmarks/{Path(sys.argv[0]).name}", *arguments])
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    return (
        f"{when}; {_processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}; `{command}`"
    )


def _processor() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "–" if value is None else str(value)
