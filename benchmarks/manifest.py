"""A manifest of 100,000 classes, read with the header of every picture checked.

    python benchmarks/manifest.py [--classes 100000] [--cache FOLDER] [--rounds 3]

One picture of each class, each of other content; everything is in the page cache. Processor time is that of all threads
of the process; elapsed time depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from _results import table, write_section
from semelha.images import read_dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=100_000)
    parser.add_argument("--cache", type=Path, help="where the pictures are kept; a temporary folder if not given")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.cache or Path(temporary)
        if not (folder / "list.csv").exists():
            make(folder, arguments.classes)
        rows = [
            (title, *measured(arguments.rounds, path, check=check))
            for title, path, check in (
                ("manifest, headers checked", folder / "list.csv", True),
                ("manifest, not checked", folder / "list.csv", False),
                ("class folders, headers checked", folder / "photos", True),
            )
        ]
    write_section(
        f"Reading a data set of {arguments.classes:,} classes",
        table(["what", "seconds (median)", "processor seconds (median)", "largest memory of the process, MB"], rows),
    )


def make(folder: Path, classes: int) -> None:
    """Small PNG files, a class folder each, and a manifest of them."""
    random = np.random.default_rng(0)
    lines = ["path,label"]
    for number in range(classes):
        name = f"photos/thing {number:06}"
        (folder / name).mkdir(parents=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / name / "1.png")
        lines.append(f"{name}/1.png,thing {number:06}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")


def measured(rounds: int, path: Path, *, check: bool) -> tuple[float, float, int]:
    """Median seconds, elapsed and of the processor, and the peak of memory so far in MB."""
    seconds, of_processor = [], []
    for _ in range(rounds):
        start, begun = time.perf_counter(), time.process_time()
        dataset = read_dataset(path, check=check)
        seconds.append(time.perf_counter() - start)
        of_processor.append(time.process_time() - begun)
        assert len(dataset.classes) == len(dataset), "one picture of each class"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return float(np.median(seconds)), float(np.median(of_processor)), peak


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
