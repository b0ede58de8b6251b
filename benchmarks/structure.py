"""How large the code is, whether its imports run in circles, and what functions one command passes through.

    python benchmarks/structure.py --base OLD_CHECKOUT

With `--base` the same is measured of another checkout.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
import tempfile
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
from PIL import Image

from _results import table, write_section

ROOT = Path(__file__).resolve().parents[1]

WALK = """
import sys
from tests.tiny_model import tiny_model
from pathlib import Path
from semelha import Gallery
from semelha.cli.app import main

folder = Path(sys.argv[1])
with Gallery.create(folder / "shop", tiny_model(folder / "model", size=64, channels=3)) as gallery:
    for subject in "abc":
        gallery.enroll(subject, [folder / f"{subject}.jpg"])
root = str(Path(sys.modules["semelha"].__file__).parent)
passed = {}

def note(frame, event, argument):
    code = frame.f_code
    if event == "call" and code.co_filename.startswith(root) and not code.co_qualname.startswith("<"):
        if "<" not in code.co_qualname.replace("<locals>", ""):
            module = code.co_filename[len(root) + 1:-3].replace("/", ".")
            passed.setdefault(f"{module}: {code.co_qualname}".replace(".<locals>", ""))

import threading
threading.setprofile(note)
sys.setprofile(note)
try:
    main(["identify", str(folder / "shop"), str(folder / "a.jpg")])
except SystemExit:
    sys.setprofile(None)
print("\\n".join(["WALK", *passed]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, help="another checkout to compare with")
    arguments = parser.parse_args()
    checkouts = ({"before": arguments.base} if arguments.base else {}) | {"now": ROOT}
    walks = {name: walk(checkout) for name, checkout in checkouts.items()}
    rows = [[name, *sizes(checkout), circles(checkout), len(walks[name])] for name, checkout in checkouts.items()]
    columns = ["checkout", "lines of src", "files", "longest file", "lines of tests", "lines of docs", "import circles"]
    parts = [
        "Circles are counted over every import, also those inside functions and for types alone. The last column is "
        "the number of functions of `semelha` that `semelha identify shop new.jpg` calls, each counted once; they are "
        "listed below in the order of their first call, after the modules are imported.",
        table([*columns, "functions of identify"], rows),
    ]
    for name, functions in walks.items():
        parts.append(f"The functions of `identify`, {name}:\n\n" + " → ".join(f"`{one}`" for one in functions))
    write_section("Structure", "\n\n".join(parts))


def sizes(checkout: Path) -> list[object]:
    lines = {path: _lines(path) for path in (checkout / "src").rglob("*.py")}
    longest = max(lines, key=lambda path: lines[path])
    others = [sum(map(_lines, (checkout / part).rglob(kind))) for part, kind in (("tests", "*.py"), ("docs", "*.md"))]
    name = longest.relative_to(checkout / "src" / "semelha")
    return [sum(lines.values()), len(lines), f"{name} ({lines[longest]})", *others]


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def circles(checkout: Path) -> int:
    """How many sets of modules import each other in a circle: found and opened one after another."""
    graph = {module: set(targets) for module, targets in import_graph(checkout / "src").items()}
    count = 0
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            count += 1
            found = set(error.args[1])
            for module in found:
                graph[module] -= found
        else:
            return count


def import_graph(source: Path) -> dict[str, set[str]]:
    """The modules of semelha and those of them that each imports, anywhere in its file."""
    modules = {".".join(path.relative_to(source).with_suffix("").parts): path for path in source.rglob("*.py")}
    modules = {name.removesuffix(".__init__"): path for name, path in modules.items()}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        package = name if path.stem == "__init__" else name.rpartition(".")[0]
        targets: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                origin = ".".join([*above, *([node.module] if node.module else [])])
                targets |= {f"{origin}.{alias.name}" for alias in node.names} | {origin}
        submodules = {target for target in targets if target in modules and target != name}
        # `from package import module` is an import of the module alone.
        graph[name] = {t for t in submodules if not any(other.startswith(f"{t}.") for other in submodules)}
    return graph


def walk(checkout: Path) -> list[str]:
    """The functions that `semelha identify` of a fresh gallery calls, in the order of their first call."""
    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(0)
        for name in "abc":
            Image.fromarray(random.integers(0, 255, (96, 96, 3), dtype=np.uint8)).save(Path(folder) / f"{name}.jpg")
        environment = os.environ | {"PYTHONPATH": f"{checkout / 'src'}{os.pathsep}{checkout}"}
        command = [sys.executable, "-c", WALK, folder]
        printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return printed.split("WALK\n", 1)[1].split("\n")[:-1]


if __name__ == "__main__":
    main()
