"""A gallery of a million examples, opened to its first answer.

    python benchmarks/opening.py [--examples 1000000] [--cache FOLDER] [--rounds 5]

Made once, by `Gallery.enroll_vectors` and `Gallery.flush`; then each round is a fresh process that opens it and
identifies one vector, with everything in the page cache. Every block of every segment is verified at opening.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from _gallery_made import small_model
from _results import table, write_section
from _search_data import DIMENSION, clustered
from semelha import Gallery

PER_SUBJECT = 100
CHILD = """
import json, sys, time
start = time.perf_counter()
import numpy as np
from semelha import Gallery
imported = time.perf_counter()
vector = np.load(sys.argv[2])
with Gallery.open(sys.argv[1]) as gallery:
    opened = time.perf_counter()
    first = gallery.identify_vectors(vector)[0]
    answered = time.perf_counter()
    again = gallery.identify_vectors(vector)[0]
    after = time.perf_counter()
    stats = gallery.index_stats()
    resident = int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1]) / 1024
    own = int(next(l for l in open("/proc/self/status") if l.startswith("RssAnon")).split()[1]) / 1024
print(json.dumps([imported - start, opened - imported, answered - imported, after - answered, resident, own, stats,
                  first.candidates[0].subject]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=1_000_000)
    parser.add_argument("--cache", type=Path, help="where the gallery is kept; a temporary folder if not given")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.cache or Path(temporary)) / f"gallery-{arguments.examples}"
        took = made(folder, arguments.examples)
        rounds = [opened(folder) for _ in range(arguments.rounds + 1)][1:]
    imports, opens, answers, second, resident, own = np.median([one[:6] for one in rounds], axis=0)
    segments = rounds[0][6]["segments"]
    rows = [
        ["imports, s", imports],
        ["opened, s", opens],
        ["opened to the first answer, s", answers],
        ["the same at worst, s", max(one[2] for one in rounds)],
        ["the second answer, ms", second * 1e3],
        ["resident memory, MB", resident],
        ["of it not of files, MB", own],
    ]
    body = (
        f"{arguments.examples:,} examples of {arguments.examples // PER_SUBJECT:,} subjects, {DIMENSION} numbers "
        f"each; median of {arguments.rounds} fresh processes, page cache warm. Segments: "
        + "; ".join(f"{one['kind']} {one.get('quantize', '')} of {one['vectors']:,}" for one in segments)
        + (f". Enrolling took {took[0]:.0f} s, the index {took[1]:.0f} s" if took else "")
        + ".\n\n"
        + table(["", "figure"], rows)
    )
    write_section("Opening a large gallery", body)


def made(folder: Path, examples: int) -> tuple[float, float] | None:
    """The seconds that it took to enroll and to settle; None where it is there already."""
    done = folder / "made.json"
    if done.exists():
        enrolling, settling = json.loads(done.read_text())
        return enrolling, settling
    folder.mkdir(parents=True, exist_ok=True)
    model = small_model(folder / "model", DIMENSION)
    vectors = clustered(1, examples)
    start = time.perf_counter()
    with Gallery.create(folder / "gallery", model, keep_pictures=False) as gallery:
        for number in range(0, examples, PER_SUBJECT):
            some = vectors[number : number + PER_SUBJECT]
            sources = [f"made {number + i}" for i in range(len(some))]
            gallery.enroll_vectors(f"subject {number // PER_SUBJECT}", some, sources, fingerprint=model.fingerprint)
        enrolled = time.perf_counter()
        gallery.flush()
        settled = time.perf_counter()
    np.save(folder / "vector.npy", vectors[:1])
    done.write_text(json.dumps([enrolled - start, settled - enrolled]))
    return enrolled - start, settled - enrolled


def opened(folder: Path) -> list[object]:
    """What a fresh process measured."""
    command = [sys.executable, "-c", CHILD, str(folder / "gallery"), str(folder / "vector.npy")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(output)
    if found[-1] != "subject 0":
        raise SystemExit(f"a stored vector was taken for {found[-1]}, not for its own subject")
    return found


if __name__ == "__main__":
    main()
