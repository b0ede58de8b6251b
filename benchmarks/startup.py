"""How long `semelha identify` of one picture takes from a shell, and where the time goes.

    python benchmarks/startup.py --base OLD_CHECKOUT

With `--base` the same command of another checkout runs in turn with this one.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from _results import table, write_section

ROOT = Path(__file__).resolve().parents[1]
SUBJECTS, EXAMPLES, SIDE = 30, 4, 200

ENROLL = """
import sys
from pathlib import Path
from semelha import Gallery
from tests.tiny_model import tiny_model
gallery, photos = map(Path, sys.argv[1:])
with Gallery.create(gallery, tiny_model(gallery.with_suffix(".model"), size=64, channels=3, dim=64)) as opened:
    for subject in sorted(photos.iterdir()):
        opened.enroll(subject.name, sorted(subject.iterdir()))
    opened.calibrate(fpir=0.1)
"""

STAGES = """
import time
start = time.perf_counter()
import sys
import semelha.cli.app, semelha.gallery
imported = time.perf_counter()
from semelha import Gallery
gallery = Gallery.open(sys.argv[1])
opened = time.perf_counter()
gallery.identify(sys.argv[2])
answered = time.perf_counter()
gallery.close()
print(imported - start, opened - imported, answered - opened, time.perf_counter() - answered)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, help="another checkout to compare with")
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    checkouts = {"semelha": ROOT} | ({"before": arguments.base} if arguments.base else {})
    with tempfile.TemporaryDirectory() as folder:
        photo = _photos(Path(folder) / "photos")
        galleries = {name: Path(folder) / name for name in checkouts}
        for name, checkout in checkouts.items():
            _run(checkout, "-c", ENROLL, galleries[name], photo.parent.parent)
        seconds: dict[str, list[float]] = {name: [] for name in checkouts}
        for run in range(arguments.runs + 1):  # the first compiles the modules
            for name, checkout in checkouts.items():
                start = time.perf_counter()
                _run(checkout, "-m", "semelha.cli", "identify", galleries[name], photo)
                if run:
                    seconds[name].append(time.perf_counter() - start)
        rows = [[name, *np.quantile(taken, [0, 0.5, 1])] for name, taken in seconds.items()]
        stages = np.median([_stages(galleries["semelha"], photo) for _ in range(5)], axis=0)
        packages = _packages(galleries["semelha"], photo)
    body = [
        f"`semelha identify` of one JPEG of {SIDE} × {SIDE}, in a gallery of {SUBJECTS} subjects: seconds from the "
        f"start of the process to its end, {arguments.runs} runs in turn.",
        table(["checkout", "shortest", "median", "longest"], rows),
        "Where it goes, seconds (median of 5): starting Python, the modules, opening the gallery with its model, "
        "answering, closing.",
        table(["Python", "imports", "open", "identify", "close"], [stages.tolist()]),
        "Imports by package, milliseconds of each package's own modules (`-X importtime`, which slows them by about a "
        "half).",
        table(["package", "ms"], [[name, round(microseconds / 1000)] for name, microseconds in packages]),
    ]
    write_section("Identifying from a shell", "\n\n".join(body))


def _photos(folder: Path) -> Path:
    """Write noisy colored tiles as JPEGs, a folder for each subject, and return the first."""
    random = np.random.default_rng(0)
    for subject in range(SUBJECTS):
        (folder / f"subject {subject}").mkdir(parents=True)
        tiles = Image.fromarray(random.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize((SIDE, SIDE))
        for example in range(EXAMPLES):
            noisy = np.asarray(tiles).astype(int) + random.integers(-20, 20, (SIDE, SIDE, 3))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"subject {subject}" / f"{example}.jpg")
    return folder / "subject 0" / "0.jpg"


def _run(checkout: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": f"{checkout / 'src'}{os.pathsep}{checkout}"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # the modules of an installed package are compiled already
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True)


def _stages(gallery: Path, photo: Path) -> list[float]:
    start = time.perf_counter()
    inside = [float(word) for word in _run(ROOT, "-c", STAGES, gallery, photo).stdout.split()]
    return [time.perf_counter() - start - sum(inside), *inside]


def _packages(gallery: Path, photo: Path) -> list[tuple[str, int]]:
    """The ten packages whose modules take longest to import, with the time of their own modules in microseconds."""
    trace = _run(ROOT, "-X", "importtime", "-m", "semelha.cli", "identify", gallery, photo).stderr
    taken: Counter[str] = Counter()
    for own, module in re.findall(r"import time:\s*(\d+) \|\s*\d+ \|\s*(\S+)", trace):
        package = module.split(".")[0]
        taken["standard library" if package in sys.stdlib_module_names else package] += int(own)
    return taken.most_common(10)


if __name__ == "__main__":
    main()
