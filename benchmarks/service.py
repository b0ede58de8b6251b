"""The server under load: identifications a second and their latency, beside the embedder alone and a glued server.

    python benchmarks/service.py [--examples 1000,100000] [--clients 1,8,64] [--seconds 20] [--soak 10] [--cache FOLDER]

Needs Debian's `wrk`, which sends one picture a request on loopback. The model is the pretrained one, the examples are
made vectors, the pictures made JPEG files of 480 × 360. Rounds take turns with the embedder alone, which gets the same
files in batches of 32 (decoded, resized and embedded, and embedded alone), because the speed of a machine changes from
minute to minute. `--soak` is the minutes at the most clients during which the memory of the server is sampled: that
part is written apart, and `--only soak` or `--only load` runs one of the two.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import numpy as np
from PIL import Image

import semelha
from _results import table, write_section
from _service import made, made_pictures, resident, served
from semelha.embedders import Model, embed_pictures
from semelha.images import Picture

HERE = Path(__file__).parent
BATCH = 32
PAUSE = 3  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", default="1000,100000")
    parser.add_argument("--clients", default="1,8,64")
    parser.add_argument("--seconds", type=float, default=20, help="of each round: many times the latency")
    parser.add_argument("--soak", type=float, default=10)
    parser.add_argument("--only", choices=["load", "soak"])
    parser.add_argument("--cache", type=Path, help="where galleries are kept; a temporary folder if not given")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    clients = [int(one) for one in arguments.clients.split(",")]
    sizes = [int(one) for one in arguments.examples.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.cache or Path(temporary)
        pictures = made_pictures(folder / "pictures")
        model = semelha.pretrained()
        galleries = [made(folder / f"served-{examples}", model, examples) for examples in sizes]
        if arguments.only != "soak":
            rows = []
            for gallery, examples in zip(galleries, sizes, strict=True):
                rows += loaded(model, gallery, folder, pictures, examples, clients, arguments.seconds)
            columns = ["server", "examples", "clients", "a second", "p50, ms", "p99, ms", "failed"]
            columns += ["of decoding and embedding alone", "of embedding alone"]
            write_section("The server under load", table(columns, rows))
        if arguments.only != "load":
            write_section("The memory of the server", soak(galleries[-1], folder, clients[-1], 60 * arguments.soak))


def loaded(
    model: Model,
    gallery: Path,
    folder: Path,
    pictures: list[bytes],
    examples: int,
    clients: list[int],
    seconds: float,
) -> list[list[object]]:
    """Rows of a gallery: with and without enrollments, and of the glued server."""
    rows = []
    with served(gallery, folder) as (address, _):
        for count in clients:
            for enrolling in (False, True):
                alone = [speed_alone(model, pictures, seconds / 4)]
                with enrollments(address, pictures, 5.0 if enrolling else 0.0) as enrolled:
                    found = load(address, folder, count, seconds)
                alone.append(speed_alone(model, pictures, seconds / 4))
                what = f"semelha{', 5 enrollments a second' if enrolling else ''}"
                if enrolled:
                    what += f" ({min(enrolled):.0f}–{max(enrolled):.0f} ms each)"
                rows.append(row(what, examples, count, found, np.mean(alone, axis=0)))
    with glued(model, gallery / "vectors.npy") as address:
        for count in clients:
            alone = [speed_alone(model, pictures, seconds / 4)]
            found = load(address, folder, count, seconds)
            alone.append(speed_alone(model, pictures, seconds / 4))
            rows.append(row("glued", examples, count, found, np.mean(alone, axis=0)))
    return rows


def row(what: str, examples: int, clients: int, found: dict[str, float], alone: np.ndarray) -> list[object]:
    speed = found["requests"] / found["seconds"]
    ratios = [f"{speed / one:.2f}" for one in alone]
    figures = [f"{speed:.1f}", f"{found['p50']:.0f}", f"{found['p99']:.0f}", int(found["failed"]), *ratios]
    print(what, examples, clients, *figures, flush=True)
    return [what, f"{examples:,}", clients, *figures]


def speed_alone(model: Model, pictures: list[bytes], seconds: float) -> tuple[float, float]:
    """Pictures a second: decoded, resized and embedded in batches; and embedded alone."""
    sources = [Picture(data, "", "made") for data in pictures]
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        count += sum(1 for _ in embed_pictures(model.extractor, sources, batch_size=BATCH))
    both = count / (time.perf_counter() - start)
    prepared = np.stack([model.extractor.prepare(Image.open(io.BytesIO(data)).convert("RGB")) for data in pictures])
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for first in range(0, len(prepared), BATCH):
            count += len(model.extractor.vectors(prepared[first : first + BATCH]))
    return both, count / (time.perf_counter() - start)


@contextmanager
def glued(model: Model, vectors: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, str(HERE / "_service_glue.py"), str(model.folder), str(vectors), str(port)]
    with subprocess.Popen(words) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            while True:
                try:
                    httpx.get(f"{address}/healthz")
                    break
                except httpx.TransportError:
                    if process.poll() is not None:
                        raise SystemExit("the glued server did not start") from None
                    time.sleep(0.2)
            yield address
        finally:
            process.terminate()


@contextmanager
def enrollments(address: str, pictures: list[bytes], rate: float) -> Iterator[list[float]]:
    """So many pictures enrolled a second meanwhile: the milliseconds that each took."""
    took: list[float] = []
    ended = threading.Event()

    def run() -> None:
        with httpx.Client(timeout=60) as client:
            number, start = 0, time.perf_counter()
            while not ended.wait(max(0.0, start + number / rate - time.perf_counter())):
                begun = time.perf_counter()
                files = {"picture": (f"{number}.jpg", pictures[number % len(pictures)])}
                answer = client.post(f"{address}/api/v1/subjects", data={"name": f"new {number}"}, files=files)
                if answer.status_code not in (200, 201):
                    raise SystemExit(f"an enrollment failed: {answer.text}")
                took.append(1000 * (time.perf_counter() - begun))
                number += 1

    thread = threading.Thread(target=run)
    if rate:
        thread.start()
    try:
        yield took
    finally:
        ended.set()
        if rate:
            thread.join()


def load(address: str, folder: Path, clients: int, seconds: float) -> dict[str, float]:
    """What wrk measured, after two seconds of warming and a pause in which the server ends what is left of it."""
    for duration in (2, seconds):
        words = ["wrk", "-t1", f"-c{clients}", f"-d{duration:g}s", "--timeout", "60s"]
        words += ["-s", str(HERE / "_service_load.lua"), address, "--", str(folder / "pictures")]
        output = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        time.sleep(PAUSE)
    found: dict[str, float] = json.loads(output.strip().splitlines()[-1])
    return found


def soak(gallery: Path, folder: Path, clients: int, seconds: float) -> str:
    """The memory of the server over some minutes at full load."""
    samples: list[float] = []
    with served(gallery, folder) as (address, pid):
        thread = threading.Thread(target=load, args=(address, folder, clients, seconds))
        thread.start()
        while thread.is_alive():
            thread.join(seconds / 100)
            samples.append(resident(pid))
    half = samples[len(samples) // 5 :]
    return (
        f"{seconds / 60:g} minutes at {clients} clients, over the gallery of {gallery.name.split('-')[1]} examples: "
        f"resident memory {half[0]:.0f} MB after a fifth of the time, {half[-1]:.0f} MB at the end, "
        f"between {min(half):.0f} and {max(half):.0f} MB."
    )


if __name__ == "__main__":
    main()
