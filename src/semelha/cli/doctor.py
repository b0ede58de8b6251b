"""`semelha doctor`: what is installed, what the machine has, and what is wrong."""

from __future__ import annotations

import os
import platform
import tempfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import onnxruntime as ort
from rich.markup import escape
from rich.table import Table
from typer import Exit

from semelha._version import __version__
from semelha.cli.output import Json, print_json, stdout

BASE = ("numpy", "scipy", "pillow", "onnxruntime", "faiss-cpu", "safetensors", "pydantic", "matplotlib")
TRAIN = ("torch", "torchvision", "timm", "lightning", "onnx", "onnxscript")
FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def doctor(json: Json = False) -> None:
    """Look at the installation and the machine; exit with 1 where something is wrong.

    Example: semelha doctor
    """
    facts = {
        "semelha": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": ", ".join(_processor()) or "no vector instructions known",
        "cores": str(os.cpu_count()),
        "ONNX Runtime": ", ".join(ort.get_available_providers()),
        **{name: _version(name) or "missing" for name in (*BASE, *TRAIN)},
        "training on": _device(),
    }
    problems = _problems()
    if json:
        print_json({"facts": facts, "problems": problems})
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, value in facts.items():
            table.add_row(f"[dim]{escape(name)}[/]", escape(value))
        stdout.print(table)
        for problem in problems:
            stdout.print(f"[bold red]problem:[/] {escape(problem)}")
        if not problems:
            stdout.print("[green]Nothing is wrong.[/]")
    if problems:
        raise Exit(1)


def _problems() -> list[str]:
    problems = [f'{name} is missing: pip install "semelha"' for name in BASE if _version(name) is None]
    missing = [name for name in TRAIN if _version(name) is None]
    if missing and len(missing) < len(TRAIN):
        problems.append(f'training needs {", ".join(missing)} too: pip install "semelha[train]"')
    for folder in (Path(tempfile.gettempdir()), Path.cwd()):
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x")
        except OSError as error:
            problems.append(f"{folder} cannot be written: {error.strerror}")
    return problems


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> list[str]:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("flags")[2].partition("\n")[0].split()
    except OSError:
        return []
    return [feature for feature in FEATURES if feature in flags]


def _device() -> str:
    if find_spec("torch") is None:
        return 'nothing: pip install "semelha[train]"'
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "the processor"
