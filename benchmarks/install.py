"""What `pip install semelha` costs in an empty environment: packages, megabytes, seconds, and the time to import it.

python benchmarks/install.py --train      # also the extra `train`, of some gigabytes
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _results import table, write_section

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("", "serve", "serve,client,heic,otel")
RUNS = 15
LARGEST = 6
STATEMENTS = (
    "pass",
    "import semelha",
    "from semelha import Gallery",
    "from semelha import train",
    "from semelha import Client",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", action="store_true", help="install the extra `train` too")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
        (wheel,) = Path(folder).glob("*.whl")
        for extra in (*EXTRAS, *(["train"] if arguments.train else [])):
            environment = Path(folder) / "environment"
            run(sys.executable, "-m", "venv", "--clear", environment)
            python = environment / "bin" / "python"
            before = set(packages(python))
            start = time.perf_counter()
            run(python, "-m", "pip", "install", "--quiet", "--no-cache-dir", f"{wheel}[{extra}]" if extra else wheel)
            seconds = time.perf_counter() - start
            found = {name: size for name, size in packages(python).items() if name not in before}
            largest = sorted(found, key=lambda name: -found[name])[:LARGEST]
            rows.append(
                [
                    f"`semelha[{extra}]`" if extra else "`semelha`",
                    len(found),
                    round(sum(found.values()) / 1e6),
                    round(seconds),
                    ", ".join(f"{name} {found[name] / 1e6:.0f}" for name in largest),
                ]
            )
            if extra == "serve,client,heic,otel":
                imports = [[f"`{one}`", *import_seconds(python, one)] for one in STATEMENTS]
                own = own_import_seconds(python)
        size = wheel.stat().st_size / 1e6
    body = [
        f"The wheel ({size:.2f} MB) installed into an empty environment, nothing in the cache of pip: packages that "
        "are installed with it, their megabytes on the disk, and seconds, most of which are downloads. After it the "
        "largest packages, with megabytes.",
        table(["install", "packages", "MB", "s", "largest"], rows),
        f"`python -X importtime -c 'import semelha'`: {own * 1000:.0f} ms for semelha and all that it imports, median "
        f"of {RUNS}. Seconds of a whole process, median of {RUNS} in turn, with the packages of other origin that are "
        "imported:",
        table(["`python -c …`", "s", "modules", "packages"], imports),
    ]
    write_section("Installation", "\n\n".join(body))


def packages(python: Path) -> dict[str, int]:
    """Bytes on the disk of each installed package."""
    code = (
        "import json; from importlib.metadata import distributions as all; from pathlib import Path; "
        "print(json.dumps({one.name: sum(Path(file.locate()).stat().st_size for file in one.files or () "
        "if Path(file.locate()).is_file()) for one in all()}))"
    )
    return dict(json.loads(run(python, "-c", code)))


def import_seconds(python: Path, statement: str) -> tuple[float, int, str]:
    """Seconds of a process, the number of modules that it imports, and their packages outside the standard library."""
    taken = []
    for count in range(RUNS + 1):  # the first may compile modules
        start = time.perf_counter()
        run(python, "-c", statement)
        if count:
            taken.append(time.perf_counter() - start)
    imported = run(python, "-c", f"import sys\n{statement}\nprint(*sys.modules)").split()
    names = {name.split(".")[0] for name in imported} - sys.stdlib_module_names
    return statistics.median(taken), len(imported), ", ".join(sorted(one for one in names if one[0] != "_")) or "none"


def own_import_seconds(python: Path) -> float:
    """Seconds that `-X importtime` reports for semelha with all that it imports, the median."""
    taken = []
    for _ in range(RUNS):
        trace = process(python, "-X", "importtime", "-c", "import semelha").stderr
        (found,) = re.findall(r"import time:\s*\d+ \|\s*(\d+) \| semelha$", trace, flags=re.MULTILINE)
        taken.append(int(found) / 1e6)
    return statistics.median(taken)


def run(*command: object) -> str:
    return process(*command).stdout


def process(*command: object) -> subprocess.CompletedProcess[str]:
    """Run outside of this checkout, so that the installed package is imported."""
    hidden = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    words = [str(word) for word in command]
    return subprocess.run(words, env=environment, cwd="/", check=True, capture_output=True, text=True)


if __name__ == "__main__":
    main()
