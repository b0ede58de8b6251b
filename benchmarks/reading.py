"""How fast pictures become vectors, and how much memory that takes.

    python benchmarks/reading.py [--base OLD_CHECKOUT] [--large 60] [--small 3000] [--subjects 10000] [--rounds 7]

Decoding is measured beside Pillow alone, in as many threads, with the same JPEG scale and the same resizing; rounds
alternate. With `--base` the enrollment is also measured in another checkout, in a process each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from _results import table, write_section
from semelha.embedders import InputSpec, embed_pictures
from semelha.images import read_pictures
from semelha.images.reading import MAX_THREADS
from semelha.processors import processors

ROOT = Path(__file__).resolve().parents[1]
SIDE = 128
LARGE, SMALL = (4000, 3000), (320, 240)
SPEC = InputSpec(height=SIDE, width=SIDE, channels=3)
PRETENDED = 64

ENROLL = """
import sys, time
from pathlib import Path
from semelha import Gallery
from semelha.images import read_folder
from tests.tiny_model import tiny_model
photos, out = map(Path, sys.argv[1:])
dataset = read_folder(photos)
with Gallery.create(out / "gallery", tiny_model(out / "model", size=64, channels=3, dim=64)) as gallery:
    start = time.perf_counter()
    done = gallery.enroll_dataset(dataset)
    print(time.perf_counter() - start)
assert sum(one.added for one in done) == len(dataset)
"""

MEMORY = f"""
import os, sys
os.sched_getaffinity = lambda _: set(range({PRETENDED}))
os.cpu_count = lambda: {PRETENDED}
from pathlib import Path
from semelha.embedders import FeatureEmbedder
from semelha.features import Histogram, RawPixels
features = RawPixels(({SIDE}, {SIDE}), channels=3) if sys.argv[2] == "scaled" else Histogram()
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024
before = peak()
assert len(FeatureEmbedder(features).embed(sorted(Path(sys.argv[1]).iterdir()) * int(sys.argv[3]))) >= 1
print(before, peak())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="another checkout to compare the enrollment with")
    parser.add_argument("--large", type=int, default=60, help="JPEGs of 12 MP")
    parser.add_argument("--small", type=int, default=3000, help="JPEGs of 320 × 240")
    parser.add_argument("--subjects", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = {
            "12 MP": write_photos(folder / "large", LARGE, distinct=6) * (arguments.large // 6),
            "320 × 240": write_photos(folder / "small", SMALL, distinct=min(300, arguments.small)) * 10,
        }
        files["320 × 240"] = files["320 × 240"][: arguments.small]
        body = speeds(files, arguments.rounds)
        body += enrollments(folder, arguments.subjects, arguments.base)
        body += memory(folder / "large")
    write_section("Reading pictures", body)


def write_photos(folder: Path, size: tuple[int, int], distinct: int) -> list[Path]:
    """JPEGs of smooth shapes with some texture, about as large as those of a camera."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(size[0])
    paths = []
    for number in range(distinct):
        coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
        texture = random.normal(0, 6, (size[1], size[0], 1))
        pixels = np.clip(np.asarray(coarse) + texture, 0, 255).astype(np.uint8)
        paths.append(folder / f"{number:05}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=90)
    return paths


class Fitted:
    """An extractor that resizes pictures and computes nothing."""

    side = SPEC.side

    def prepare(self, image: Image.Image) -> np.ndarray:
        return SPEC.prepare(image)

    def vectors(self, prepared: np.ndarray) -> np.ndarray:
        return prepared[:, :, 0, 0].astype(np.float32)


def pillow_alone(path: Path) -> np.ndarray:
    """Open, choose the scale, decode and resize: what every reader has to do."""
    with Image.open(path) as image:
        side = min(image.size)
        scale = next((each for each in (8, 4, 2) if side >= 2 * SIDE * each), 1)
        image.draft(None, (image.width // scale, image.height // scale))
        rgb = image.convert("RGB")
    shrink = SIDE / max(rgb.size)
    inner = (round(rgb.width * shrink), round(rgb.height * shrink))
    out = np.full((SIDE, SIDE, 3), 255, np.uint8)
    out[: inner[1], : inner[0]] = np.asarray(rgb.resize(inner, Image.Resampling.LANCZOS, reducing_gap=3.0))
    return out


def speeds(files: dict[str, list[Path]], rounds: int) -> str:
    """Pictures per second of each way to read, and the median ratio to Pillow alone within a round."""
    threads = min(MAX_THREADS, processors())

    def alone(paths: Sequence[Path]) -> None:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(pillow_alone, paths):
                pass

    ways: dict[str, Callable[[Sequence[Path]], object]] = {
        "Pillow alone": alone,
        "`read_pictures`": lambda paths: [*read_pictures(paths, SPEC.prepare, at_least=SIDE)],
        "`embed_pictures`": lambda paths: [*embed_pictures(Fitted(), paths)],
        "`embed_pictures`, hashed": lambda paths: [*embed_pictures(Fitted(), paths, hashed=True)],
    }
    rows = []
    for kind, paths in files.items():
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds + 1):  # the first warms the page cache
            for name, way in ways.items():
                start = time.perf_counter()
                way(paths)
                if number:
                    taken[name].append(time.perf_counter() - start)
        for name, seconds in taken.items():
            ratio = np.median(np.array(taken["Pillow alone"]) / np.array(seconds))
            rows.append([kind, name, f"{len(paths) / np.median(seconds):,.0f}", float(ratio)])
    return (
        f"JPEGs to {SIDE} × {SIDE} pixels in {threads} threads; median of {rounds} rounds that alternate. The "
        "embedder computes nothing, so that only the reading is measured.\n\n"
        + table(["files", "read by", "pictures/s", "speed beside Pillow alone"], rows)
        + "\n\n"
    )


def enrollments(folder: Path, subjects: int, base: Path | None) -> str:
    """Seconds to enroll subjects of one small picture each."""
    for path in write_photos(folder / "drawn", (96, 96), min(subjects, 10_000)):
        (folder / "subjects" / path.stem).mkdir(parents=True)
        path.rename(folder / "subjects" / path.stem / "0.jpg")
    rows = []
    for name, root in {"this checkout": ROOT, **({"the other checkout": base} if base else {})}.items():
        out = folder / name
        out.mkdir()
        rows.append([name, float(run_child(root, ENROLL, str(folder / "subjects"), str(out))[0])])
    if base:
        rows.append(["times as fast", rows[1][1] / rows[0][1]])
    columns = ["", "seconds"]
    return f"`enroll_dataset` of {subjects:,} subjects with one picture of 96 × 96:\n\n" + table(columns, rows) + "\n\n"


def memory(large: Path) -> str:
    """Peak memory of embedding 132 JPEGs of 12 MP where the process believes it has 64 processors."""
    repeats = 22
    rows = []
    for how, title in {"scaled": "decoded at 1/8", "full": "decoded in full (color histograms)"}.items():
        before, peak = run_child(ROOT, MEMORY, str(large), how, str(repeats))
        rows.append([title, f"{before:,.0f}", f"{peak:,.0f}"])
    return f"{6 * repeats} JPEGs of 12 MP, {PRETENDED} pretended processors; resident memory in MB:\n\n" + table(
        ["", "after the imports", "peak"], rows
    )


def run_child(root: Path, program: str, *arguments: str) -> list[float]:
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}:{root}"}
    command = [sys.executable, "-c", program, *arguments]
    output = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    if output.returncode:
        raise SystemExit(output.stderr)
    return [float(number) for number in output.stdout.split()]


if __name__ == "__main__":
    main()
