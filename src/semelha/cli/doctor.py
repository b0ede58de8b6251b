"""`semelha doctor`: problems of the installation, or of a gallery, and the repair of a gallery."""

from __future__ import annotations

import os
import platform
import re
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import onnxruntime as ort
from rich.table import Table
from typer import Argument, Exit, Option, confirm

from semelha._version import __version__, installed_version
from semelha.cli.console import escape
from semelha.cli.output import Json, Yes, print_json, stderr, stdout
from semelha.errors import UsageError
from semelha.processors import processors

BASE = ("numpy", "scipy", "pillow", "onnxruntime", "faiss-cpu", "safetensors", "pydantic", "matplotlib")
TRAIN = ("torch", "torchvision", "timm", "lightning", "onnx", "onnxscript")
FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def doctor(
    gallery: Annotated[Path | None, Argument(metavar="[GALLERY]", help="Gallery folder to check in full.")] = None,
    repair: Annotated[bool, Option("--repair", help="Repair the gallery.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Check the installation, or every file of a gallery; exit with status 1 if there are problems.

    `--repair` asks before it drops what is damaged for good.

    Example: semelha doctor shop --repair
    """
    if gallery is not None:
        _examine(gallery, repair, yes, json)
        return
    if repair:
        raise UsageError("--repair needs a gallery: semelha doctor GALLERY --repair")
    device, broken = _device()
    facts = {
        "semelha": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "threads": f"{processors()} of {os.cpu_count()} cores",
        "ONNX Runtime": ", ".join(ort.get_available_providers()),
        "training on": device,
        **{name: installed_version(name) or "missing" for name in (*BASE, *TRAIN)},
    }
    problems = [*broken, *_problems()]
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
            stdout.print("[green]No problems found.[/]")
    if problems:
        raise Exit(1)


def _examine(gallery: Path, repair: bool, yes: bool, json: bool) -> None:
    from semelha.gallery import diagnose
    from semelha.gallery import repair as repair_gallery

    problems, done = diagnose(gallery), []
    if repair and problems:
        losses = [problem.what for problem in problems if problem.loses]
        if losses and not yes:
            stderr.print(*(f"{escape(loss)}" for loss in losses), sep="\n")
            confirm(
                "Enroll these again where a copy of the picture was kept, and drop the others?", abort=True, err=True
            )
        done, problems = repair_gallery(gallery), diagnose(gallery)
    if json:
        print_json({"problems": [vars(problem) for problem in problems], "repaired": done})
    else:
        for line in done:
            stdout.print(f"[green]repaired:[/] {escape(line)}")
        for problem in problems:
            stdout.print(f"[bold red]problem:[/] {escape(problem.what)}\n  {escape(problem.helps)}")
        if not problems:
            stdout.print("[green]No problems found.[/]")
    if problems:
        raise Exit(1)


def _problems() -> list[str]:
    problems = [f'{name} is missing: pip install "semelha"' for name in BASE if installed_version(name) is None]
    missing = [name for name in TRAIN if installed_version(name) is None]
    if missing and len(missing) < len(TRAIN):
        problems.append(f'training needs {", ".join(missing)} too: pip install "semelha[train]"')
    for folder in (Path(tempfile.gettempdir()), Path.cwd()):
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x")
        except OSError as error:
            problems.append(f"{folder} cannot be written: {error.strerror}")
    return problems


def _processor() -> str:
    """Name of the processor and its vector instructions, if the system reports them."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown"
    lines = dict(re.findall(r"^(model name|flags)\s*: (.*)$", text, flags=re.MULTILINE))
    features = [feature for feature in FEATURES if feature in lines.get("flags", "").split()]
    return f"{lines.get('model name', platform.machine())} ({', '.join(features) or 'no avx2'})"


def _device() -> tuple[str, list[str]]:
    """The device for training, and problems with torch."""
    if find_spec("torch") is None:
        return 'nothing: pip install "semelha[train]"', []
    try:
        import torch
    except (ImportError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        return "nothing", [f"torch does not load ({reason}): install it again"]
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "the processor", []
